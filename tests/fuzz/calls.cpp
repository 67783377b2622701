// A stream of calls on a tiny segment beside a map: an input is the choices that CheckedCalls makes.
#include <cstdio>
#include <cstdlib>
#include <deque>

#include "bytes.hpp"
#include "sample.hpp"

using namespace forklore;
using fuzz::Bytes;
using fuzz::Sample;
using tests::Room;

namespace {

Options anonymous(const char* name, WhenFull when_full) {
  Options options;
  options.name = fuzz::own_name(name);
  options.place = Place::anonymous;
  options.capacity_bytes = kMinCapacityBytes;
  options.when_full = when_full;
  return options;
}

/// Empty segments: a cache and state of entries of all sizes, and both of small ones, so many that the index grows.
std::deque<Sample>& samples() {
  static std::deque<Sample> all;
  if (!all.empty()) return all;
  all.emplace_back(anonymous("cache", WhenFull::evict), Room::evicting, tests::Mix{160}, 0);
  all.emplace_back(anonymous("state", WhenFull::reject), Room::rejecting, tests::Mix{160}, 0);
  all.emplace_back(anonymous("small-cache", WhenFull::evict), Room::evicting, tests::Mix{2000, 9}, 0);
  all.emplace_back(anonymous("small-state", WhenFull::reject), Room::rejecting, tests::Mix{2000, 9}, 0);
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Bytes input({data, size});
  Sample& sample = samples()[input.below(samples().size())];
  sample.restore();
  try {
    tests::CheckedCalls calls(sample.options(), sample.room(), sample.mix(), input);
    for (unsigned i = 0; i < 2000 && input.more(); ++i) calls.step();
    calls.look_over();
  } catch (const tests::Mismatch& mismatch) {
    std::fprintf(stderr, "the cache and the map differ: %s\n", mismatch.what());
    std::abort();
  }
  return 0;
}
