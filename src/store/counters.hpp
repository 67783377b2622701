// counters.hpp - Counting calls without spoiling reads: each thread of each attached process has a line of its own.
//
// Lines of dead threads are claimed by new ones, which count on. Who finds none counts on line 0 with everybody else
// who did not. Sums never shrink, and no death loses more than the count in flight.
#pragma once

#include <cstdint>

#include "forklore/stats.hpp"
#include "store/geometry.hpp"
#include "store/layout.hpp"

namespace forklore::store {

class Counters {
 public:
  Counters(std::byte* segment, const Geometry& g) noexcept
      : lines_(reinterpret_cast<CounterLine*>(segment + kHeaderBytes)), count_(g.counter_lines) {}

  /// A line for the calling thread: a free one, or one whose thread is gone. nullptr: it shares line 0.
  [[nodiscard]] CounterLine* claim() const noexcept;
  /// Adds to one of the words of a line that claim() gave to this thread, as in add(own, &CounterLine::hits).
  [[gnu::always_inline]] void add(CounterLine* own, Word CounterLine::*word, std::uint64_t n = 1) const noexcept {
    if (own != nullptr) [[likely]] {
      Word& w = own->*word;
      w.store(w.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    } else {
      (lines_[0].*word).fetch_add(n, std::memory_order_relaxed);
    }
  }
  /// Gives all lines free. Only when no other process is attached.
  void disown() const noexcept;
  /// Adds the lines up, and lists the processes that own one and live.
  void sum(Stats& stats) const;

 private:
  CounterLine* lines_;  // line 0 is the shared one
  std::uint32_t count_;
};

}  // namespace forklore::store
