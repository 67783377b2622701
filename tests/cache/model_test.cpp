// Random calls beside a plain map: every answer is compared, and what a full segment may forget is only ever forgotten
// whole. The seed is printed; FORKLORE_SEED repeats a run.
#include <doctest/doctest.h>

#include <random>

#include "cache/checked_calls.hpp"
#include "sanitized.hpp"
#include "seed.hpp"
#include "unique_name.hpp"

using namespace forklore;
using tests::CheckedCalls;
using tests::Room;

namespace {

class RandomChoices : public tests::Choices {
 public:
  explicit RandomChoices(std::uint64_t seed) : random_(seed) {}
  std::size_t below(std::size_t bound) override {
    return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random_);
  }

 private:
  std::mt19937_64 random_;
};

/// Makes many calls on a new segment, then lets the caller look at what came of them.
template <class Look>
void run(Options options, Room room, tests::Mix mix, Look look) {
  constexpr unsigned kCalls = tests::kSanitized ? 20'000 : 60'000;
  const std::uint64_t seed = tests::seed();
  CAPTURE(seed);
  CAPTURE(std::size_t{*options.capacity_bytes});
  MESSAGE("seed " << seed);
  tests::UniqueName name;
  options.name = name;
  RandomChoices choices(seed);
  CheckedCalls calls(options, room, mix, choices);
  for (unsigned i = 1; i <= kCalls; ++i) {
    calls.step();
    if (i % 5000 == 0) calls.look_over();
  }
  CHECK(calls.expirations() > 100);
  look(calls, calls.cache().stats());
}

}  // namespace

// Values of up to a sixteenth of a stripe, which can always be moved. A larger one may have to leave though a stripe is
// far from full: where it lies when its chunks' turn comes, no other place may be as long.
TEST_CASE("a segment with room is a map") {
  run({.capacity_bytes = 64 * MiB}, Room::enough, {300, 200'000},
      [](const CheckedCalls&, const Stats& stats) { CHECK(stats.reclaims > 0); });
}

TEST_CASE("a segment that is too small forgets entries whole, and nothing else") {
  for (const std::size_t capacity : {kMinCapacityBytes, std::size_t{1} << 20}) {
    run({.capacity_bytes = capacity}, Room::evicting, {2000}, [](const CheckedCalls& calls, const Stats& stats) {
      CHECK(stats.evictions > 100);
      CHECK(stats.moves > 0);
      CHECK(calls.hits() > 1000);
    });
  }
}

TEST_CASE("a rejecting segment never loses an entry, and says when it is full") {
  for (const std::size_t capacity : {kMinCapacityBytes, std::size_t{1} << 20}) {
    run({.capacity_bytes = capacity, .when_full = WhenFull::reject}, Room::rejecting, {2000},
        [](const CheckedCalls& calls, const Stats& stats) {
          CHECK(calls.fulls() > 0);
          CHECK(stats.moves > 0);
        });
  }
}

TEST_CASE("entries so small that the index takes chunks, and gives them back, are kept all the same") {
  for (const WhenFull when_full : {WhenFull::evict, WhenFull::reject}) {
    const Options options{.capacity_bytes = 1 * MiB, .when_full = when_full, .max_value_bytes = 1000ul, .stripes = 1};
    run(options, when_full == WhenFull::evict ? Room::evicting : Room::rejecting, {60'000, 9},
        [](const CheckedCalls& calls, const Stats&) { CHECK(calls.most_slots() > 2000); });
  }
}
