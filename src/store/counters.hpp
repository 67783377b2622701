// counters.hpp - Counts calls without slowing reads: each thread of each attached process has a counter line of its
// own.
//
// A new thread claims the line of a dead one and counts on. A thread that finds none adds to line 0, which is shared.
// Sums never shrink. A death loses at most the count that it interrupts.
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

  /// A line for the calling thread: its own, a free one, or one whose thread is gone. nullptr: it shares line 0.
  [[nodiscard]] CounterLine* claim() const noexcept;
  /// Adds to a word of the line that claim() gave to this thread, as in add(own, &CounterLine::hits).
  [[gnu::always_inline]] void add(CounterLine* own, Word CounterLine::*word, std::uint64_t n = 1) const noexcept {
    if (own != nullptr) [[likely]] {
      Word& w = own->*word;
      w.store(w.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    } else {
      (lines_[0].*word).fetch_add(n, std::memory_order_relaxed);
    }
  }
  /// Frees all lines. Call it only when no other process is attached.
  void disown() const noexcept;
  /// Adds up all lines, and lists the living processes that own one.
  void sum(Stats& stats) const;

 private:
  CounterLine* lines_;  // line 0 is the shared one
  std::uint32_t count_;
};

}  // namespace forklore::store
