#include "cache/lease_call.hpp"

#include <exception>
#include <string>

#include "base/clock.hpp"
#include "session/log_line.hpp"

namespace forklore::cache {

void say_lacking(const Cache& cache, session::View& view, Lacking what) noexcept {
  constexpr std::uint64_t kAgainAfter = 60'000;  // ms
  const std::uint64_t now = base::boottime_ms();
  std::uint64_t said = view.said_lacking.load(std::memory_order_relaxed);
  if (said != 0 && now - said < kAgainAfter) return;
  if (!view.said_lacking.compare_exchange_strong(said, now, std::memory_order_relaxed)) return;
  const store::Geometry& g = view.segment.geometry();
  try {
    const std::string where = "forklore: " + Internals::attachment(cache).path() + ": ";
    const std::string locks = std::to_string(g.leases - g.flights);
    session::log_line(
        what == Lacking::lock
            ? Message(where) + "all " + locks + " lines for locks of a stripe are held, so one more lock waits or " +
                  "fails; a larger " + Option::capacity_bytes + " has more lines (stats: lock_lines, leases_lacking)"
            : Message(where) + "all " + std::to_string(g.flights) + " lines for computations of a stripe are taken " +
                  "and it is full, so a computed value is not stored; open it with a larger " + Option::capacity_bytes +
                  " (stats: computation_lines, leases_lacking)");
  } catch (const std::exception&) {
    // no memory for the words
  }
}

}  // namespace forklore::cache
