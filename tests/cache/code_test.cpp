// Each code has one meaning: a test for each shows when it comes.
#include "forklore/code.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cstdlib>
#include <latch>
#include <limits>
#include <new>
#include <thread>
#include <vector>

#include "base/robust_lock.hpp"
#include "cache/box.hpp"
#include "cache/call.hpp"
#include "forklore/compute.hpp"
#include "forklore/lock.hpp"
#include "forklore/rate_limit.hpp"

using namespace forklore;
using namespace std::chrono_literals;
using tests::Box;

namespace {

thread_local bool memory_is_out = false;

}  // namespace

void* operator new(std::size_t size) {
  void* const memory = memory_is_out ? nullptr : std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

TEST_CASE("ok, not_found, exists, changed: what was there") {
  Box box;
  CHECK(box.cache.set("key", "value") == Code::ok);
  CHECK(box.cache.erase("none") == Code::not_found);
  CHECK(box.cache.add("key", "other") == Code::exists);
  CHECK(box.cache.compare_and_set("key", Version{}, "other") == Code::changed);
  CHECK(box.cache.get("key") == "value");
}

TEST_CASE("too_large, invalid_key: the arguments, against the limits") {
  Box box;
  CHECK(box.cache.set("key", std::string(box.cache.stats().max_value_bytes + 1, 'x')) == Code::too_large);
  CHECK(box.cache.set("", "value") == Code::invalid_key);
  CHECK(box.cache.set(std::string(kMaxKeyBytes + 1, 'k'), "value") == Code::invalid_key);
}

TEST_CASE("not_a_number, overflow: the entry that is there") {
  Box box;
  std::int64_t now = 0;
  RateDecision decision;
  WindowCount window;
  REQUIRE(box.cache.set("text", "eight by") == Code::ok);
  CHECK(box.cache.increment("text", 1, now, 0) == Code::not_a_number);
  CHECK(take(box.cache, "text", {}, decision) == Code::not_a_number);
  CHECK(count_in_window(box.cache, "text", 1s, window) == Code::not_a_number);
  REQUIRE(box.cache.increment("n", 1, now, std::numeric_limits<std::int64_t>::max() - 1) == Code::ok);
  CHECK(box.cache.increment("n", 1, now) == Code::overflow);
}

TEST_CASE("invalid_argument: a value, a rate, a window, a limit or a time that makes no sense, whatever is there") {
  Box box;
  RateDecision decision;
  WindowCount window;
  CHECK(box.cache.set("n", "seven b", kForever, kInteger) == Code::invalid_argument);
  CHECK(take(box.cache, "rate", {.count = 0}, decision) == Code::invalid_argument);
  CHECK(count_in_window(box.cache, "window", 0s, window) == Code::invalid_argument);
  CHECK(Lock(box.cache, "name", {.limit = 0}).try_acquire() == Code::invalid_argument);
  CHECK(Lock(box.cache, "name", {.ttl = 0s}).try_acquire() == Code::invalid_argument);
  CHECK(box.cache.stats().entries == 0);
}

TEST_CASE("full: only a segment that rejects, and no room") {
  const tests::UniqueName name;
  Cache cache = Cache::open({.name = name, .capacity_bytes = kMinCapacityBytes, .when_full = WhenFull::reject});
  Code code = Code::ok;
  for (int i = 0; i < 10'000 && code == Code::ok; ++i) code = cache.set(std::to_string(i), std::string(1000, 'x'));
  CHECK(code == Code::full);
}

TEST_CASE("not_held: a lock, or a right to compute, that the caller has not or no longer") {
  Box box;
  Lock lock(box.cache, "name");
  CHECK(lock.extend(1s) == Code::not_held);
  REQUIRE(lock.try_acquire() == Code::ok);
  CHECK(lock.extend(1s) == Code::ok);
  CHECK(lock.release());
  CHECK(lock.extend(1s) == Code::not_held);
  Computation computation(box.cache, "key");
  CHECK(computation.store("unasked") == Code::not_held);
  std::string value;
  REQUIRE(computation.begin(value) == Turn::compute);
  CHECK(box.cache.erase("key") == Code::not_found);  // it fails, and voids the computation all the same
  CHECK(computation.store("late") == Code::not_held);
  CHECK(box.cache.get("key") == std::nullopt);
}

TEST_CASE("not_found: an erase of a value that is only served stale, which it removes") {
  Box box;
  const ComputeOptions options{.stale_for = 1h};
  std::string value;
  REQUIRE(get_or_compute(
              box.cache, "key", value, 1ms, [] { return "old"; }, options) == Code::ok);
  while (box.cache.contains("key") == Code::ok) std::this_thread::sleep_for(1ms);
  Computation computation(box.cache, "key", options);
  REQUIRE(computation.begin(value) == Turn::refresh);
  computation.abandon();
  CHECK(box.cache.erase("key") == Code::not_found);
  CHECK(computation.begin(value) == Turn::compute);
}

TEST_CASE("no_line: a lock, and no line for one more") {
  Box box;
  std::vector<std::unique_ptr<Lock>> all;
  for (unsigned i = 0; i < box.cache.stats().lock_lines; ++i) {
    all.push_back(std::make_unique<Lock>(box.cache, std::to_string(i)));
    REQUIRE(all.back()->try_acquire() == Code::ok);
  }
  CHECK(Lock(box.cache, "one more").try_acquire() == Code::no_line);
  CHECK(Lock(box.cache, "0").try_acquire() != Code::ok);
}

TEST_CASE("busy: a living owner has a lock, of a stripe or of a name") {
  Box box;
  Cache impatient = box.open({.lock_timeout = 5ms});
  auto& header = const_cast<store::StripeHeader&>(Internals::attachment(box.cache).view().segment.stripe(0).header());
  std::latch inside(1), over(1);
  std::thread owner([&] {
    CHECK(base::acquire_lock(header.lock, 1s) == base::Acquired::ok);
    inside.count_down();
    over.wait();
    base::release_lock(header.lock);
  });
  inside.wait();
  CHECK(impatient.set("key", "value") == Code::busy);
  over.count_down();
  owner.join();
  CHECK(impatient.set("key", "value") == Code::ok);
  Lock first(box.cache, "name");
  REQUIRE(first.try_acquire() == Code::ok);
  CHECK(Lock(box.cache, "name").try_acquire() == Code::busy);
  CHECK(first.acquire() == Code::busy);  // by this very object: it does not wait for itself
}

TEST_CASE("no_memory: a reentrant lock that cannot be remembered is not held, and is not busy") {
  Box box;
  Lock lock(box.cache, "name", {.reentrant = true});
  memory_is_out = true;
  const Code code = lock.try_acquire();
  memory_is_out = false;
  CHECK(code == Code::no_memory);
  CHECK_FALSE(lock.held());
  CHECK_FALSE(lock.locked());
  CHECK(lock.try_acquire() == Code::ok);
}

TEST_CASE("read_only: a handle that only reads") {
  Box box;
  CHECK(box.open({.read_only = true}).set("key", "value") == Code::read_only);
}

TEST_CASE("buffer_too_small: the room that the caller gave") {
  Box box;
  REQUIRE(box.cache.set("key", "value") == Code::ok);
  std::array<char, 4> buffer{};
  Found found;
  CHECK(box.cache.get_into("key", buffer, found) == Code::buffer_too_small);
  CHECK(found.size == 5);
}
