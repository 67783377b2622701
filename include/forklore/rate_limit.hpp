// rate_limit.hpp - How much of something all processes together may do, and have done: exact, as each call is one step
// under one stripe's lock.
//
//   forklore::RateDecision decision;  // at most 5 a minute, of all processes
//   if (forklore::take(cache, "login:" + user, {.count = 5, .period = 1min}, decision) == forklore::Code::ok &&
//       !decision.allowed) {
//     refuse(decision.retry_after);
//   }
//
//  * The state is one entry of a few bytes under the key, in format kInteger; it is this call's alone, and of one rate.
//    It expires by itself when it says nothing any more, and erase() begins anew.
//  * Like any entry it may be evicted where a cache is full, and then begins anew; it stays where it is used often. Who
//    must not lose it opens a segment of its own with WhenFull::reject.
#pragma once

#include <chrono>
#include <cstdint>
#include <forklore/cache.hpp>
#include <forklore/export.hpp>
#include <string_view>

namespace forklore {

/// So many in a period, evenly; and how many of them may come at once.
struct Rate {
  std::uint32_t count = 1;
  std::chrono::milliseconds period{1000};
  std::uint32_t burst = 0;  ///< 0: as count
};

struct RateDecision {
  bool allowed = false;
  std::uint32_t limit = 0;                   ///< how many may come at once
  std::uint32_t remaining = 0;               ///< how many more may come at this moment
  std::chrono::milliseconds retry_after{0};  ///< when as many would be allowed; kForever: more than the burst, never
  std::chrono::milliseconds reset_after{0};  ///< when all of the burst is there again
};

/// Takes so many of what a rate allows, all or none. By the generic cell rate algorithm (ITU-T I.371): a theoretical
/// arrival time moves on with each that is allowed, and may be ahead of the clock by the burst; the answers are those
/// of throttled and redis-cell (Brandur Leach). cost 0 looks and takes nothing. Returns ok whether or not it is
/// allowed; else decision is unspecified: invalid_key; invalid_argument (a count or a period of nothing, a burst that
/// takes over 366 days to come); not_a_number (the entry is none); full, busy, read_only.
[[nodiscard]] FORKLORE_EXPORT Code take(const Cache& cache, std::string_view key, const Rate& rate,
                                        RateDecision& decision, std::uint32_t cost = 1) noexcept;

struct WindowCount {
  std::uint32_t current = 0;                 ///< in the window that runs
  std::uint32_t previous = 0;                ///< in the one before
  double sliding = 0;                        ///< an estimate for the last window's length: current, and of previous the
                                             ///< part that is not yet over
  std::chrono::milliseconds reset_after{0};  ///< when the next window begins
};

inline constexpr std::uint32_t kMostInWindow = (1u << 24) - 1;  ///< the count stays there

/// Adds to the count of the window that runs, and tells the counts. Windows of this length follow each other from the
/// segment's birth; add 0 looks and adds nothing. Returns as take() does; invalid_argument is a window that is not
/// above zero and up to 366 days.
[[nodiscard]] FORKLORE_EXPORT Code count_in_window(const Cache& cache, std::string_view key,
                                                   std::chrono::milliseconds window, WindowCount& count,
                                                   std::uint32_t add = 1) noexcept;

}  // namespace forklore
