// Threads of one process on one handle, so on one mapping, doing everything at once: no value is torn, no count is
// lost. Built with ThreadSanitizer it is its test: what it reports as a race is one.
#include <doctest/doctest.h>

#include <atomic>
#include <forklore/forklore.hpp>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "process/checked_value.hpp"
#include "seed.hpp"

using namespace forklore;
using tests::checked_value;
using tests::number_of;

namespace {

constexpr unsigned kThreads = 6, kKeys = 80, kCounters = 5;

struct Tally {
  std::atomic<unsigned> hits{0}, torn{0}, spilled{0}, unexpected{0}, sum{0};
};

/// One thread's calls: on a cache that is far too small, and on state in which nothing may be lost.
class Worker {
 public:
  Worker(Cache& cache, Cache& state, Tally& tally, std::uint64_t seed)
      : cache_(cache), state_(state), tally_(tally), random_(seed) {}

  void run(unsigned calls) {
    for (unsigned i = 0; i < calls; ++i) step();
  }

 private:
  std::size_t pick(std::size_t bound) { return random_() % bound; }
  std::string key() { return "key" + std::to_string(pick(kKeys)); }
  /// Up to 12 KB, a quarter of them spilled over chunks of 4 KiB.
  std::string value(const std::string& key) {
    return checked_value(key, random_(), pick(4) == 0 ? 4096 + pick(8000) : 24 + pick(1000));
  }
  void expect(bool holds) {
    if (!holds) tally_.unexpected.fetch_add(1, std::memory_order_relaxed);
  }
  void check(const std::string& key, std::string_view value) {
    tally_.hits.fetch_add(1, std::memory_order_relaxed);
    if (value.size() > 4096) tally_.spilled.fetch_add(1, std::memory_order_relaxed);
    if (!number_of(key, value)) tally_.torn.fetch_add(1, std::memory_order_relaxed);
  }

  void step() {
    const std::string k = key();
    const std::size_t what = pick(100);
    if (what < 40) {
      if (cache_.get(k, out_) == Code::ok) check(k, out_);
    } else if (what < 65) {
      expect(cache_.set(k, value(k), pick(4) == 0 ? Ttl(1 + pick(30)) : kForever) == Code::ok);
    } else if (what < 80) {
      count();
    } else if (what < 84) {
      read_many();
    } else if (what < 88) {
      compare_and_set(k);
    } else if (what < 91) {
      const Code code = cache_.erase(k);
      expect(code == Code::ok || code == Code::not_found);
    } else if (what < 94) {
      const Code code = cache_.touch(k, Ttl(1 + pick(30)));
      expect(code == Code::ok || code == Code::not_found);
    } else if (what < 97) {
      const Code code = cache_.add(k, value(k));
      expect(code == Code::ok || code == Code::exists);
    } else {
      look_over(what);
    }
  }
  void count() {
    std::int64_t now = 0;
    expect(state_.increment("count" + std::to_string(pick(kCounters)), 1, now, 0) == Code::ok);
    tally_.sum.fetch_add(1, std::memory_order_relaxed);
    // Beside the counts, entries that are written and collected all the time, so that the counts are moved.
    const std::string k = key();
    expect(state_.set(k, value(k).substr(0, 24 + pick(900))) == Code::ok);
    static_cast<void>(cache_.increment("count", 1, now, 0));
  }
  void read_many() {
    std::vector<std::string> keys(8);
    for (std::string& k : keys) k = key();
    const std::vector<std::string_view> views(keys.begin(), keys.end());
    std::vector<Result> results(keys.size());
    cache_.get_many(views, results);
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (results[i].code == Code::ok) check(keys[i], results[i].value);
    }
  }
  void compare_and_set(const std::string& k) {
    Found found;
    if (cache_.get(k, out_, &found) != Code::ok) return;
    const Code code = cache_.compare_and_set(k, found.version, value(k));
    expect(code == Code::ok || code == Code::changed || code == Code::not_found);
  }
  void look_over(std::size_t what) {
    if (what == 97) {
      std::vector<std::string> keys;
      for (Cursor cursor; !cursor.finished();) expect(cache_.scan(cursor, 10, "", keys) == Code::ok);
    } else if (what == 98) {
      expect(cache_.stats().stripes == 1);
      if (pick(10) == 0) expect(cache_.verify().empty());
    } else if (pick(10) == 0) {
      expect(cache_.clear() == Code::ok);
    }
  }

  Cache& cache_;
  Cache& state_;
  Tally& tally_;
  std::mt19937_64 random_;
  std::string out_;
};

}  // namespace

TEST_CASE("threads on one mapping tear nothing and lose no count, whatever is moved, evicted and cleared") {
  constexpr unsigned kCalls = 20'000;
  const std::uint64_t seed = tests::seed();
  MESSAGE("seed " << seed);
  CAPTURE(seed);
  const auto patience = std::chrono::milliseconds(60'000);
  // Without a file, since ThreadSanitizer may end the process amid it, and nothing is to be left behind.
  Options options{.name = "cache",
                  .place = Place::anonymous,
                  .capacity_bytes = kMinCapacityBytes,
                  .stripes = 1,
                  .lock_timeout = patience};
  Cache cache = Cache::open(options);
  options.name = "state";
  options.when_full = WhenFull::reject;
  Cache state = Cache::open(options);
  Tally tally;
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] { Worker(cache, state, tally, seed + i).run(kCalls); });
  }
  for (std::thread& thread : threads) thread.join();

  CHECK(tally.torn == 0);
  CHECK(tally.unexpected == 0);
  CHECK(tally.hits > 1000);
  CHECK(tally.spilled > 10);
  std::int64_t sum = 0;
  for (unsigned i = 0; i < kCounters; ++i) {
    std::int64_t now = 0;
    if (state.increment("count" + std::to_string(i), 0, now) == Code::ok) sum += now;
  }
  CHECK(sum == tally.sum);
  CHECK(cache.verify().empty());
  CHECK(state.verify().empty());
  CHECK(cache.stats().evictions > 1000);
  CHECK(cache.stats().moves > 0);
  CHECK(state.stats().moves > 0);
  CHECK(state.stats().evictions == 0);
  MESSAGE(tally.hits.load() << " hits, " << tally.spilled.load() << " of spilled values; " << cache.stats().rereads
                            << " begun again, " << cache.stats().evictions << " evictions, " << cache.stats().moves
                            << " and " << state.stats().moves << " moves");
}
