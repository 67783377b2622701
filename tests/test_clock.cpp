#include "test_clock.hpp"

#include <atomic>

#include "base/clock.hpp"

namespace forklore::tests {
namespace {

std::atomic<std::uint64_t> now{1'000'000};

}  // namespace

std::uint64_t clock_ms() noexcept { return now.load(std::memory_order_relaxed); }
void set_clock(std::uint64_t ms) noexcept { now.store(ms, std::memory_order_relaxed); }

}  // namespace forklore::tests

// A program's own definition is taken before a library's.
namespace forklore::base {

std::uint64_t boottime_ms() noexcept { return tests::clock_ms(); }
std::uint64_t boottime_ns() noexcept { return tests::clock_ms() * 1'000'000; }
std::uint64_t realtime_ms() noexcept { return tests::clock_ms(); }

}  // namespace forklore::base
