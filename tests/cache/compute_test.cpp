#include "forklore/compute.hpp"

#include <doctest/doctest.h>
#include <linux/futex.h>
#include <unistd.h>

#include <atomic>
#include <latch>
#include <optional>
#include <stdexcept>
#include <thread>
#include <vector>

#include "base/robust_lock.hpp"
#include "cache/box.hpp"
#include "cache/call.hpp"
#include "child.hpp"
#include "test_clock.hpp"

using namespace forklore;
using namespace std::chrono_literals;
using tests::Box;
using tests::Child;
using tests::pass;

namespace {

int sleeps = 0;

Turn begin(Computation& computation, std::string& value) { return computation.begin(value); }
Turn begin(Computation& computation) {
  std::string value;
  return computation.begin(value);
}

}  // namespace

TEST_CASE("a value is computed once and then there") {
  Box box;
  int computed = 0;
  const auto compute = [&] { return std::to_string(++computed); };
  CHECK(get_or_compute(box.cache, "key", 1s, compute) == "1");
  CHECK(get_or_compute(box.cache, "key", 1s, compute) == "1");
  CHECK(box.cache.get("key") == "1");
  pass(1s);
  CHECK(get_or_compute(box.cache, "key", 1s, compute) == "2");
  const Stats stats = box.cache.stats();
  CHECK(stats.computations == 2);
  CHECK(stats.computed == 2);
  CHECK(stats.leases_held == 0);
  CHECK(stats.hits == 2);
  CHECK(stats.misses == 2);
  CHECK(box.cache.verify().empty());
}

TEST_CASE("an exception reaches its caller alone, and the next one computes") {
  Box box;
  CHECK_THROWS_AS(get_or_compute(box.cache, "key", 1s, []() -> std::string { throw std::runtime_error("no"); }),
                  std::runtime_error);
  CHECK(box.cache.stats().leases_held == 0);
  CHECK(get_or_compute(box.cache, "key", 1s, [] { return "value"; }) == "value");
}

TEST_CASE("a failure is remembered for its time: others are told, and nobody computes; any write ends it") {
  Box box;
  const ComputeOptions options{.error_ttl = 10s};
  const auto fail = []() -> std::string { throw std::runtime_error("the source is down"); };
  const auto never = []() -> std::string { throw 1; };
  for (int round = 0; round < 3; ++round) {
    CHECK_THROWS_WITH_AS(get_or_compute(box.cache, "key", 1h, fail, options), "the source is down", std::runtime_error);
    CHECK_THROWS_WITH_AS(get_or_compute(box.cache, "key", 1h, never, options), "the source is down", ComputeFailed);
    CHECK_THROWS_WITH_AS(get_or_compute(box.cache, "key", 1h, never), "the source is down", ComputeFailed);
    CHECK_FALSE(box.cache.get("key"));
    CHECK(box.cache.contains("key") == Code::not_found);
    CHECK(box.cache.stats().leases_held == 0);
    CHECK(box.cache.stats().computed == static_cast<std::uint64_t>(round));
    if (round == 0) pass(10s);
    if (round == 1) CHECK(box.cache.erase("key") == Code::not_found);
    if (round == 2) {
      CHECK(box.cache.add("key", "added") == Code::ok);
      CHECK(box.cache.get("key") == "added");
      CHECK(box.cache.erase("key") == Code::ok);
    }
    CHECK(get_or_compute(
              box.cache, "key", 1h, [] { return "value"; }, options) == "value");
    CHECK(box.cache.erase("key") == Code::ok);
  }
  // Another process's too, and so much of it as is kept; nothing is unless it is asked for.
  Child child([&] {
    Computation computation(box.cache, "key", options);
    if (begin(computation) != Turn::compute) return 1;
    computation.fail(std::string(600, 'x'));
    return 0;
  });
  REQUIRE(child.join() == 0);
  Computation told(box.cache, "key");
  REQUIRE(begin(told) == Turn::failed);
  CHECK(told.failure() == std::string(500, 'x'));
  REQUIRE(box.cache.erase("key") == Code::not_found);
  REQUIRE(begin(told) == Turn::compute);
  told.fail("nobody is told");
  CHECK(begin(told) == Turn::compute);
  CHECK(box.cache.verify().empty());
}

