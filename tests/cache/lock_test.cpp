#include "forklore/lock.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <thread>
#include <vector>

#include "cache/box.hpp"
#include "child.hpp"
#include "forklore/compute.hpp"
#include "no_descriptors.hpp"
#include "test_clock.hpp"

using namespace forklore;
using namespace std::chrono_literals;
using tests::Box;
using tests::Child;
using tests::pass;

TEST_CASE("a lock is one holder's until it is released") {
  Box box;
  Lock first(box.cache, "name");
  Lock second(box.cache, "name");
  Lock other(box.cache, "other");
  CHECK_FALSE(first.held());
  CHECK(first.token() == 0);
  CHECK_FALSE(first.release());
  REQUIRE(first.acquire() == Code::ok);
  CHECK(first.held());
  CHECK(first.acquire() == Code::busy);  // this very object has it
  CHECK(second.try_acquire() == Code::busy);
  CHECK(second.acquire(30ms) == Code::busy);
  CHECK(other.try_acquire() == Code::ok);
  const std::uint64_t token = first.token();
  CHECK(first.release());
  CHECK_FALSE(first.held());
  REQUIRE(second.try_acquire() == Code::ok);
  CHECK(second.token() > token);
  CHECK(box.cache.stats().leases_held == 2);
  CHECK(box.cache.stats().waits == 1);  // who only tried did not
}

TEST_CASE("a lock for no time, or for nobody, is refused, and no time takes none away") {
  Box box;
  for (const LockOptions& options : {LockOptions{.ttl = 0ms}, LockOptions{.ttl = -1s}, LockOptions{.limit = 0}}) {
    Lock lock(box.cache, "name", options);
    CHECK(lock.acquire(30ms) == Code::invalid_argument);
    CHECK_FALSE(lock.held());
  }
  CHECK(box.cache.stats().locked == 0);
  Lock lock(box.cache, "name", {.ttl = kDefaultTtl});
  REQUIRE(lock.try_acquire() == Code::ok);
  CHECK(lock.extend(-5s) == Code::invalid_argument);
  CHECK(lock.extend(0s) == Code::invalid_argument);
  CHECK(lock.held());
  CHECK(lock.extend(kForever) == Code::ok);
}

TEST_CASE("a lock that is destroyed is released, names are checked, and readers have none") {
  Box box;
  {
    Lock lock(box.cache, "name");
    REQUIRE(lock.try_acquire() == Code::ok);
  }
  Lock lock(box.cache, "name");
  CHECK(lock.try_acquire() == Code::ok);
  CHECK(Lock(box.cache, "").try_acquire() == Code::invalid_key);
  CHECK(Lock(box.cache, std::string(kMaxKeyBytes + 1, 'x')).try_acquire() == Code::invalid_key);
  Cache reader = Cache::attach({.name = box.name, .read_only = true});
  CHECK(Lock(reader, "name").try_acquire() == Code::read_only);
}

TEST_CASE("a detached lock outlives its object, until its ttl or its process' end") {
  Box box;
  {
    Lock lock(box.cache, "name", {.ttl = 1s});
    lock.detach();  // nothing
    REQUIRE(lock.try_acquire() == Code::ok);
    lock.detach();
    CHECK_FALSE(lock.held());
    CHECK_FALSE(lock.release());
    CHECK(lock.try_acquire() == Code::busy);
  }
  Child child([&] {
    Lock other(box.cache, "other");
    const bool taken = other.try_acquire() == Code::ok;
    other.detach();
    return taken ? 0 : 1;
  });
  REQUIRE(child.join() == 0);
  Lock lock(box.cache, "name");
  CHECK(lock.try_acquire() == Code::busy);
  pass(1s);
  CHECK(lock.try_acquire() == Code::ok);
  CHECK(Lock(box.cache, "other").try_acquire() == Code::ok);
}

