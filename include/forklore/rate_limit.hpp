// rate_limit.hpp - Limits how much all processes together may do, and counts what they have done. Both are exact,
// because each call is one step under one stripe lock.
//
//   forklore::RateDecision decision;  // at most 5 a minute, of all processes
//   if (forklore::take(cache, "login:" + user, {.count = 5, .period = 1min}, decision) == forklore::Code::ok &&
//       !decision.allowed) {
//     refuse(decision.retry_after);
//   }
//
//  * The state is one entry of a few bytes under the key, in format kInteger. Use the key for one call and one rate
//    only. The entry expires when it says nothing any more. After erase() the count starts from nothing.
//  * A full cache may evict it like any entry. Then it starts from nothing. It stays while it is used often. If you
//    must not lose it, open a segment of its own with WhenFull::reject.
#pragma once

#include <chrono>
#include <cstdint>
#include <forklore/cache.hpp>
#include <forklore/export.hpp>
#include <string_view>

namespace forklore {

/// Allows count in each period, evenly, and up to burst of them at once.
struct Rate {
  std::uint32_t count = 1;
  std::chrono::milliseconds period{1000};
  std::uint32_t burst = 0;  ///< 0: the same as count
};

struct RateDecision {
  bool allowed = false;
  std::uint32_t limit = 0;                   ///< how many may come at once
  std::uint32_t remaining = 0;               ///< how many more may come at this moment
  std::chrono::milliseconds retry_after{0};  ///< until this cost is allowed. kForever: never, it exceeds the burst
  std::chrono::milliseconds reset_after{0};  ///< until all of the burst is there again
};

/// Takes cost of what a rate allows, all of it or nothing. A cost of 0 looks and takes nothing. It uses the generic
/// cell rate algorithm (ITU-T I.371): each allowed call moves a theoretical arrival time on, which may be ahead of the
/// clock by the burst. Its answers are those of throttled and redis-cell (Brandur Leach). Returns ok whether or not the
/// call is allowed. Otherwise decision is unspecified, and it returns:
///   invalid_argument   the count or the period is 0, or the burst takes over 366 days to come back
///   not_a_number       the entry under the key is no integer
///   invalid_key, full, busy, read_only
[[nodiscard]] FORKLORE_EXPORT Code take(const Cache& cache, std::string_view key, const Rate& rate,
                                        RateDecision& decision, std::uint32_t cost = 1) noexcept;

struct WindowCount {
  std::uint32_t current = 0;   ///< in the window that runs now
  std::uint32_t previous = 0;  ///< in the window before
  double sliding = 0;          ///< an estimate for the time of one window up to now: current, and the part
                               ///< of previous that is within that time
  std::chrono::milliseconds reset_after{0};  ///< until the next window begins
};

inline constexpr std::uint32_t kMostInWindow = (1u << 24) - 1;  ///< the count stays there

/// Adds to the count of the window that runs now, and tells the counts. Windows follow each other from the segment's
/// birth on. An add of 0 looks and adds nothing. Returns what take() does. invalid_argument means a window of zero or
/// less, or above 366 days.
[[nodiscard]] FORKLORE_EXPORT Code count_in_window(const Cache& cache, std::string_view key,
                                                   std::chrono::milliseconds window, WindowCount& count,
                                                   std::uint32_t add = 1) noexcept;

}  // namespace forklore
