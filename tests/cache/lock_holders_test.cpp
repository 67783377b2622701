#include <doctest/doctest.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

#include "cache/box.hpp"
#include "child.hpp"
#include "forklore/lock.hpp"
#include "test_clock.hpp"

using namespace forklore;
using namespace std::chrono_literals;
using tests::Box;
using tests::Child;
using tests::pass;

TEST_CASE("who holds a lock, and since when") {
  Box box;
  Cache& cache = box.cache;
  Lock lock(cache, "l");
  CHECK(lock.holders().empty());
  CHECK(locks(cache).empty());
  REQUIRE(lock.acquire() == Code::ok);
  pass(5s);
  const std::vector<LockHolder> holders = lock.holders();
  REQUIRE(holders.size() == 1);
  CHECK(holders[0].process == ::getpid());
  CHECK(holders[0].alive);
  CHECK(holders[0].held_for >= 5s);
  CHECK(holders[0].held_for < 25s);
  CHECK(holders[0].left == kForever);
  CHECK(holders[0].token == lock.token());
  CHECK(Lock(cache, "other").holders().empty());

  Lock semaphore(cache, "s", {.ttl = 60s, .limit = 2});
  Lock second(cache, "s", {.ttl = 60s, .limit = 2});
  REQUIRE(semaphore.acquire() == Code::ok);
  REQUIRE(second.acquire() == Code::ok);
  REQUIRE(semaphore.holders().size() == 2);
  for (const LockHolder& holder : semaphore.holders()) {
    CHECK(holder.left <= 60s);
    CHECK(holder.left > 40s);
  }
  CHECK(locks(cache).size() == 3);
  CHECK(semaphore.holders()[0].name_hash != holders[0].name_hash);
  CHECK(semaphore.release());
  CHECK(locks(cache).size() == 2);
}

TEST_CASE("a lock's holder is seen while others take and release it") {
  Box box;
  Cache& cache = box.cache;
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&, i] {
      Lock lock(cache, "l" + std::to_string(i % 2), {.ttl = std::chrono::milliseconds(60'000 + i)});
      while (!stop) {
        if (lock.acquire() == Code::ok) lock.release();
      }
    });
  }
  int seen = 0;
  while (seen < 1000) {
    for (const LockHolder& holder : locks(cache)) {
      ++seen;
      REQUIRE(holder.process == ::getpid());
      REQUIRE(holder.held_for < 60s);
      REQUIRE(holder.left > 0s);
      REQUIRE(holder.left < 61s);
    }
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
}

TEST_CASE("a dead holder is told as dead") {
  Box box;
  Cache& cache = box.cache;
  Child child([&] {
    Lock lock(cache, "l");
    const bool got = lock.acquire() == Code::ok;
    lock.detach();
    return got ? 0 : 1;
  });
  const ::pid_t pid = child.pid();
  CHECK(child.join() == 0);
  const std::vector<LockHolder> holders = Lock(cache, "l").holders();
  REQUIRE(holders.size() == 1);
  CHECK(holders[0].process == pid);
  CHECK_FALSE(holders[0].alive);
}

TEST_CASE("a lock that is broken is its holder's no more") {
  Box box;
  Cache& cache = box.cache;
  CHECK(break_lock(cache, "l") == 0);
  CHECK(break_lock(cache, "") == 0);
  Lock stuck(cache, "l");
  Lock other(cache, "other");
  REQUIRE(stuck.acquire() == Code::ok);
  REQUIRE(other.acquire() == Code::ok);
  const std::uint64_t token = stuck.token();
  CHECK(break_lock(cache, "l") == 1);
  CHECK_FALSE(stuck.held());
  CHECK(stuck.extend(1s) == Code::not_held);
  CHECK(other.held());
  Lock next(cache, "l");
  REQUIRE(next.acquire(0ms) == Code::ok);
  CHECK(next.token() > token);
  CHECK_FALSE(stuck.release());
  CHECK(next.held());
  CHECK(cache.verify().empty());

  std::thread waiter([&] { CHECK(Lock(cache, "l").acquire(20s) == Code::ok); });
  while (cache.stats().waits == 0) std::this_thread::sleep_for(1ms);
  CHECK(break_lock(cache, "l") == 1);
  waiter.join();
}
