// board.hpp - What the processes of a run share beside the segment: a clock, and a tape for each of them on which it
// records its calls. It outlives whoever dies.
#pragma once

#include <atomic>
#include <cstdint>

#include "linearizable/operation.hpp"

namespace forklore::linearizable {

inline constexpr unsigned kProcesses = 5;
inline constexpr unsigned kKeys = 4;
inline constexpr std::uint32_t kTape = 1 << 15;  // calls of a process in one round

/// What is written of a call, in this order: all but begin and end, count, begin, (the call), answer, end. So a call
/// that may have had an effect is counted and has a begin, and one that has an end has an answer.
struct Line {
  Operation operation;
  std::atomic<std::uint64_t> begin;
  std::atomic<std::uint64_t> end;
};

struct alignas(64) Tape {
  std::atomic<std::uint32_t> count;
  std::atomic<std::uint64_t> faults;  // what needs no history to be wrong: torn values, codes that may not come
  std::atomic<std::uint64_t> churned;
  Line lines[kTape];
};

struct Board {
  /// Each moment is a number of its own. It is taken by a read-modify-write of one word, so moments come in one order,
  /// and what a process did before it took one is visible to whoever takes a later one.
  alignas(64) std::atomic<std::uint64_t> clock;
  Tape tapes[kProcesses];
  std::uint64_t now() noexcept { return clock.fetch_add(1, std::memory_order_seq_cst) + 1; }
};

/// Where a process stands in its tape: whether it is in a call that changes something.
inline bool in_a_write(const Tape& tape) noexcept {
  const std::uint32_t count = tape.count.load(std::memory_order_acquire);
  if (count == 0) return false;
  const Line& line = tape.lines[count - 1];
  return line.begin.load(std::memory_order_acquire) != 0 && line.end.load(std::memory_order_acquire) == 0 &&
         line.operation.call != Call::get;
}

}  // namespace forklore::linearizable
