#include "base/robust_lock.hpp"

#include <doctest/doctest.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdlib>
#include <new>
#include <thread>
#include <vector>

#include "base/waiting.hpp"
#include "child.hpp"

using namespace forklore::base;
using forklore::tests::Child;
using std::chrono::milliseconds;

namespace {

using Word = std::atomic<std::uint32_t>;

/// For what must come, on a machine that is busy with other things.
constexpr milliseconds kPatience{20'000};

/// What parent and children of a test share.
struct Arena {
  Word word{0};
  std::atomic<std::uint32_t> inside{0};
  std::atomic<long> violations{0}, deaths{0}, rounds{0};
  std::atomic<int> step{0};
};

class Shared {
 public:
  Shared() {
    void* memory = ::mmap(nullptr, sizeof(Arena), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(memory != MAP_FAILED);
    arena_ = new (memory) Arena;
  }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;
  ~Shared() { ::munmap(arena_, sizeof(Arena)); }
  Arena* operator->() const { return arena_; }
  Arena& operator*() const { return *arena_; }

 private:
  Arena* arena_;
};

void await(const std::atomic<int>& step, int value) {
  while (step.load() < value) ::usleep(200);
}

long ms_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - start).count();
}

// Takes the lock, says so, and waits to be told to give it back.
int hold(Arena& arena) {
  if (acquire_lock(arena.word, kPatience) != Acquired::ok) return 1;
  arena.step = 1;
  await(arena.step, 2);
  release_lock(arena.word);
  arena.step = 3;
  return 0;
}

// Goes in and out until killed, and looks whether anybody else is in.
int storm(Arena& arena) {
  for (;;) {
    const Acquired got = acquire_lock(arena.word, kPatience);
    if (got == Acquired::busy) continue;
    if (got == Acquired::owner_died) {
      arena.deaths.fetch_add(1, std::memory_order_relaxed);
      arena.inside.store(0, std::memory_order_relaxed);
    }
    if (arena.inside.load(std::memory_order_relaxed) != 0) arena.violations.fetch_add(1, std::memory_order_relaxed);
    arena.inside.store(self().tid, std::memory_order_relaxed);
    for (int i = 0; i < 300; ++i) {
      if (arena.inside.load(std::memory_order_relaxed) != self().tid) {
        arena.violations.fetch_add(1, std::memory_order_relaxed);
      }
    }
    arena.rounds.store(arena.rounds.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    arena.inside.store(0, std::memory_order_relaxed);
    release_lock(arena.word);
  }
}

}  // namespace

TEST_CASE("the word is the owner's tid, and 0 when free; pending is set from before to after") {
  Word word{0};
  CHECK(acquire_lock(word, milliseconds(0)) == Acquired::ok);
  CHECK(word == self().tid);
  CHECK(reinterpret_cast<char*>(self().robust->list_op_pending) + self().robust->futex_offset ==
        reinterpret_cast<char*>(&word));
  release_lock(word);
  CHECK(word == 0);
  CHECK(self().robust->list_op_pending == nullptr);
}

TEST_CASE("who is inside is answered busy at once, and stays protected") {
  Word word{0};
  Word another{0};
  REQUIRE(acquire_lock(word, milliseconds(0)) == Acquired::ok);
  const auto* pending = self().robust->list_op_pending;
  const auto start = std::chrono::steady_clock::now();
  CHECK(acquire_lock(word, kPatience) == Acquired::busy);
  CHECK(acquire_lock(another, kPatience) == Acquired::busy);
  CHECK(ms_since(start) < kPatience.count() / 2);
  CHECK(self().robust->list_op_pending == pending);
  release_lock(word);
  CHECK(word == 0);

  word = self().tid;  // left by a namesake
  CHECK(acquire_lock(word, kPatience) == Acquired::busy);
  CHECK(ms_since(start) < kPatience.count() / 2);
  CHECK(self().robust->list_op_pending == nullptr);
}

TEST_CASE("threads exclude each other") {
  Word word{0};
  long count = 0;
  constexpr long kRounds = 50'000;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (long i = 0; i < kRounds; ++i) {
        while (acquire_lock(word, kPatience) != Acquired::ok) {
        }
        ++count;
        release_lock(word);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(count == 4 * kRounds);
  CHECK(word == 0);
}

TEST_CASE("processes exclude each other under SIGKILL, and nobody is stuck") {
  Shared arena;
  std::vector<Child> children;
  for (int i = 0; i < 4; ++i) children.emplace_back([&] { return storm(*arena); });
  std::srand(1);
  constexpr int kKills = 300;
  for (int kills = 0; kills < kKills; ++kills) {
    ::usleep(static_cast<::useconds_t>(1000 + std::rand() % 6000));
    auto& victim = children[static_cast<std::size_t>(kills) % children.size()];
    victim.kill();
    victim = Child([&] { return storm(*arena); });
  }
  const long rounds = arena->rounds;
  for (int ms = 0; ms < kPatience.count() && arena->rounds == rounds; ++ms) ::usleep(1000);
  CHECK(arena->rounds > rounds);
  children.clear();
  CHECK(arena->violations == 0);
  CHECK(arena->deaths > 0);
  CHECK(acquire_lock(arena->word, kPatience) != Acquired::busy);
  release_lock(arena->word);
  MESSAGE(kKills << " kills, " << arena->deaths.load() << " inside the lock, " << rounds << " rounds");
}

TEST_CASE("the kernel marks the word of a killed owner, whether or not anybody waits") {
  Shared arena;
  Child holder([&] { return hold(*arena); });
  await(arena->step, 1);
  holder.kill();
  CHECK(arena->word == FUTEX_OWNER_DIED);
}

TEST_CASE("who waits is woken by the release, not found by the next slice") {
  Word word{0};
  int quick = 0;  // a slice is 50 ms
  for (int i = 0; i < 200 && quick < 20; ++i) {
    REQUIRE(acquire_lock(word, milliseconds(0)) == Acquired::ok);
    std::thread waiter([&] {
      CHECK(acquire_lock(word, kPatience) == Acquired::ok);
      release_lock(word);
    });
    while ((word & FUTEX_WAITERS) == 0) ::usleep(100);
    ::usleep(300);
    const auto start = std::chrono::steady_clock::now();
    release_lock(word);
    waiter.join();
    quick += ms_since(start) < 25;
  }
  CHECK(quick == 20);
}

TEST_CASE("who is already asleep learns of the owner's death") {
  Shared arena;
  Child holder([&] { return hold(*arena); });
  await(arena->step, 1);
  Child waiter([&] { return acquire_lock(arena->word, kPatience) == Acquired::owner_died ? 0 : 1; });
  while ((arena->word & FUTEX_WAITERS) == 0) ::usleep(200);
  holder.kill();
  CHECK(waiter.join() == 0);
  CHECK(arena->word == (FUTEX_OWNER_DIED | FUTEX_WAITERS));  // the waiter ended with it
  CHECK(acquire_lock(arena->word, milliseconds(0)) == Acquired::owner_died);
  release_lock(arena->word);
}

TEST_CASE("an owner of whom the kernel told nothing") {
  Shared arena;
  Child child([] { return 0; });
  child.wait_for_end();
  const auto tid = static_cast<std::uint32_t>(child.pid());
  arena->word = tid;

  SUBCASE("a zombie is taken over while waiting, though not by a single try") {
    CHECK(acquire_lock(arena->word, milliseconds(0)) == Acquired::busy);
    CHECK(arena->word == tid);
    CHECK(acquire_lock(arena->word, kPatience) == Acquired::owner_died);
  }
  SUBCASE("a zombie is found by a timeout shorter than a slice, too") {
    CHECK(acquire_lock(arena->word, milliseconds(5)) == Acquired::owner_died);
  }
  SUBCASE("one that is gone is taken over at once") {
    child.join();
    CHECK(acquire_lock(arena->word, milliseconds(0)) == Acquired::owner_died);
  }
  SUBCASE("signals that end every sleep early do not put the look off") {
    struct sigaction quiet {};
    struct sigaction old {};
    quiet.sa_handler = [](int) {};
    ::sigaction(SIGALRM, &quiet, &old);
    const itimerval often{{0, 3000}, {0, 3000}};
    ::setitimer(ITIMER_REAL, &often, nullptr);
    const auto start = std::chrono::steady_clock::now();
    CHECK(acquire_lock(arena->word, kPatience) == Acquired::owner_died);
    CHECK(ms_since(start) < kPatience.count() / 2);
    const itimerval never{};
    ::setitimer(ITIMER_REAL, &never, nullptr);
    ::sigaction(SIGALRM, &old, nullptr);
  }
  CHECK((arena->word & FUTEX_TID_MASK) == self().tid);
  release_lock(arena->word);
  CHECK(arena->word == 0);
}

TEST_CASE("a thread that executes another program inside the lock is gone") {
  Shared arena;
  Child child([&] {
    std::thread([&] {
      if (acquire_lock(arena->word, kPatience) != Acquired::ok) ::_exit(1);
      arena->step = 1;
      ::execl("/bin/sleep", "sleep", "30", nullptr);
    }).join();
    return 1;
  });
  await(arena->step, 1);
  CHECK(acquire_lock(arena->word, kPatience) == Acquired::owner_died);
  CHECK(thread_alive(static_cast<std::uint32_t>(child.pid())));
  release_lock(arena->word);
}

TEST_CASE("a stopped owner is not robbed: busy after the timeout, and it may go on") {
  Shared arena;
  Child holder([&] { return hold(*arena); });
  await(arena->step, 1);
  holder.signal(SIGSTOP);
  int status = 0;
  ::waitpid(holder.pid(), &status, WUNTRACED);
  const auto start = std::chrono::steady_clock::now();
  CHECK(acquire_lock(arena->word, milliseconds(120)) == Acquired::busy);
  CHECK(ms_since(start) >= 120);
  CHECK((arena->word & FUTEX_TID_MASK) == static_cast<std::uint32_t>(holder.pid()));
  CHECK(self().robust->list_op_pending == nullptr);
  holder.signal(SIGCONT);
  arena->step = 2;
  CHECK(acquire_lock(arena->word, kPatience) == Acquired::ok);
  release_lock(arena->word);
  CHECK(holder.join() == 0);
}

TEST_CASE("the child of a fork inside the lock is not its owner") {
  Shared arena;
  REQUIRE(acquire_lock(arena->word, milliseconds(0)) == Acquired::ok);
  Child child([&] {
    if (acquire_lock(arena->word, milliseconds(60)) != Acquired::busy) return 1;
    release_lock(arena->word);
    return 0;
  });
  CHECK(child.join() == 0);
  CHECK((arena->word & FUTEX_TID_MASK) == self().tid);
  CHECK((arena->word & FUTEX_OWNER_DIED) == 0);
  release_lock(arena->word);
  CHECK(arena->word == 0);
}

TEST_CASE("the child of a fork while another thread is inside waits for that thread") {
  Shared arena;
  std::thread holder([&] { CHECK(hold(*arena) == 0); });
  await(arena->step, 1);
  Child child([&] {
    if (self().robust->list_op_pending != nullptr) return 1;
    if (acquire_lock(arena->word, milliseconds(60)) != Acquired::busy) return 2;
    arena->step = 2;
    if (acquire_lock(arena->word, kPatience) != Acquired::ok) return 3;
    release_lock(arena->word);
    return 0;
  });
  CHECK(child.join() == 0);
  holder.join();
  CHECK(arena->word == 0);
}

TEST_CASE("who waited keeps the waiters' mark, so that the next one is woken as well") {
  Shared arena;
  Child holder([&] { return hold(*arena); });
  await(arena->step, 1);
  Child waiter([&] {
    const bool got = acquire_lock(arena->word, kPatience) == Acquired::ok;
    const bool marked = (arena->word & FUTEX_WAITERS) != 0;
    release_lock(arena->word);
    return got && marked ? 0 : 1;
  });
  while ((arena->word & FUTEX_WAITERS) == 0) ::usleep(200);
  arena->step = 2;
  CHECK(waiter.join() == 0);
  CHECK(holder.join() == 0);
  CHECK(arena->word == 0);
}

namespace {
int befores = 0;
int afters = 0;
bool held_nothing = true;
}  // namespace

TEST_CASE("the hooks come in pairs, with nothing held, and only around a sleep") {
  Shared arena;
  set_wait_hooks({[] {
                    ++befores;
                    held_nothing &= self().robust->list_op_pending == nullptr && befores == afters + 1;
                  },
                  [] {
                    ++afters;
                    held_nothing &= self().robust->list_op_pending == nullptr && befores == afters;
                  }});
  REQUIRE(acquire_lock(arena->word, milliseconds(500)) == Acquired::ok);
  release_lock(arena->word);
  CHECK(befores == 0);

  Child holder([&] { return hold(*arena); });
  await(arena->step, 1);
  CHECK(acquire_lock(arena->word, milliseconds(0)) == Acquired::busy);
  CHECK(befores == 0);
  CHECK(acquire_lock(arena->word, milliseconds(120)) == Acquired::busy);
  CHECK(befores == 1);  // slices are slept through in one go
  CHECK(afters == 1);
  arena->step = 2;
  CHECK(acquire_lock(arena->word, kPatience) == Acquired::ok);
  release_lock(arena->word);
  CHECK(befores == afters);
  CHECK(held_nothing);
  set_wait_hooks({});
  CHECK(holder.join() == 0);
}

TEST_CASE("a word of garbage is a lock of somebody dead, or free") {
  for (const std::uint32_t garbage : {0x3fffffffu, 0xffffffffu, 0x80000000u, 0x40000000u, 0xc0000000u}) {
    Word word{garbage};
    const Acquired got = acquire_lock(word, milliseconds(100));
    CHECK(got != Acquired::busy);
    release_lock(word);
    CHECK(word == 0);
  }
}
