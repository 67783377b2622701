#include "base/clock.hpp"

#include <atomic>
#include <ctime>

namespace forklore::base {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kMillisecond = 1'000'000;

// Relaxed: an old value is as good for another second, and each stands for itself.
constinit std::atomic<std::int64_t> boottime_ahead{0};     // ms: CLOCK_BOOTTIME less CLOCK_MONOTONIC, never too large
constinit std::atomic<std::int64_t> looked_in{INT64_MIN};  // the second of CLOCK_MONOTONIC_COARSE of the last look

std::int64_t nanoseconds(clockid_t clock) noexcept {
  timespec now{};
  ::clock_gettime(clock, &now);
  return now.tv_sec * kSecond + now.tv_nsec;
}

// The distance lies between the two bounds measured here, which are far apart if the thread lost its core between
// the reads. The known value stays while it lies there as well, so that time never steps back.
[[gnu::noinline, gnu::cold]] void look_again(std::int64_t second) noexcept {
  std::int64_t known = boottime_ahead.load(std::memory_order_relaxed);
  const std::int64_t before = nanoseconds(CLOCK_MONOTONIC);
  const std::int64_t boot = nanoseconds(CLOCK_BOOTTIME);
  const std::int64_t after = nanoseconds(CLOCK_MONOTONIC);
  const std::int64_t least = (boot - after) / kMillisecond;
  if (known < least || known > (boot - before) / kMillisecond) {
    boottime_ahead.compare_exchange_strong(known, least, std::memory_order_relaxed);
  }
  looked_in.store(second, std::memory_order_relaxed);
}

}  // namespace

std::uint64_t boottime_ms() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  if (now.tv_sec != looked_in.load(std::memory_order_relaxed)) [[unlikely]]
    look_again(now.tv_sec);
  const auto part = static_cast<std::uint64_t>(now.tv_nsec) / kMillisecond;
  return static_cast<std::uint64_t>(now.tv_sec * 1000 + boottime_ahead.load(std::memory_order_relaxed)) + part;
}

std::uint64_t boottime_ns() noexcept { return static_cast<std::uint64_t>(nanoseconds(CLOCK_BOOTTIME)); }

std::uint64_t realtime_ms() noexcept { return static_cast<std::uint64_t>(nanoseconds(CLOCK_REALTIME)) / kMillisecond; }

}  // namespace forklore::base