TEST_CASE("while a failed refresh is remembered all take the old value, and lines are left for others") {
  Box box;
  const ComputeOptions options{.stale_for = 1h, .error_ttl = 10s};
  const auto stored = [](const char* value) { return [value] { return value; }; };
  REQUIRE(get_or_compute(box.cache, "key", 1s, stored("old"), options) == "old");
  pass(1s);
  const auto fail = []() -> std::string { throw std::runtime_error("the source is down"); };
  CHECK_THROWS_WITH(get_or_compute(box.cache, "key", 1s, fail, options), "the source is down");
  for (int i = 0; i < 3; ++i) CHECK(get_or_compute(box.cache, "key", 1s, fail, options) == "old");
  pass(10s);
  CHECK(get_or_compute(box.cache, "key", 1s, stored("new"), options) == "new");

  // Past its last moment there is no old value to take: the next one computes.
  pass(1s);
  CHECK_THROWS(get_or_compute(box.cache, "key", 1s, fail, {.stale_for = 1h, .error_ttl = 24h}));
  CHECK(get_or_compute(box.cache, "key", 1s, fail, options) == "new");
  pass(1h);
  CHECK(get_or_compute(box.cache, "key", 1s, stored("newer"), options) == "newer");
  CHECK(box.cache.stats().leases_held == 0);
  CHECK(box.cache.verify().empty());
}

TEST_CASE("who computes for longer than its bound is not waited for, and stores nothing once another is at it") {
  Box box;
  const ComputeOptions options{.wait = 60s, .compute_timeout = 5s};
  Computation slow(box.cache, "key", options), next(box.cache, "key", options);
  REQUIRE(begin(slow) == Turn::compute);
  CHECK(begin(next) == Turn::wait);
  pass(5s);
  CHECK_FALSE(slow.held());
  REQUIRE(begin(next) == Turn::compute);
  CHECK(slow.store("late") == Code::not_held);
  CHECK(next.held());
  CHECK(next.store("value", 1s) == Code::ok);
  CHECK(box.cache.get("key") == "value");

  // If nobody has come, nothing was in vain.
  REQUIRE(box.cache.erase("key") == Code::ok);
  REQUIRE(begin(slow) == Turn::compute);
  pass(5s);
  CHECK(slow.store("late") == Code::ok);
  CHECK(box.cache.get("key") == "late");

  // Of a refresh alike: whoever comes then is the next to refresh, and is not told to take the old value.
  const ComputeOptions stale{.stale_for = 1h, .compute_timeout = 5s};
  REQUIRE(get_or_compute(
              box.cache, "old", 1s, [] { return "old"; }, stale) == "old");
  pass(1s);
  Computation refreshing(box.cache, "old", stale), other(box.cache, "old", stale);
  REQUIRE(begin(refreshing) == Turn::refresh);
  CHECK(begin(other) == Turn::stale);
  pass(5s);
  CHECK(begin(other) == Turn::refresh);
  CHECK(refreshing.store("late") == Code::not_held);
  CHECK(other.store("new", 1s) == Code::ok);
  CHECK(box.cache.stats().leases_overdue == 2);
}

TEST_CASE("who computes alone is told why") {
  Box box;
  Computation no_key(box.cache, "");
  CHECK(begin(no_key) == Turn::alone);
  CHECK(no_key.refusal() == Code::invalid_key);
  Computation holder(box.cache, "key"), other(box.cache, "key", {.wait = 0ms});
  REQUIRE(begin(holder) == Turn::compute);
  while (begin(other) == Turn::wait) other.wait();
  CHECK(other.refusal() == Code::ok);
}

