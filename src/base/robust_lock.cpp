#include "base/robust_lock.hpp"

#include <algorithm>

#include "base/waiting.hpp"

namespace forklore::base {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kSlice{50};
constexpr std::uint64_t kSpinTicks = 8000;

std::uint32_t owner_of(std::uint32_t value) noexcept { return value & FUTEX_TID_MASK; }
bool is_free(std::uint32_t value) noexcept { return owner_of(value) == 0 || (value & FUTEX_OWNER_DIED) != 0; }

void pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// If its owner runs, a lock is held for less than a microsecond. To sleep and be woken takes several. So first the
// thread spins. A pause differs by a factor of forty between processors: so ticks are counted, where that is cheap.
std::uint32_t spin(const std::atomic<std::uint32_t>& word) noexcept {
#if defined(__x86_64__) || defined(__i386__)
  const auto ticks = [begin = __builtin_ia32_rdtsc()] { return __builtin_ia32_rdtsc() - begin; };
#else
  auto ticks = [spins = std::uint64_t{0}]() mutable { return spins += 8; };
#endif
  std::uint32_t value = word.load(std::memory_order_relaxed);
  while (!is_free(value) && ticks() < kSpinTicks) {
    pause();
    value = word.load(std::memory_order_relaxed);
  }
  return value;
}

// Does what the kernel would have done for a dead owner. Release; partner: the acquire in acquire_lock. The kernel said
// that the owner is gone, and so its last stores are seen here. This store passes them on to the next owner.
void mark_dead(std::atomic<std::uint32_t>& word, std::uint32_t seen) noexcept {
  word.compare_exchange_strong(seen, (seen & FUTEX_WAITERS) | FUTEX_OWNER_DIED, std::memory_order_release,
                               std::memory_order_relaxed);
}

// Sleeps until the word is no longer what was seen. Looks at the owner every 50 ms, and at the deadline.
void wait_while(std::atomic<std::uint32_t>& word, std::uint32_t seen, Clock::time_point deadline) noexcept {
  Clock::time_point now = Clock::now();
  Clock::time_point look = std::min(now + kSlice, deadline);
  for (;;) {
    if (now < look) futex_wait(word, seen, look - now);
    if (word.load(std::memory_order_relaxed) != seen) return;
    now = Clock::now();
    if (now < look) continue;  // a signal, or a wake that was meant for an earlier state of the word
    if (!thread_alive(owner_of(seen)) || broken("living-owner-robbed")) return mark_dead(word, seen);
    if (now >= deadline) return;
    look = std::min(now + kSlice, deadline);
  }
}

}  // namespace

namespace inside {

// The caller has set pending. Once this thread has waited, it acquires with FUTEX_WAITERS, as others may wait too.
Acquired acquire_contended(std::atomic<std::uint32_t>& word, std::chrono::milliseconds timeout) noexcept {
  const bool once = timeout <= std::chrono::milliseconds::zero();
  const auto deadline = Clock::now() + std::min<std::chrono::milliseconds>(timeout, std::chrono::hours(24 * 365));
  std::uint32_t value = spin(word);
  std::uint32_t waited = 0;
  for (;;) {
    const Self& me = self();  // asked each time: a signal handler may have forked
    set_pending(me, word);
    while (is_free(value)) {
      const std::uint32_t mine = me.tid | waited | (value & FUTEX_WAITERS);
      if (word.compare_exchange_weak(value, mine, std::memory_order_acquire, std::memory_order_relaxed)) {
        return (value & FUTEX_OWNER_DIED) != 0 ? Acquired::owner_died : Acquired::ok;
      }
    }
    const std::uint32_t owner = owner_of(value);
    if (owner == me.tid || once || Clock::now() >= deadline) {
      if (owner != me.tid && !thread_exists(owner)) {
        mark_dead(word, value);
        value = word.load(std::memory_order_relaxed);
        continue;
      }
      clear_pending(me);
      return Acquired::busy;
    }
    const std::uint32_t marked = value | FUTEX_WAITERS;
    if (value != marked && !word.compare_exchange_strong(value, marked, std::memory_order_relaxed)) continue;
    clear_pending(me);
    {
      const Waiting waiting;
      wait_while(word, marked, deadline);
    }
    waited = FUTEX_WAITERS;
    value = word.load(std::memory_order_relaxed);
  }
}

// The word has FUTEX_WAITERS, or is not this thread's. Pending stays set until after the wake. If the thread dies
// before it, the kernel wakes in its place.
void release_contended(std::atomic<std::uint32_t>& word, std::uint32_t tid) noexcept {
  if (owner_of(word.load(std::memory_order_relaxed)) != tid) return;
  word.exchange(0, std::memory_order_release);
  futex_wake(word, 1);
}

}  // namespace inside

}  // namespace forklore::base