TEST_CASE("locked() tells whether one more would have to wait, and takes nothing") {
  Box box;
  const LockOptions two{.ttl = 1s, .limit = 2};
  const Lock look(box.cache, "name", two);
  const Cache reader = Cache::attach({.name = box.name, .read_only = true});
  const Lock look_too(reader, "name", two);
  CHECK_FALSE(look.locked());
  CHECK_FALSE(Lock(box.cache, "").locked());
  Lock first(box.cache, "name", two);
  Lock second(box.cache, "name", two);
  REQUIRE(first.try_acquire() == Code::ok);
  CHECK(Lock(box.cache, "name").locked());
  CHECK_FALSE(look.locked());
  REQUIRE(second.try_acquire() == Code::ok);
  CHECK(look.locked());
  CHECK(look_too.locked());
  CHECK_FALSE(Lock(box.cache, "other").locked());
  pass(1s);
  CHECK_FALSE(look.locked());
  CHECK(box.cache.stats().leases_held == 2);  // which nobody has given back

  Child child([&] {
    Lock lost(box.cache, "lost");
    if (lost.try_acquire() != Code::ok || !Lock(box.cache, "lost").locked()) return 1;
    lost.detach();
    return 0;
  });
  REQUIRE(child.join() == 0);
  CHECK_FALSE(Lock(box.cache, "lost").locked());
}

TEST_CASE("locks are not entries: keys of their name, erasing and clearing do not touch them") {
  Box box;
  Lock lock(box.cache, "name");
  REQUIRE(lock.try_acquire() == Code::ok);
  CHECK(box.cache.set("name", "value") == Code::ok);
  CHECK(box.cache.erase("name") == Code::ok);
  CHECK(box.cache.clear() == Code::ok);
  CHECK(lock.held());
}

TEST_CASE("a semaphore has as many holders as its limit says") {
  Box box;
  const LockOptions three{.limit = 3};
  Lock a(box.cache, "name", three), b(box.cache, "name", three), c(box.cache, "name", three),
      d(box.cache, "name", three);
  CHECK(a.try_acquire() == Code::ok);
  CHECK(b.try_acquire() == Code::ok);
  CHECK(c.try_acquire() == Code::ok);
  CHECK(d.try_acquire() == Code::busy);
  CHECK(b.release());
  CHECK(d.try_acquire() == Code::ok);
}

TEST_CASE("a reentrant lock is its thread's as often as it likes, and others' after the last release") {
  Box box;
  const LockOptions reentrant{.reentrant = true};
  Lock outer(box.cache, "name", reentrant);
  REQUIRE(outer.acquire() == Code::ok);
  REQUIRE(outer.acquire() == Code::ok);
  Lock inner(box.cache, "name", reentrant);
  REQUIRE(inner.acquire() == Code::ok);
  CHECK(inner.token() == outer.token());
  const auto free_for_others = [&] {
    bool free = false;
    std::thread([&] {
      Lock lock(box.cache, "name", reentrant);
      free = lock.try_acquire() == Code::ok;
    }).join();
    return free;
  };
  CHECK_FALSE(free_for_others());
  CHECK(outer.release());
  CHECK(outer.release());
  CHECK_FALSE(outer.release());
  CHECK_FALSE(outer.held());
  CHECK(inner.held());
  CHECK_FALSE(free_for_others());
  CHECK(inner.release());
  CHECK(free_for_others());
}

TEST_CASE("after its ttl a lock may be another's, and the first holder can tell") {
  Box box;
  Lock first(box.cache, "name", {.ttl = 1s});
  Lock second(box.cache, "name", {.ttl = 1s});
  REQUIRE(first.try_acquire() == Code::ok);
  const std::uint64_t token = first.token();
  pass(999ms);
  CHECK(first.held());
  CHECK(first.extend(1s) == Code::ok);
  pass(999ms);
  CHECK(second.try_acquire() == Code::busy);
  pass(1ms);
  CHECK_FALSE(first.held());
  CHECK(first.extend(1s) == Code::not_held);
  REQUIRE(second.try_acquire() == Code::ok);
  CHECK(second.token() > token);
  CHECK_FALSE(first.release());
  CHECK(second.held());
  CHECK(box.cache.stats().leases_overdue == 1);
  CHECK(second.extend(kForever) == Code::ok);
  pass(1000h);
  CHECK(second.held());
}

TEST_CASE("what a reentrant holder has lost it takes anew") {
  Box box;
  const LockOptions options{.ttl = 1s, .reentrant = true};
  Lock lock(box.cache, "name", options);
  REQUIRE(lock.try_acquire() == Code::ok);
  const std::uint64_t token = lock.token();
  pass(1s);
  REQUIRE(lock.try_acquire() == Code::ok);
  CHECK(lock.token() > token);
  CHECK(lock.release());
  CHECK_FALSE(lock.release());
}

