// clock.hpp - Time that goes on while the machine sleeps, read cheaply.
#pragma once

#include <cstdint>

namespace forklore::base {

/// Milliseconds of CLOCK_BOOTTIME, a few late. It is the coarse monotonic clock, which takes some 5 ns and no system
/// call, plus its distance from boottime. Only a suspend changes that distance. It is measured once a second.
std::uint64_t boottime_ms() noexcept;

/// Nanoseconds of CLOCK_BOOTTIME, exact.
std::uint64_t boottime_ns() noexcept;

/// Milliseconds of CLOCK_REALTIME since 1970.
std::uint64_t realtime_ms() noexcept;

}  // namespace forklore::base