TEST_CASE("what is written or erased meanwhile wins, and the caller has its own value still") {
  for (const bool erase : {true, false}) {
    Box box;
    const auto compute = [&] {
      if (erase) {
        CHECK(box.cache.erase("key") == Code::not_found);
      } else {
        CHECK(box.cache.set("key", "written") == Code::ok);
      }
      return "computed";
    };
    CHECK(get_or_compute(box.cache, "key", 1s, compute) == "computed");
    CHECK(box.cache.get("key") == (erase ? std::nullopt : std::optional<std::string>("written")));
    CHECK(box.cache.stats().voided == 1);
  }
}

TEST_CASE("who finds somebody computing waits, and has the value; after its bound it computes for itself") {
  Box box;
  std::string value;
  Computation first(box.cache, "key");
  REQUIRE(begin(first) == Turn::compute);
  CHECK(first.held());
  Computation second(box.cache, "key", {.wait = 60s});
  REQUIRE(begin(second) == Turn::wait);
  CHECK_FALSE(second.held());
  std::thread other([&] { CHECK(first.store("value") == Code::ok); });
  for (;;) {
    const Turn turn = begin(second, value);
    if (turn == Turn::fresh) break;
    REQUIRE(turn == Turn::wait);
    second.wait();
  }
  other.join();
  CHECK(value == "value");
  CHECK_FALSE(first.held());

  REQUIRE(box.cache.erase("key") == Code::ok);
  REQUIRE(begin(first) == Turn::compute);
  Computation third(box.cache, "key", {.wait = 60ms});
  const auto begun = std::chrono::steady_clock::now();
  while (begin(third) == Turn::wait) third.wait();
  const auto waited = std::chrono::steady_clock::now() - begun;
  CHECK(waited >= 60ms);
  CHECK(waited < 5s);
  CHECK(third.store("for itself") == Code::not_held);
  CHECK_FALSE(box.cache.get("key"));
  CHECK(first.store("value") == Code::ok);
  CHECK(box.cache.get("key") == "value");
  CHECK(box.cache.stats().waits == 2);  // second and third, however often each slept
}

TEST_CASE("an old value is served to all but who computes the next, and is absent to every other call") {
  Box box;
  const ComputeOptions options{.stale_for = 10s};
  REQUIRE(get_or_compute(
              box.cache, "key", 1s, [] { return "old"; }, options) == "old");
  Ttl left{};
  REQUIRE(box.cache.ttl("key", left) == Code::ok);
  CHECK(left == 1s);
  pass(1s);
  CHECK_FALSE(box.cache.get("key"));
  CHECK(box.cache.ttl("key", left) == Code::not_found);

  std::string value;
  Computation refreshing(box.cache, "key", options);
  REQUIRE(begin(refreshing, value) == Turn::refresh);
  CHECK(value == "old");
  Computation other(box.cache, "key", options);
  CHECK(begin(other, value) == Turn::stale);
  CHECK(value == "old");
  CHECK(get_or_compute(
            box.cache, "key", 1s, []() -> std::string { throw 1; }, options) == "old");
  CHECK(refreshing.store("new", 1s) == Code::ok);
  CHECK(begin(other, value) == Turn::fresh);
  CHECK(value == "new");

  // Given up, it is the next one's to refresh; erased, it is served no more.
  pass(1s);
  REQUIRE(begin(refreshing, value) == Turn::refresh);
  refreshing.abandon();
  CHECK(begin(other, value) == Turn::refresh);
  CHECK(box.cache.erase("key") == Code::not_found);
  CHECK(begin(refreshing, value) == Turn::compute);
  CHECK(other.store("late") == Code::not_held);
  CHECK(refreshing.store("newer", 1s) == Code::ok);
  pass(11s);
  CHECK(begin(other, value) == Turn::compute);  // past stale_for
}

