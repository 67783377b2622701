#include "forklore/rate_limit.hpp"

#include <doctest/doctest.h>

#include <random>

#include "cache/box.hpp"
#include "cache/gcra.hpp"
#include "child.hpp"
#include "seed.hpp"
#include "test_clock.hpp"

using namespace forklore;
using namespace std::chrono_literals;
using cache::Cells;
using cache::GcraStep;
using cache::step;
using tests::Box;
using tests::Child;
using tests::pass;

namespace {

RateDecision decide(Box& box, const Rate& rate, std::uint32_t cost = 1) {
  RateDecision decision;
  REQUIRE(take(box.cache, "key", rate, decision, cost) == Code::ok);
  return decision;
}

}  // namespace

TEST_CASE("a burst is allowed, then one by one as the period goes on") {
  Box box;
  const Rate rate{.count = 10, .period = 1s, .burst = 3};
  for (std::uint32_t left : {2u, 1u, 0u}) {
    const RateDecision decision = decide(box, rate);
    CHECK(decision.allowed);
    CHECK(decision.limit == 3);
    CHECK(decision.remaining == left);
    CHECK(decision.reset_after == 100ms * (3 - left));
  }
  RateDecision decision = decide(box, rate);
  CHECK_FALSE(decision.allowed);
  CHECK(decision.retry_after == 100ms);
  pass(99ms);
  decision = decide(box, rate);
  CHECK_FALSE(decision.allowed);
  CHECK(decision.retry_after == 1ms);
  pass(1ms);
  decision = decide(box, rate);
  CHECK(decision.allowed);
  CHECK(decision.remaining == 0);
  pass(300ms);
  CHECK(decide(box, rate, 0).remaining == 3);
  CHECK(box.cache.contains("key") == Code::ok);
  pass(2ms);
  CHECK(box.cache.contains("key") == Code::not_found);  // it says nothing any more
}

TEST_CASE("several at once are taken all or none") {
  Box box;
  const Rate rate{.count = 5, .period = 1s};
  CHECK(decide(box, rate, 3).allowed);
  RateDecision decision = decide(box, rate, 3);
  CHECK_FALSE(decision.allowed);
  CHECK(decision.remaining == 2);
  CHECK(decision.retry_after == 200ms);
  CHECK(decide(box, rate, 2).allowed);
  decision = decide(box, rate, 6);
  CHECK_FALSE(decision.allowed);
  CHECK(decision.retry_after == kForever);
  decision = decide(box, rate, 0);
  CHECK(decision.allowed);
  CHECK(decision.remaining == 0);
}

TEST_CASE("never more than the burst and what the time allows, whatever the times of asking") {
  const std::uint64_t seed = tests::seed();
  MESSAGE("seed " << seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 200; ++round) {
    const Rate rate{.count = static_cast<std::uint32_t>(1 + random() % 1000),
                    .period = std::chrono::milliseconds(1 + random() % 100'000),
                    .burst = static_cast<std::uint32_t>(random() % 50)};
    Cells cells{};
    REQUIRE(Cells::make(rate, cells));
    std::int64_t now = 1'000'000'000;
    const std::int64_t begin = now;
    std::int64_t arrival = now;
    std::int64_t allowed = 0;
    for (int i = 0; i < 500; ++i) {
      const auto cost = static_cast<std::uint32_t>(1 + random() % 3);
      const GcraStep next = step(cells, arrival, now, cost);
      arrival = next.arrival;
      REQUIRE(next.decision.remaining <= cells.burst);
      if (next.decision.allowed) {
        allowed += cost;
        REQUIRE(allowed <= cells.burst + (now - begin) / cells.interval);
      } else if (next.decision.retry_after != kForever) {
        // It tells the truth: then it would be allowed, a millisecond before not.
        const std::int64_t then = now + next.decision.retry_after.count() * 1'000'000;
        REQUIRE(step(cells, arrival, then, cost).decision.allowed);
        REQUIRE_FALSE(step(cells, arrival, then - 1'000'000, cost).decision.allowed);
      }
      now += static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(2 * cells.interval));
    }
  }
}

