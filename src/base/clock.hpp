// clock.hpp - Time that goes on through suspend, cheaply.
#pragma once

#include <cstdint>

namespace forklore::base {

/// Milliseconds of CLOCK_BOOTTIME, a few late: the coarse monotonic clock (no system call, some 5 ns) plus its
/// distance from boottime, which only a suspend changes and which is looked at anew once a second.
std::uint64_t boottime_ms() noexcept;

/// Nanoseconds of CLOCK_BOOTTIME, as they are.
std::uint64_t boottime_ns() noexcept;

/// Milliseconds of CLOCK_REALTIME since 1970.
std::uint64_t realtime_ms() noexcept;

}  // namespace forklore::base
