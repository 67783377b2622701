#include "store/ghost.hpp"

#include <doctest/doctest.h>

#include "store/stripe_box.hpp"

using namespace forklore::store;
using forklore::base::mix;

namespace {

struct GhostBox {
  explicit GhostBox(std::uint32_t words = 1024) : memory(words * sizeof(HalfWord)) {
    geometry.ghost_words = words;
    geometry.chunks = 128;
    geometry.chunk_bytes = 4096;
  }
  Geometry geometry;
  forklore::tests::Lines memory;
  Ghost ghost() { return {memory.data(), geometry}; }
  [[nodiscard]] std::uint64_t stripe() const { return std::uint64_t{geometry.chunks} * geometry.chunk_bytes; }
};

}  // namespace

TEST_CASE("a key that left is remembered, once") {
  GhostBox box;
  Ghost ghost = box.ghost();
  ghost.record(mix(1), 5000);
  CHECK_FALSE(ghost.take(mix(2), 6000));
  CHECK(ghost.take(mix(1), 6000));
  CHECK_FALSE(ghost.take(mix(1), 6000));
}

TEST_CASE("nobody has left an empty ghost") {
  GhostBox box;
  Ghost ghost = box.ghost();
  for (std::uint64_t i = 0; i < 10000; ++i) REQUIRE_FALSE(ghost.take(mix(i), 0));
  for (std::uint64_t i = 0; i < 10000; ++i) REQUIRE_FALSE(ghost.take(mix(i), 123'456'789));
}

TEST_CASE("a key is remembered until about the stripe's own size has left since, then forgotten") {
  GhostBox box;
  for (const std::uint64_t start : {std::uint64_t{1}, box.stripe() / 2, 100 * box.stripe() + 7}) {
    CAPTURE(start);
    Ghost ghost = box.ghost();
    ghost.record(mix(1), start);
    CHECK(ghost.take(mix(1), start));
    ghost.record(mix(1), start);
    CHECK(ghost.take(mix(1), start + box.stripe() * 99 / 100));
    ghost.record(mix(1), start);
    CHECK_FALSE(ghost.take(mix(1), start + box.stripe() * 102 / 100));
    CHECK_FALSE(ghost.take(mix(1), start + box.stripe() * 2));
  }
}

TEST_CASE("a group that is full forgets the key that left longest ago") {
  GhostBox box(16);
  Ghost ghost = box.ghost();
  const std::uint64_t step = box.stripe() / 100;
  for (std::uint64_t i = 0; i < 17; ++i) ghost.record(mix(i), (i + 1) * step);
  CHECK_FALSE(ghost.take(mix(0), 18 * step));
  for (std::uint64_t i = 1; i < 17; ++i) CHECK(ghost.take(mix(i), 18 * step));
}

TEST_CASE("a key that leaves again takes its old place") {
  GhostBox box(16);
  Ghost ghost = box.ghost();
  const std::uint64_t step = box.stripe() / 100;
  for (std::uint64_t i = 0; i < 16; ++i) ghost.record(mix(i), (i + 1) * step);
  for (std::uint64_t i = 0; i < 50; ++i) ghost.record(mix(3), (i + 17) * step);
  for (std::uint64_t i = 0; i < 16; ++i) CHECK(ghost.take(mix(i), 67 * step));
}

TEST_CASE("strangers are seldom taken for those who left") {
  GhostBox box;
  Ghost ghost = box.ghost();
  for (std::uint64_t i = 0; i < 2000; ++i) ghost.record(mix(i), box.stripe());
  unsigned taken = 0;
  for (std::uint64_t i = 100'000; i < 200'000; ++i) taken += ghost.take(mix(i), box.stripe());
  CHECK(taken < 100);
}
