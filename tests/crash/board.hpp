// board.hpp - What workers and supervisor of a kill storm share beside the segments: one page-aligned block in a memfd,
// which a worker that was forked inherits and one that was executed maps again.
//
// A worker writes its own line alone, in program order, so a death leaves the line as it stood at that instruction.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>

namespace forklore::crash {

inline constexpr std::uint32_t kWorkers = 8;
inline constexpr std::uint32_t kEntries = 32;   // of each worker, in the segments with room
inline constexpr std::uint32_t kCounters = 16;  // of all workers, there

/// Where in the library's writing half a worker is; from the probe (phase_probe.cpp).
enum class Phase : std::uint8_t {
  none,
  other,
  update,
  store,
  make_room,
  reclaim,
  relocate,
  evict,
  recover,
  clear,
  reset
};
inline constexpr std::array<const char*, 11> kPhaseNames{
    "none", "other", "update", "store", "make_room", "reclaim", "relocate", "evict", "recover", "clear", "reset"};

/// An entry's state as its one writer knows it: counter << 1 | present.
using EntryState = std::uint32_t;
constexpr bool is_present(EntryState state) noexcept { return (state & 1) != 0; }
constexpr std::uint32_t counter_of(EntryState state) noexcept { return state >> 1; }

/// What a worker is about to change in a segment with room. Set before the call, cleared after it was acknowledged.
struct Intent {
  enum class Kind : std::uint8_t { none, count, store, erase };
  Kind kind = Kind::none;
  std::uint16_t key = 0;
  EntryState state = 0;  // that it will have, for store and erase
  [[nodiscard]] std::uint64_t pack() const noexcept {
    return static_cast<std::uint64_t>(kind) << 56 | std::uint64_t{key} << 32 | state;
  }
  static Intent unpack(std::uint64_t word) noexcept {
    return {static_cast<Kind>(word >> 56), static_cast<std::uint16_t>(word >> 32), static_cast<EntryState>(word)};
  }
};

struct alignas(64) WorkerLine {
  std::atomic<std::uint64_t> calls;     // grows with every call; the watchdog looks at it
  std::atomic<std::uint64_t> intent;    // Intent::pack()
  std::atomic<std::uint64_t> intended;  // a number of the intent, in the acknowledgement too
  std::atomic<std::uint32_t> depth;     // of phases
  std::array<std::atomic<Phase>, 16> phases;
  std::array<std::atomic<EntryState>, kEntries> committed;  // stored before the acknowledgement is sent
};

struct Board {
  std::array<WorkerLine, kWorkers> workers;
  std::atomic<std::uint64_t> faults;
  std::atomic<bool> stop;
};

/// An acknowledgement; a pipe takes it whole.
struct Ack {
  std::uint32_t worker;
  std::uint32_t key;
  EntryState state;
  Intent::Kind kind;
  std::uint64_t intended;
};

/// A storm's segments: a small one that is always full, and two with room for what is committed to them.
struct Names {
  std::string small, room, strict;
  explicit Names(const std::string& base) : small(base + "-small"), room(base + "-room"), strict(base + "-strict") {}
};

}  // namespace forklore::crash
