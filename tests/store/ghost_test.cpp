#include "store/ghost.hpp"

#include <doctest/doctest.h>

#include <array>

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
  /// Whether a key that left small is remembered.
  static bool take(Ghost& ghost, std::uint64_t hash, std::uint64_t small) {
    return ghost.take(hash, std::array<std::uint64_t, 2>{small, 0}).found;
  }
  static void record(Ghost& ghost, std::uint64_t hash, std::uint64_t small) {
    ghost.record(hash, std::array<std::uint64_t, 2>{small, 0}, false);
  }
  [[nodiscard]] std::uint64_t stripe() const { return std::uint64_t{geometry.chunks} * geometry.chunk_bytes; }
};

}  // namespace

TEST_CASE("a key that left is remembered, once") {
  GhostBox box;
  Ghost ghost = box.ghost();
  GhostBox::record(ghost, mix(1), 5000);
  CHECK_FALSE(GhostBox::take(ghost, mix(2), 6000));
  CHECK(GhostBox::take(ghost, mix(1), 6000));
  CHECK_FALSE(GhostBox::take(ghost, mix(1), 6000));
}

TEST_CASE("nobody has left an empty ghost") {
  GhostBox box;
  Ghost ghost = box.ghost();
  for (std::uint64_t i = 0; i < 10000; ++i) REQUIRE_FALSE(GhostBox::take(ghost, mix(i), 0));
  for (std::uint64_t i = 0; i < 10000; ++i) REQUIRE_FALSE(GhostBox::take(ghost, mix(i), 123'456'789));
}

TEST_CASE("a key is remembered until about one and a half times the stripe's own size has left since, then forgotten") {
  GhostBox box;
  for (const std::uint64_t start : {std::uint64_t{1}, box.stripe() / 2, 100 * box.stripe() + 7}) {
    CAPTURE(start);
    Ghost ghost = box.ghost();
    GhostBox::record(ghost, mix(1), start);
    CHECK(GhostBox::take(ghost, mix(1), start));
    GhostBox::record(ghost, mix(1), start);
    CHECK(GhostBox::take(ghost, mix(1), start + box.stripe() * 149 / 100));
    GhostBox::record(ghost, mix(1), start);
    CHECK_FALSE(GhostBox::take(ghost, mix(1), start + box.stripe() * 152 / 100));
    CHECK_FALSE(GhostBox::take(ghost, mix(1), start + box.stripe() * 3));
  }
}

TEST_CASE("a group that is full forgets the key that left longest ago") {
  GhostBox box(16);
  Ghost ghost = box.ghost();
  const std::uint64_t step = box.stripe() / 100;
  for (std::uint64_t i = 0; i < 17; ++i) GhostBox::record(ghost, mix(i), (i + 1) * step);
  CHECK_FALSE(GhostBox::take(ghost, mix(0), 18 * step));
  for (std::uint64_t i = 1; i < 17; ++i) CHECK(GhostBox::take(ghost, mix(i), 18 * step));
}

TEST_CASE("a key that leaves again takes its old place") {
  GhostBox box(16);
  Ghost ghost = box.ghost();
  const std::uint64_t step = box.stripe() / 100;
  for (std::uint64_t i = 0; i < 16; ++i) GhostBox::record(ghost, mix(i), (i + 1) * step);
  for (std::uint64_t i = 0; i < 50; ++i) GhostBox::record(ghost, mix(3), (i + 17) * step);
  for (std::uint64_t i = 0; i < 16; ++i) CHECK(GhostBox::take(ghost, mix(i), 67 * step));
}

TEST_CASE("strangers are seldom taken for those who left") {
  GhostBox box;
  Ghost ghost = box.ghost();
  for (std::uint64_t i = 0; i < 2000; ++i) GhostBox::record(ghost, mix(i), box.stripe());
  unsigned taken = 0;
  for (std::uint64_t i = 100'000; i < 200'000; ++i) taken += GhostBox::take(ghost, mix(i), box.stripe());
  CHECK(taken < 100);
}

TEST_CASE("each log has its own clock, and a key is remembered with the log that it left") {
  GhostBox box;
  Ghost ghost = box.ghost();
  const std::uint64_t stripe = box.stripe();
  const std::array<std::uint64_t, 2> before = {7 * stripe, 3 * stripe};
  ghost.record(mix(1), before, false);
  ghost.record(mix(2), before, true);
  const std::array<std::uint64_t, 2> later = {8 * stripe, 3 * stripe + stripe / 4};
  const Ghost::Return small = ghost.take(mix(1), later);
  CHECK(small.found);
  CHECK_FALSE(small.from_main);
  CHECK(small.age >= Ghost::kStripe * 99 / 100);
  CHECK(small.age <= Ghost::kStripe);
  const Ghost::Return main = ghost.take(mix(2), later);
  CHECK(main.found);
  CHECK(main.from_main);
  CHECK(main.age >= Ghost::kStripe / 4 * 99 / 100);
  CHECK(main.age <= Ghost::kStripe / 4);
}