TEST_CASE("who has an old value sleeps for nothing, and takes no lock while somebody computes the next") {
  Box box;
  const ComputeOptions options{.stale_for = 10s};
  REQUIRE(get_or_compute(
              box.cache, "key", 1s, [] { return "old"; }, options) == "old");
  pass(1s);
  const store::StripeHeader& header = Internals::attachment(box.cache).view().segment.stripe(0).header();
  std::atomic<std::uint32_t>& lock = const_cast<store::StripeHeader&>(header).lock;
  std::latch inside(1), over(1);
  std::thread writer([&] {  // of some other key
    CHECK(base::acquire_lock(lock, 1s) == base::Acquired::ok);
    inside.count_down();
    over.wait();
    base::release_lock(lock);
  });
  inside.wait();
  set_hooks({.before_wait = [] { ++sleeps; }});
  std::string value;
  Computation computation(box.cache, "key", options), other(box.cache, "key", options);
  CHECK(begin(other, value) == Turn::stale);  // it would be this one's to compute, but for the lock
  CHECK(value == "old");
  CHECK(sleeps == 0);
  CHECK(box.open({.lock_timeout = 10ms}).set("key", "new") == Code::busy);  // the hook does tell who sleeps
  CHECK(sleeps == 1);
  over.count_down();
  writer.join();

  REQUIRE(begin(computation) == Turn::refresh);
  lock = FUTEX_OWNER_DIED;  // whoever takes it now recovers the stripe
  CHECK(begin(other, value) == Turn::stale);
  CHECK(value == "old");
  CHECK(box.cache.stats().recoveries == 0);
  computation.abandon();
  CHECK(begin(other) == Turn::refresh);
  CHECK(box.cache.stats().recoveries == 1);
  CHECK(sleeps == 1);
  set_hooks({});
  CHECK(box.cache.stats().waits == 0);
  CHECK(box.cache.stats().busy == 1);
}

TEST_CASE("a value that may be stale for ever is so for 49 days") {
  Box box;
  const ComputeOptions options{.stale_for = kForever};
  REQUIRE(get_or_compute(
              box.cache, "key", 1s, [] { return "old"; }, options) == "old");
  pass(24h * 49);
  Computation computation(box.cache, "key", options);
  CHECK(begin(computation) == Turn::refresh);
}

TEST_CASE("a touch moves the end of freshness, and the time for which it may be stale with it") {
  Box box;
  const ComputeOptions options{.stale_for = 5s};
  REQUIRE(get_or_compute(
              box.cache, "key", 1s, [] { return "value"; }, options) == "value");
  REQUIRE(box.cache.touch("key", 3s) == Code::ok);
  Ttl left{};
  REQUIRE(box.cache.ttl("key", left) == Code::ok);
  CHECK(left == 3s);
  pass(7s);
  Computation computation(box.cache, "key", options);
  CHECK(begin(computation) == Turn::refresh);
}

TEST_CASE("early refresh: while the value is fresh, one caller of all computes the next") {
  Box box;
  const ComputeOptions never{.early = 0};
  // It takes at least a millisecond, and 1e15 times that is always nearer than the expiry.
  const ComputeOptions always{.early = 1e15};
  REQUIRE(get_or_compute(
              box.cache, "key", 10s, [] { return "old"; }, always) == "old");
  std::string value;
  Computation early(box.cache, "key", always);
  REQUIRE(begin(early, value) == Turn::refresh);
  CHECK(value == "old");
  Computation other(box.cache, "key", always);
  CHECK(begin(other) == Turn::fresh);
  Computation plain(box.cache, "key", never);
  CHECK(begin(plain) == Turn::fresh);
  CHECK(early.store("new", 10s) == Code::ok);
  CHECK(begin(plain, value) == Turn::fresh);
  CHECK(value == "new");
  CHECK(box.cache.get("key") == "new");
}