TEST_CASE("exact over processes: of all that ask at one moment, the burst is allowed") {
  Box box;
  const Rate rate{.count = 1000, .period = 1s, .burst = 300};
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  std::vector<Child> children;
  for (int i = 0; i < 4; ++i) {
    children.emplace_back([&] {
      std::uint32_t allowed = 0;
      for (int n = 0; n < 500; ++n) {
        RateDecision decision;
        if (take(box.cache, "key", rate, decision) != Code::ok) return 1;
        allowed += decision.allowed;
      }
      return ::write(ends[1], &allowed, sizeof allowed) == sizeof allowed ? 0 : 1;
    });
  }
  std::uint32_t sum = 0;
  for (Child& child : children) {
    CHECK(child.join() == 0);
    std::uint32_t allowed = 0;
    REQUIRE(::read(ends[0], &allowed, sizeof allowed) == sizeof allowed);
    sum += allowed;
  }
  CHECK(sum == 300);  // the clock, which the test moves, stands
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE("rates that make no sense, and entries that are none of a rate, are refused") {
  Box box;
  RateDecision decision;
  for (const Rate& rate : {Rate{.count = 0}, Rate{.period = 0ms}, Rate{.period = -1s}, Rate{.period = 24h * 400},
                           Rate{.count = 1, .period = 24h * 300, .burst = 1'000'000}}) {
    CHECK(take(box.cache, "key", rate, decision) == Code::invalid_argument);
  }
  CHECK(take(box.cache, "", {}, decision) == Code::invalid_key);
  REQUIRE(box.cache.set("text", "words") == Code::ok);
  CHECK(take(box.cache, "text", {}, decision) == Code::not_a_number);
  WindowCount count;
  CHECK(count_in_window(box.cache, "text", 1s, count) == Code::not_a_number);
  CHECK(count_in_window(box.cache, "key", 0s, count) == Code::invalid_argument);
  Cache reader = Cache::attach({.name = box.name, .read_only = true});
  CHECK(take(reader, "key", {}, decision) == Code::read_only);
  // Any integer is a time of arrival: at worst the burst is used up.
  std::int64_t sum = 0;
  for (const std::int64_t value : {INT64_MAX, INT64_MIN, std::int64_t{-1}}) {
    static_cast<void>(box.cache.erase("number"));
    REQUIRE(box.cache.increment("number", 0, sum, value) == Code::ok);
    REQUIRE(take(box.cache, "number", {.count = 2}, decision) == Code::ok);
    CHECK(decision.allowed == (value < 0));
    CHECK(decision.retry_after <= 500ms);
  }
}

TEST_CASE("counts are those of a window and the one before; the sliding one is in between") {
  Box box;
  WindowCount count;
  const auto add = [&](std::uint32_t n) {
    REQUIRE(count_in_window(box.cache, "key", 1000ms, count, n) == Code::ok);
    return count.current;
  };
  REQUIRE(count_in_window(box.cache, "key", 1000ms, count, 0) == Code::ok);
  pass(count.reset_after);  // to the begin of a window
  CHECK(add(1) == 1);
  CHECK(add(9) == 10);
  CHECK(count.previous == 0);
  CHECK(count.sliding == doctest::Approx(10));
  CHECK(count.reset_after == 1000ms);
  pass(1250ms);
  CHECK(add(1) == 1);
  CHECK(count.previous == 10);
  CHECK(count.sliding == doctest::Approx(8.5));
  CHECK(count.reset_after == 750ms);
  pass(2000ms);
  CHECK(add(0) == 0);
  CHECK(count.previous == 0);
  CHECK(box.cache.contains("key") == Code::not_found);
  CHECK(add(kMostInWindow) == kMostInWindow);
  CHECK(add(5) == kMostInWindow);
}
