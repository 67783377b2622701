// gcra.hpp - The arithmetic of rates and windows. Time is an argument.
#pragma once

#include <algorithm>
#include <cstdint>

#include "forklore/rate_limit.hpp"

namespace forklore::cache {

/// A rate in nanoseconds.
struct Cells {
  std::int64_t interval;  ///< from one to the next
  std::uint32_t burst;

  /// Returns false for a rate that makes no sense.
  static bool make(const Rate& rate, Cells& cells) noexcept {
    constexpr std::int64_t kMillisecond = 1'000'000;
    constexpr std::int64_t kLongest = std::int64_t{366} * 24 * 3600 * 1000;  // ms
    cells.burst = rate.burst != 0 ? rate.burst : rate.count;
    if (rate.count == 0 || rate.period.count() <= 0 || rate.period.count() > kLongest) return false;
    cells.interval = std::max<std::int64_t>(rate.period.count() * kMillisecond / rate.count, 1);
    return cells.burst <= kLongest * kMillisecond / cells.interval;
  }
};

struct GcraStep {
  std::int64_t arrival;  ///< the next theoretical arrival time, in ns
  RateDecision decision;
};

/// Takes one step of the generic cell rate algorithm. arrival: the one before, in ns. Where there was none, any time up
/// to now.
inline GcraStep step(const Cells& cells, std::int64_t arrival, std::int64_t now, std::uint32_t cost) noexcept {
  const auto in_ms = [](std::int64_t ns) { return std::chrono::milliseconds((ns + 999'999) / 1'000'000); };
  const std::int64_t tolerance = cells.interval * cells.burst;
  // An arrival beyond the burst comes from another rate, or from damage.
  arrival = std::clamp(arrival, now, now + tolerance);
  GcraStep result{arrival, {.limit = cells.burst}};
  RateDecision& decision = result.decision;
  if (cost > cells.burst) {
    decision.retry_after = kForever;
  } else {
    const std::int64_t wanted = arrival + cells.interval * cost;
    decision.allowed = wanted - tolerance <= now;
    if (decision.allowed) {
      result.arrival = wanted;
    } else {
      decision.retry_after = in_ms(wanted - tolerance - now);
    }
  }
  decision.remaining = static_cast<std::uint32_t>((tolerance - (result.arrival - now)) / cells.interval);
  decision.reset_after = in_ms(result.arrival - now);
  return result;
}

/// The counts of two windows in one integer.
///
///    63         48 47                    24 23                     0
///   +-------------+------------------------+------------------------+
///   |   window    |       previous         |        current         |   window: the lowest bits of its number
///   +-------------+------------------------+------------------------+
struct Windows {
  std::uint64_t number = 0;
  std::uint32_t previous = 0, current = 0;

  [[nodiscard]] std::int64_t pack() const noexcept {
    return static_cast<std::int64_t>(number << 48 | std::uint64_t{previous} << 24 | current);
  }
  /// Reads an integer at the time of a window. It counts if it was written in this window or the one before.
  static Windows unpack(std::int64_t integer, std::uint64_t number) noexcept {
    const auto word = static_cast<std::uint64_t>(integer);
    Windows windows{number, static_cast<std::uint32_t>(word >> 24) & kMostInWindow,
                    static_cast<std::uint32_t>(word) & kMostInWindow};
    const std::uint64_t ago = (number - (word >> 48)) & 0xffff;
    if (ago == 0) return windows;
    return {number, ago == 1 ? windows.current : 0, 0};
  }
};

}  // namespace forklore::cache
