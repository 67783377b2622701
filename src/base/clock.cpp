#include "base/clock.hpp"

#include <atomic>
#include <ctime>

namespace forklore::base {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kMillisecond = 1'000'000;

// Relaxed: an old value will do for another second, and the two need not match.
constinit std::atomic<std::int64_t> boottime_ahead{0};     // ms: CLOCK_BOOTTIME less CLOCK_MONOTONIC, never too large
constinit std::atomic<std::int64_t> looked_in{INT64_MIN};  // the second of CLOCK_MONOTONIC_COARSE of the last look

/// The last answer to this thread. The coarse clock stands still for some milliseconds at a time, so it is mostly the
/// next one too.
struct LastAnswer {
  std::uint32_t second = 0;               // the lower half, which comes round after 136 years
  std::uint32_t nanosecond = UINT32_MAX;  // none
  std::uint64_t boottime = 0;             // ms
};
constinit thread_local LastAnswer last [[gnu::tls_model("initial-exec")]];

std::int64_t nanoseconds(clockid_t clock) noexcept {
  timespec now{};
  ::clock_gettime(clock, &now);
  return now.tv_sec * kSecond + now.tv_nsec;
}

// The distance lies between two bounds that are measured here. They are far apart if the thread lost its core
// meanwhile. The known value stays as long as it lies between them too, so that time never steps back.
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

[[gnu::noinline]] static std::uint64_t answer(std::int64_t second, std::int64_t nanosecond) noexcept {
  if (second != looked_in.load(std::memory_order_relaxed)) look_again(second);
  const std::int64_t ahead = boottime_ahead.load(std::memory_order_relaxed);
  last = {static_cast<std::uint32_t>(second), static_cast<std::uint32_t>(nanosecond),
          static_cast<std::uint64_t>(second * 1000 + nanosecond / kMillisecond + ahead)};
  return last.boottime;
}

std::uint64_t boottime_ms() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  if (static_cast<std::uint32_t>(now.tv_nsec) == last.nanosecond &&
      static_cast<std::uint32_t>(now.tv_sec) == last.second) [[likely]]
    return last.boottime;
  return answer(now.tv_sec, now.tv_nsec);
}

std::uint64_t boottime_ns() noexcept { return static_cast<std::uint64_t>(nanoseconds(CLOCK_BOOTTIME)); }

std::uint64_t realtime_ms() noexcept { return static_cast<std::uint64_t>(nanoseconds(CLOCK_REALTIME)) / kMillisecond; }

}  // namespace forklore::base
