// A stream of calls on a tiny segment beside a map: an input is the choices that CheckedCalls makes.
#include <array>
#include <cstdio>
#include <cstdlib>

#include "bytes.hpp"
#include "sample.hpp"

using namespace forklore;
using fuzz::Bytes;
using fuzz::Sample;
using tests::Room;

namespace {

std::array<Sample, 2>& samples() {
  static std::array<Sample, 2> all{
      {{{.name = fuzz::own_name("evict"), .place = Place::anonymous, .capacity_bytes = kMinCapacityBytes},
        Room::evicting,
        0},
       {{.name = fuzz::own_name("reject"),
         .place = Place::anonymous,
         .capacity_bytes = kMinCapacityBytes,
         .when_full = WhenFull::reject},
        Room::rejecting,
        0}}};
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Bytes input({data, size});
  Sample& sample = samples()[input.below(2)];
  sample.restore();
  try {
    tests::CheckedCalls calls(sample.options(), sample.room(), Sample::kKeys, input);
    for (unsigned i = 0; i < 2000 && input.more(); ++i) calls.step();
    calls.look_over();
  } catch (const tests::Mismatch& mismatch) {
    std::fprintf(stderr, "the cache and the map differ: %s\n", mismatch.what());
    std::abort();
  }
  return 0;
}
