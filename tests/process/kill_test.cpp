// Workers that get SIGKILL again and again amid their writes: nobody hangs, and what was acknowledged is there.
#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <random>
#include <vector>

#include "child.hpp"
#include "process/checked_value.hpp"
#include "process/waiting.hpp"
#include "seed.hpp"
#include "shared.hpp"
#include "unique_name.hpp"

using namespace forklore;
using tests::checked_value;
using tests::Child;
using tests::number_of;
using tests::Shared;
using tests::UniqueName;

namespace {

constexpr unsigned kWorkers = 3, kKeys = 40, kKills = 400;
constexpr std::chrono::milliseconds kPatience{20'000};

/// What a worker has begun, and what has been acknowledged to it. It outlives the worker.
struct Ledger {
  std::atomic<std::uint64_t> begun[kKeys], done[kKeys];  // numbers of the values
  std::atomic<std::int64_t> counts_begun, counts_done;
  std::atomic<std::uint64_t> wrong;
};
struct Ledgers {
  Ledger of[kWorkers];
};

std::string key(unsigned worker, unsigned i) { return "w" + std::to_string(worker) + "-" + std::to_string(i); }

[[noreturn]] void work(Cache& cache, Ledger& ledger, unsigned worker, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string out;
  for (;;) {
    const auto i = static_cast<unsigned>(random() % kKeys);
    const std::string k = key(worker, i);
    const std::uint64_t number = ledger.begun[i] + 1;
    const std::string value = checked_value(k, number, 24 + random() % (random() % 4 == 0 ? 60'000 : 500));
    ledger.begun[i] = number;
    if (cache.set(k, value) != Code::ok) ++ledger.wrong;
    ledger.done[i] = number;
    if (cache.get(k, out) != Code::ok || out != value) ++ledger.wrong;
    std::int64_t now = 0;
    ++ledger.counts_begun;
    if (cache.increment("n", 1, now, 0) != Code::ok) ++ledger.wrong;
    ++ledger.counts_done;
  }
}

/// What the segment holds against the ledgers. Nobody works meanwhile, or the entries of one worker alone are looked
/// at.
void compare(Cache& cache, Ledgers& ledgers) {
  std::string out;
  std::int64_t least = 0, most = 0, now = 0;
  for (unsigned w = 0; w < kWorkers; ++w) {
    Ledger& ledger = ledgers.of[w];
    CHECK(ledger.wrong == 0);
    least += ledger.counts_done;
    most += ledger.counts_begun;
    for (unsigned i = 0; i < kKeys; ++i) {
      const Code code = cache.get(key(w, i), out);
      if (ledger.done[i] == 0 && code == Code::not_found) continue;
      REQUIRE(code == Code::ok);
      const auto number = number_of(key(w, i), out);
      REQUIRE(number);
      REQUIRE(*number >= ledger.done[i]);
      REQUIRE(*number <= ledger.begun[i]);
    }
  }
  REQUIRE(cache.increment("n", 0, now, 0) == Code::ok);
  CHECK(now >= least);
  CHECK(now <= most);
  for (const std::string& fault : cache.verify()) FAIL_CHECK(fault);
}

}  // namespace

TEST_CASE("hundreds of kills amid writes lose nothing that was acknowledged, and keep nobody waiting") {
  const std::uint64_t seed = tests::seed();
  MESSAGE("seed " << seed);
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  UniqueName name;
  Cache cache = Cache::open({.name = name, .capacity_bytes = 64 * MiB, .stripes = 1, .lock_timeout = kPatience});
  Shared<Ledgers> ledgers;
  std::vector<Child> workers;
  const auto start = [&](unsigned w) {
    return Child([&cache, &ledgers, w, s = random()]() -> int { work(cache, ledgers->of[w], w, s); });
  };
  // A busy machine lets workers sleep when they are killed: then it takes more kills to hit the lock.
  for (unsigned round = 0; round < 4 || (round < 80 && cache.stats().recoveries <= 2); ++round) {
    for (unsigned w = 0; w < kWorkers; ++w) workers.push_back(start(w));
    for (unsigned kill = 0; kill < kKills / 4; ++kill) {
      ::usleep(static_cast<::useconds_t>(random() % 12'000));
      const auto w = static_cast<unsigned>(random() % kWorkers);
      workers[w].kill();  // before the next is begun: a ledger is one worker's at a time
      workers[w] = start(w);
    }
    workers.clear();
    compare(cache, *ledgers);
  }
  const Stats stats = cache.stats();
  MESSAGE(kKills << " kills, " << stats.recoveries << " of them inside the lock, " << stats.writes << " writes");
  CHECK(stats.recoveries > 2);
  CHECK(stats.resets == 0);
  CHECK(stats.evictions == 0);
  CHECK(stats.busy == 0);
}

TEST_CASE("kills in the smallest segment leave it sound and of use, in either mode") {
  const std::uint64_t seed = tests::seed();
  MESSAGE("seed " << seed);
  CAPTURE(seed);
  for (const WhenFull when_full : {WhenFull::evict, WhenFull::reject}) {
    std::mt19937_64 random(seed);
    UniqueName name;
    Cache cache = Cache::open(
        {.name = name, .capacity_bytes = kMinCapacityBytes, .when_full = when_full, .lock_timeout = kPatience});
    const std::size_t most = cache.stats().max_value_bytes;
    for (unsigned kill = 0; kill < kKills / 4 || (kill < kKills * 20 && cache.stats().recoveries == 0); ++kill) {
      Child worker([&, s = random()]() -> int {
        std::mt19937_64 numbers(s);
        for (std::uint64_t n = 0;; ++n) {
          const std::string k = "key" + std::to_string(numbers() % 100);
          const std::size_t size = 24 + numbers() % (numbers() % 4 == 0 ? most - 24 : 300);
          if (numbers() % 4 == 0) {
            static_cast<void>(cache.erase(k));
          } else {
            static_cast<void>(cache.set(k, checked_value(k, n, size)));
          }
        }
      });
      ::usleep(static_cast<::useconds_t>(random() % 10'000));
      worker.kill();
      for (const std::string& fault : cache.verify()) FAIL(fault);
      std::string out;
      for (unsigned i = 0; i < 100; ++i) {
        const std::string k = "key" + std::to_string(i);
        if (cache.get(k, out) == Code::ok) REQUIRE(number_of(k, out));
      }
      if (when_full == WhenFull::evict) REQUIRE(cache.set("alive", "yes") == Code::ok);
    }
    CHECK(cache.stats().recoveries > 0);
    CHECK(cache.stats().resets == 0);
    CHECK(cache.stats().busy == 0);
    if (when_full == WhenFull::reject) CHECK(cache.stats().evictions == 0);
    CHECK(cache.clear() == Code::ok);
    CHECK(cache.set("key", std::string(most, 'v')) == Code::ok);
  }
}

TEST_CASE("in a full rejecting segment every key is overwritten by as much, whoever dies meanwhile") {
  const std::uint64_t seed = tests::seed();
  MESSAGE("seed " << seed);
  CAPTURE(seed);
  for (const std::size_t capacity : {kMinCapacityBytes, std::size_t{1} << 20}) {
    std::mt19937_64 random(seed);
    UniqueName name;
    Cache cache = Cache::open({.name = name,
                               .capacity_bytes = capacity,
                               .when_full = WhenFull::reject,
                               .stripes = 1,
                               .lock_timeout = kPatience});
    std::vector<std::size_t> sizes;
    const auto name_of = [](std::size_t i) { return "key" + std::to_string(i); };
    for (unsigned refused = 0; refused < 50;) {
      const std::size_t most = random() % 20 == 0 ? cache.stats().max_value_bytes : 1000;
      const std::size_t size = 24 + random() % (most - 24);
      const std::string k = name_of(sizes.size());
      if (cache.set(k, checked_value(k, 0, size)) == Code::ok) {
        sizes.push_back(size);
      } else {
        ++refused;
      }
    }
    Shared<std::atomic<std::uint64_t>> refused;
    const auto overwrite = [&](std::uint64_t number, std::size_t i) {
      const std::string k = name_of(i);
      if (cache.set(k, checked_value(k, number, sizes[i])) != Code::ok) ++*refused;
    };
    const auto worker = [&](std::uint64_t s) {
      return Child([&, s]() -> int {
        std::mt19937_64 numbers(s);
        for (std::uint64_t n = 0;; ++n) overwrite(n, numbers() % sizes.size());
      });
    };
    std::vector<Child> workers;
    for (unsigned i = 0; i < 2; ++i) workers.push_back(worker(random()));
    for (unsigned kill = 0; kill < kKills / 2 || (kill < kKills * 20 && cache.stats().recoveries < 5); ++kill) {
      ::usleep(static_cast<::useconds_t>(random() % 5000));
      workers[kill % workers.size()] = worker(random());  // the one before is killed
      if (kill % 10 != 0) continue;
      for (std::size_t i = 0; i < sizes.size(); ++i) overwrite(kill, i);
      for (const std::string& fault : cache.verify()) FAIL(fault);
      REQUIRE(*refused == 0);
    }
    workers.clear();
    std::string out;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      REQUIRE(cache.get(name_of(i), out) == Code::ok);
      REQUIRE(out.size() == sizes[i]);
      REQUIRE(number_of(name_of(i), out));
    }
    CHECK(*refused == 0);
    CHECK(cache.stats().recoveries > 0);
    CHECK(cache.stats().resets == 0);
    CHECK(cache.stats().evictions == 0);
  }
}
