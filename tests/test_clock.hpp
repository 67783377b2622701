// test_clock.hpp - Time that a test moves. Link test_clock.cpp, and the library goes by it instead of the system's
// clocks: no call of it then looks at the real time, but for waiting for locks.
#pragma once

#include <chrono>
#include <cstdint>

namespace forklore::tests {

/// Milliseconds of both clocks, boottime and since 1970. Starts at one million.
std::uint64_t clock_ms() noexcept;
void set_clock(std::uint64_t ms) noexcept;
inline void pass(std::chrono::milliseconds time) noexcept {
  set_clock(clock_ms() + static_cast<std::uint64_t>(time.count()));
}

}  // namespace forklore::tests