TEST_CASE("who waits is served as soon as the lock is free, and a holder's death frees it") {
  Box box;
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  Child child([&] {
    Lock lock(box.cache, "name");
    if (lock.acquire() != Code::ok || ::write(ends[1], "", 1) != 1) return 1;
    for (;;) ::pause();
  });
  char byte = 0;
  REQUIRE(::read(ends[0], &byte, 1) == 1);
  Lock lock(box.cache, "name");
  CHECK(lock.acquire(30ms) == Code::busy);
  child.signal(SIGSTOP);  // stopped is not dead
  CHECK(lock.acquire(60ms) == Code::busy);
  child.signal(SIGKILL);
  child.wait_for_end();  // a zombie is
  CHECK(lock.acquire(0ms) == Code::ok);
  CHECK(box.cache.stats().leases_taken_over == 1);
  std::thread waiter([&] {
    Lock later(box.cache, "name");
    CHECK(later.acquire(10s) == Code::ok);
  });
  std::this_thread::sleep_for(5ms);
  CHECK(lock.release());
  waiter.join();
  ::close(ends[0]);
  ::close(ends[1]);
  CHECK(box.cache.verify().empty());
}

TEST_CASE("a child of a fork inside a lock does not have it") {
  Box box;
  const LockOptions reentrant{.reentrant = true};
  Lock lock(box.cache, "name", reentrant);
  REQUIRE(lock.acquire() == Code::ok);
  Child child([&] {
    if (lock.held() || lock.release()) return 1;
    Lock own(box.cache, "name", reentrant);
    return own.try_acquire() == Code::busy ? 0 : 2;
  });
  CHECK(child.join() == 0);
  CHECK(lock.held());
  CHECK(lock.release());
}

TEST_CASE("locks go with their segment") {
  Box box;
  Lock lock(box.cache, "name");
  REQUIRE(lock.acquire() == Code::ok);
  const Cache successor = Cache::open({.name = box.name, .capacity_bytes = 2 * MiB});
  CHECK_FALSE(lock.held());
  CHECK_FALSE(lock.release());
  CHECK(lock.try_acquire() == Code::ok);
}

TEST_CASE("a full table makes a lock wait, and the dead leave it; computations have lines of their own") {
  Box box;
  static int said = 0;
  set_hooks({.log = [](std::string_view line) { said += line.find("lines for locks") != std::string_view::npos; }});
  const unsigned lines = box.cache.stats().lock_lines;
  std::vector<std::unique_ptr<Lock>> all;
  for (unsigned i = 0; i < lines; ++i) {
    all.push_back(std::make_unique<Lock>(box.cache, "name" + std::to_string(i)));
    REQUIRE(all.back()->try_acquire() == Code::ok);
  }
  Lock more(box.cache, "one more");
  CHECK(said == 0);
  CHECK(more.acquire(60ms) == Code::no_line);
  CHECK(more.try_acquire() == Code::no_line);
  CHECK(said == 1);
  CHECK(box.cache.stats().leases_lacking >= 2);
  set_hooks({});
  CHECK(get_or_compute(box.cache, "key", 1s, [] { return "value"; }) == "value");
  CHECK(box.cache.get("key") == "value");
  all.resize(lines - 8);
  Child child([&] {
    for (int i = 0; i < 8; ++i) {
      auto* lock = new Lock(box.cache, "child" + std::to_string(i));
      if (lock->try_acquire() != Code::ok) return 1;
    }
    return 0;
  });
  CHECK(child.join() == 0);
  CHECK(box.cache.stats().leases_held == lines);
  CHECK(more.try_acquire() == Code::ok);
  CHECK(box.cache.stats().leases_taken_over == 8);
}

TEST_CASE("the lock of a process that died and is not reaped is taken over where no descriptor is free") {
  Box box;
  Child holder([&] {
    Lock lock(box.cache, "name");
    if (lock.acquire() != Code::ok) return 1;
    ::kill(::getpid(), SIGKILL);
    return 2;
  });
  holder.wait_for_end();
  Child next([&] {
    if (!tests::leave_descriptors(0)) return 1;
    Lock lock(box.cache, "name");
    return lock.acquire(20s) == Code::ok ? 0 : 2;
  });
  CHECK(next.join() == 0);
}
