#include "base/waiting.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>

namespace forklore::base {
namespace {

// Relaxed: they are set before anybody waits.
constinit std::atomic<void (*)()> before_wait{nullptr};
constinit std::atomic<void (*)()> after_wait{nullptr};

}  // namespace

void set_wait_hooks(WaitHooks hooks) noexcept {
  before_wait.store(hooks.before, std::memory_order_relaxed);
  after_wait.store(hooks.after, std::memory_order_relaxed);
}

Waiting::Waiting() noexcept : after_(after_wait.load(std::memory_order_relaxed)) {
  if (auto* before = before_wait.load(std::memory_order_relaxed)) before();
}

Waiting::~Waiting() {
  if (after_ != nullptr) after_();
}

void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t seen, std::chrono::nanoseconds at_most,
                std::uint32_t bits) noexcept {
  // The system call with bits takes a point in time, not a duration.
  constexpr std::int64_t kSecond = 1'000'000'000;
  timespec until{};
  ::clock_gettime(CLOCK_MONOTONIC, &until);
  const std::int64_t ns = until.tv_nsec + std::clamp<std::int64_t>(at_most.count(), 0, 3600 * kSecond);
  until.tv_sec += ns / kSecond;
  until.tv_nsec = ns % kSecond;
  ::syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, seen, &until, nullptr, bits);
}

void futex_wake(std::atomic<std::uint32_t>& word, int how_many, std::uint32_t bits) noexcept {
  ::syscall(SYS_futex, &word, FUTEX_WAKE_BITSET, how_many, nullptr, nullptr, bits);
}

}  // namespace forklore::base
