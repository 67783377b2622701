#include "session/thread.hpp"

#include <doctest/doctest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "child.hpp"

using forklore::session::Thread;
using forklore::tests::Child;

namespace {

bool is_mapped(void* page) {
  return ::msync(page, static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)), MS_ASYNC) == 0 || errno != ENOMEM;
}

TEST_CASE("each thread has one of its own, zeroed, and gives it back when it ends") {
  Thread* const mine = Thread::get();
  REQUIRE(mine != nullptr);
  CHECK(Thread::get() == mine);
  Thread* others = nullptr;
  std::thread([&] {
    CHECK(Thread::find() == nullptr);
    others = Thread::get();
    CHECK(Thread::find() == others);
    CHECK(others->held == nullptr);
    for (const forklore::session::Claimed& claimed : others->claimed)
      CHECK((claimed.view == 0 && claimed.line == nullptr));
    CHECK(is_mapped(others));
  }).join();
  CHECK(others != mine);
  CHECK_FALSE(is_mapped(others));
  CHECK(is_mapped(mine));
}

TEST_CASE("the child of a fork goes on with that of the thread that forked") {
  Thread* const mine = Thread::get();
  REQUIRE(mine != nullptr);
  mine->claimed[0].view = 7;
  Child child([&] { return Thread::get() == mine && mine->claimed[0].view == 7 ? 0 : 1; });
  CHECK(child.join() == 0);
  mine->claimed[0] = {};
}

}  // namespace
