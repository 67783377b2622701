#include "base/clock.hpp"

#include <atomic>
#include <ctime>

namespace forklore::base {
namespace {

constexpr std::int64_t kNever = INT64_MIN;
constexpr std::int64_t kSecond = 1'000'000'000;

// Nanoseconds, relaxed: an old value is as good for another second, and each stands for itself.
constinit std::atomic<std::int64_t> boottime_ahead{0};  // CLOCK_BOOTTIME less CLOCK_MONOTONIC, never too large
constinit std::atomic<std::int64_t> looked_at{kNever};  // CLOCK_MONOTONIC_COARSE of the last look

std::int64_t nanoseconds(clockid_t clock) noexcept {
  timespec now{};
  ::clock_gettime(clock, &now);
  return now.tv_sec * kSecond + now.tv_nsec;
}

// The distance lies between the two bounds measured here, which are far apart if the thread lost its core between
// the reads. The known value stays while it lies there as well, so that time never steps back.
[[gnu::noinline, gnu::cold]] void look_again(std::int64_t coarse) noexcept {
  std::int64_t known = boottime_ahead.load(std::memory_order_relaxed);
  const std::int64_t before = nanoseconds(CLOCK_MONOTONIC);
  const std::int64_t boot = nanoseconds(CLOCK_BOOTTIME);
  const std::int64_t after = nanoseconds(CLOCK_MONOTONIC);
  if (known < boot - after || known > boot - before) {
    boottime_ahead.compare_exchange_strong(known, boot - after, std::memory_order_relaxed);
  }
  looked_at.store(coarse, std::memory_order_relaxed);
}

}  // namespace

std::uint64_t boottime_ms() noexcept {
  const std::int64_t coarse = nanoseconds(CLOCK_MONOTONIC_COARSE);
  const auto age =
      static_cast<std::uint64_t>(coarse) - static_cast<std::uint64_t>(looked_at.load(std::memory_order_relaxed));
  if (age >= kSecond) [[unlikely]]
    look_again(coarse);  // wraps, and so looks, if the clock went back
  return static_cast<std::uint64_t>(coarse + boottime_ahead.load(std::memory_order_relaxed)) / 1'000'000;
}

std::uint64_t boottime_ns() noexcept { return static_cast<std::uint64_t>(nanoseconds(CLOCK_BOOTTIME)); }

std::uint64_t realtime_ms() noexcept { return static_cast<std::uint64_t>(nanoseconds(CLOCK_REALTIME)) / 1'000'000; }

}  // namespace forklore::base
