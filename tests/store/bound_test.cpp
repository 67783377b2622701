#include <doctest/doctest.h>

#include <algorithm>

#include "store/stripe_box.hpp"

using namespace forklore;
using tests::StripeBox;

namespace {

/// How many chunks a call takes back at most: for the value 2 * (what it needs + 16), for the index one a step.
std::uint64_t most_chunks(const store::Geometry& g, std::size_t bytes) {
  return 2 * ((bytes + g.chunk_bytes - 1) / g.chunk_bytes + 16) + 1 + bytes / 128;
}

}  // namespace

TEST_CASE("a call takes back a bounded number of chunks, however hot the entries of a full stripe are") {
  StripeBox box(512 << 10);
  const std::string value(100, 'v');
  const std::string large(box.geometry.shape.max_value - 8, 'l');
  unsigned keys = 0;
  const auto add = [&] { REQUIRE(box.set("key" + std::to_string(keys++), value) == Code::ok); };
  while (box.header().evictions.load() == 0) add();
  std::uint64_t most = 0;
  for (unsigned round = 0; round < 200; ++round) {
    for (unsigned key = 0; key < keys; ++key) {
      for (unsigned frequency = 0; frequency < store::kMaxFrequency; ++frequency) {
        static_cast<void>(box.get("key" + std::to_string(key)));
      }
    }
    // Small ones until room has to be made, and now and then a large one.
    std::uint64_t before = box.header().reclaims.load();
    while (box.header().reclaims.load() == before) add();
    std::uint64_t taken = box.header().reclaims.load() - before;
    REQUIRE(taken <= most_chunks(box.geometry, 128));
    most = std::max(most, taken);
    if (round % 10 != 9) continue;
    before = box.header().reclaims.load();
    REQUIRE(box.set("large", large) == Code::ok);
    taken = box.header().reclaims.load() - before;
    REQUIRE(taken <= most_chunks(box.geometry, large.size() + 16));
  }
  CHECK(most > 4);  // they were hot: one chunk would not have done
  CHECK(box.verify().empty());
}