TEST_CASE("early refresh comes in proportion to what it costs") {
  Box box;
  const ComputeOptions options{.early = 1};
  Computation slow(box.cache, "key", options);
  REQUIRE(begin(slow) == Turn::compute);
  std::this_thread::sleep_for(20ms);  // real time: what is measured
  REQUIRE(slow.store("value", 1000s) == Code::ok);
  const auto refreshes = [&] {
    int n = 0;
    for (int i = 0; i < 200; ++i) {
      Computation computation(box.cache, "key", options);
      n += begin(computation) == Turn::refresh;
    }
    return n;
  };
  CHECK(refreshes() == 0);  // exp(-1000 s / 20 ms)
  pass(999'999ms);
  CHECK(refreshes() > 100);  // exp(-1/20) of 200, at least
}

namespace {

/// A cache all of whose lines for computations are taken, by computations of other keys.
struct FullBox : Box {
  explicit FullBox(WhenFull when_full = WhenFull::evict) {
    cache = open({.capacity_bytes = 1 * MiB, .when_full = when_full, .stripes = 1});
    const unsigned lines = cache.stats().computation_lines;
    for (unsigned i = 0; i < lines; ++i) keys.push_back("line" + std::to_string(i));
    for (const std::string& key : keys) {
      all.push_back(std::make_unique<Computation>(cache, key));
      REQUIRE(begin(*all.back()) == Turn::compute);
    }
  }
  ~FullBox() { CHECK(cache.verify().empty()); }

  std::vector<std::string> keys;
  std::vector<std::unique_ptr<Computation>> all;
};

/// As a memoized recursion asks: fib(n) by fib(n-1) and fib(n-2).
std::uint64_t fib(Cache& cache, unsigned n, unsigned& calls) {
  return std::stoull(get_or_compute(cache, "fib " + std::to_string(n), kForever, [&] {
    ++calls;
    return std::to_string(n < 2 ? n : fib(cache, n - 1, calls) + fib(cache, n - 2, calls));
  }));
}

}  // namespace

TEST_CASE("a computation beyond the lines is as any other: one computes, the others wait, and it is stored") {
  FullBox box;
  Computation first(box.cache, "key"), second(box.cache, "key", {.wait = 60s});
  std::string value;
  REQUIRE(begin(first) == Turn::compute);
  CHECK(first.held());
  CHECK_FALSE(box.cache.get("key"));
  CHECK(box.cache.contains("key") == Code::not_found);
  REQUIRE(begin(second) == Turn::wait);
  std::thread other([&] { CHECK(first.store("value") == Code::ok); });
  for (Turn turn = begin(second, value); turn != Turn::fresh; turn = begin(second, value)) {
    REQUIRE(turn == Turn::wait);
    second.wait();
  }
  other.join();
  CHECK(value == "value");
  CHECK(box.cache.get("key") == "value");
  CHECK_FALSE(first.held());
  CHECK(box.cache.stats().leases_lacking == 0);

  // Given up, it is the next one's, with a line if there is one by now.
  REQUIRE(box.cache.erase("key") == Code::ok);
  REQUIRE(begin(first) == Turn::compute);
  first.abandon();
  REQUIRE(begin(second) == Turn::compute);
  box.all.clear();
  CHECK(begin(first) == Turn::wait);
  CHECK(second.store("line or not") == Code::ok);
  CHECK(box.cache.get("key") == "line or not");
}

TEST_CASE("beyond the lines too, what is written or erased meanwhile wins, whatever else happens to the key") {
  for (const bool erase : {true, false}) {
    FullBox box;
    const auto write = [&] {
      if (erase) {
        CHECK(box.cache.erase("key") == Code::not_found);
      } else {
        CHECK(box.cache.set("key", "written") == Code::ok);
      }
    };
    CHECK(get_or_compute(box.cache, "key", 1s, [&] {
            write();
            return "computed";
          }) == "computed");
    CHECK(box.cache.get("key") == (erase ? std::nullopt : std::optional<std::string>("written")));
    CHECK(box.cache.stats().voided == 1);

    // Another computes after the write: the first one's value is not stored in its place.
    Computation first(box.cache, "other"), second(box.cache, "other");
    REQUIRE(begin(first) == Turn::compute);
    CHECK(box.cache.erase("other") == Code::not_found);
    REQUIRE(begin(second) == Turn::compute);
    CHECK(first.store("old") == Code::not_held);
    CHECK(second.held());
    CHECK(second.store("new") == Code::ok);
    CHECK(box.cache.get("other") == "new");
  }
}

TEST_CASE("beyond the lines too, a child of a fork holds nothing, and a death leaves nothing") {
  FullBox box;
  Computation computation(box.cache, "key");
  REQUIRE(begin(computation) == Turn::compute);
  Child child([&] {
    if (computation.held()) return 1;
    if (computation.store("the child's") != Code::not_held) return 2;
    computation.abandon();
    Computation same(box.cache, "key");
    if (begin(same) != Turn::wait) return 3;
    auto* own = new Computation(box.cache, "own");  // not given back
    return begin(*own) == Turn::compute ? 0 : 4;
  });
  CHECK(child.join() == 0);
  CHECK(computation.held());
  Computation next(box.cache, "own");
  CHECK(begin(next) == Turn::compute);
  CHECK(next.store("value") == Code::ok);
  CHECK(computation.store("the parent's") == Code::ok);
  CHECK(box.cache.get("key") == "the parent's");
}

TEST_CASE("a full cache that evicts nothing has no room beyond the lines, and says so once") {
  FullBox box(WhenFull::reject);
  const std::string large(box.cache.stats().max_value_bytes, 'x');
  for (int i = 0; box.cache.set("large" + std::to_string(i), large) == Code::ok;) ++i;
  for (int i = 0; box.cache.set("small" + std::to_string(i), "x") == Code::ok;) ++i;
  static int said = 0;
  said = 0;
  set_hooks(
      {.log = [](std::string_view line) { said += line.find("lines for computations") != std::string_view::npos; }});
  for (int i = 0; i < 3; ++i) CHECK(get_or_compute(box.cache, "key", 1s, [] { return "value"; }) == "value");
  set_hooks({});
  CHECK(said == 1);
  CHECK(box.cache.stats().leases_lacking == 3);
}

TEST_CASE("recursion computes each value once, however deep") {
  for (const unsigned threads : {1u, 4u}) {
    Box box;
    constexpr unsigned kDeep = 90;
    REQUIRE(kDeep > 4 * box.cache.stats().computation_lines);
    std::atomic<unsigned> calls{0};
    std::vector<std::thread> all;
    for (unsigned i = 0; i < threads; ++i) {
      all.emplace_back([&, i] {
        unsigned mine = 0;
        CHECK(fib(box.cache, kDeep - i, mine) > 1'000'000'000'000);
        calls += mine;
      });
    }
    for (std::thread& thread : all) thread.join();
    CHECK(calls == kDeep + 1);
    CHECK(box.cache.stats().leases_held == 0);
    CHECK(box.cache.stats().entries == kDeep + 1);
    CHECK(box.cache.verify().empty());
  }
}

TEST_CASE("what cannot be stored is computed and returned all the same, and nobody waits for it") {
  Box box;
  const std::string large(box.cache.stats().max_value_bytes + 1, 'x');
  CHECK(get_or_compute(box.cache, "key", 1s, [&] { return large; }) == large);
  CHECK(box.cache.stats().leases_held == 0);
  Computation computation(box.cache, "key");
  REQUIRE(begin(computation) == Turn::compute);
  CHECK(computation.store(large) == Code::too_large);
  CHECK_FALSE(computation.held());
  REQUIRE(begin(computation) == Turn::compute);
  CHECK(computation.store("short", 1s, kInteger) == Code::invalid_argument);
  REQUIRE(begin(computation) == Turn::compute);
  CHECK(computation.store("value", Ttl(0)) == Code::ok);
  CHECK_FALSE(box.cache.get("key"));
  CHECK_FALSE(computation.held());
  Cache reader = Cache::attach({.name = box.name, .read_only = true});
  CHECK(get_or_compute(reader, "key", 1s, [] { return "value"; }) == "value");
  CHECK_FALSE(box.cache.get("key"));
}

TEST_CASE("a child of a fork inside a computation holds nothing and gives nothing back") {
  Box box;
  Computation computation(box.cache, "key");
  REQUIRE(begin(computation) == Turn::compute);
  Child child([&] {
    if (computation.held()) return 1;
    if (computation.store("the child's") != Code::not_held) return 2;
    computation.abandon();
    Computation own(box.cache, "key");
    std::string value;
    return own.begin(value) == Turn::wait ? 0 : 3;
  });
  CHECK(child.join() == 0);
  CHECK(computation.held());
  CHECK(computation.store("the parent's") == Code::ok);
  CHECK(box.cache.get("key") == "the parent's");
}

TEST_CASE("in a segment that replaces the old one nothing is held") {
  Box box;
  Computation computation(box.cache, "key");
  REQUIRE(begin(computation) == Turn::compute);
  const Cache successor = box.open({.capacity_bytes = 2 * MiB});
  CHECK_FALSE(computation.held());
  CHECK(computation.store("value") == Code::not_held);
  CHECK_FALSE(box.cache.get("key"));
  CHECK(begin(computation) == Turn::compute);
  CHECK(computation.store("value") == Code::ok);
  CHECK(box.cache.get("key") == "value");
}

TEST_CASE("threads that ask at once have it computed once") {
  Box box;
  std::atomic<int> computed{0};
  for (int round = 0; round < 20; ++round) {
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&] {
        const std::string value = get_or_compute(box.cache, "key" + std::to_string(round), 100s, [&] {
          std::this_thread::sleep_for(2ms);
          return "value" + std::to_string(++computed);
        });
        CHECK(value == "value" + std::to_string(round + 1));
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  CHECK(computed == 20);
}

TEST_CASE("what is no key is refused before anything is computed") {
  Box box;
  unsigned calls = 0;
  const auto compute = [&] {
    ++calls;
    return "value";
  };
  for (const std::string& key : {std::string(), std::string(kMaxKeyBytes + 1, 'k')}) {
    CHECK_FALSE(is_key(key));
    CHECK_THROWS_AS(get_or_compute(box.cache, key, 1s, compute), std::invalid_argument);
    std::string value = "as it was";
    CHECK(get_or_compute(box.cache, key, value, 1s, compute) == box.cache.set(key, "value"));
    CHECK(value == "as it was");
    Computation computation(box.cache, key);
    CHECK(begin(computation) == Turn::alone);
    CHECK(computation.store("value") == Code::invalid_key);
  }
  CHECK(calls == 0);
  const std::string longest(kMaxKeyBytes, 'k');
  CHECK(is_key(longest));
  CHECK(get_or_compute(box.cache, longest, 1s, compute) == "value");
  CHECK(calls == 1);
}

TEST_CASE("get_or_compute tells what storing came to, and gives the value") {
  Box box;
  std::string value;
  CHECK(get_or_compute(box.cache, "key", value, 1s, [] { return "value"; }, {.stale_for = 1s}) == Code::ok);
  CHECK(value == "value");
  CHECK(get_or_compute(box.cache, "key", value, 1s, [] { return "another"; }) == Code::ok);
  CHECK(value == "value");
  const std::string large(box.cache.stats().max_value_bytes + 1, 'x');
  CHECK(get_or_compute(box.cache, "large", value, 1s, [&] { return large; }) == Code::too_large);
  CHECK(value == large);
  const auto written_to = [&] {
    box.cache.set("other", "written meanwhile");
    return "computed";
  };
  CHECK(get_or_compute(box.cache, "other", value, 1s, written_to) == Code::not_held);
  CHECK(value == "computed");
  CHECK(box.cache.get("other") == "written meanwhile");
}
