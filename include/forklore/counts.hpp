// counts.hpp - The list of counts: what Stats tells of a segment, a line each.
//
// Stats and the Python record are made of it, and the sums over counter lines and stripes follow it. What cannot follow
// is held to it by tests/python/test_lists.py: forklore.Stats, the stub and the table of counts in docs/python.md. A
// new count is one line here; whatever lacks it then does not compile, or fails that test.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

// Each line: the type, the name, what kind it is, its unit, and what it says.
// clang-format off

// The segment.
#define FORKLORE_SEGMENT_COUNTS(X) \
  X(std::size_t, capacity_bytes, gauge, "bytes", "Size of the whole segment, index and headers included.") \
  X(std::size_t, max_value_bytes, gauge, "bytes", "The largest value that it takes.") \
  X(unsigned, stripes, gauge, "stripes", "Independent parts, each with its own lock.") \
  X(std::size_t, chunk_bytes, gauge, "bytes", "Size of one chunk.") \
  X(unsigned, chunks, gauge, "chunks", "Chunks in all stripes.") \
  X(unsigned, free_chunks, gauge, "chunks", "Chunks that hold nothing.") \
  X(WhenFull, when_full, word, "", "What happens when it is full: evict or reject.") \
  X(std::uint64_t, age_seconds, gauge, "seconds", "Since the segment was made.")

// What lies in it, at the moment of asking.
#define FORKLORE_CONTENT_COUNTS(X) \
  X(std::uint64_t, entries, gauge, "entries", "Entries, with those that have expired and are not yet collected.") \
  X(std::uint64_t, slots, gauge, "slots", "Entries that the index has room for. It grows and shrinks with them.") \
  X(std::uint64_t, live_bytes, gauge, "bytes", "What the entries take, with their headers.") \
  X(std::uint64_t, index_bytes, gauge, "bytes", "Buckets, ghosts, chunk tables and headers.")

// Calls. Each is a word of a CounterLine.
#define FORKLORE_CALL_COUNTS(X) \
  X(std::uint64_t, hits, counter, "calls", "Reads that found their entry.") \
  X(std::uint64_t, misses, counter, "calls", "Reads that did not.") \
  X(std::uint64_t, writes, counter, "calls", "Calls that changed something: set, add, replace, increment, touch, cas.") \
  X(std::uint64_t, erases, counter, "calls", "Calls that removed an entry.") \
  X(std::uint64_t, refused, counter, "calls", \
    "Calls that failed as too large, full, overflow, not a number or an invalid argument.") \
  X(std::uint64_t, busy, counter, "calls", "Calls that gave up waiting for a lock, or for a free line for one.") \
  X(std::uint64_t, rereads, counter, "reads", "Reads begun again because a writer came between.")

// Work of the cache itself. Each is a word of a StripeHeader.
#define FORKLORE_WORK_COUNTS(X) \
  X(std::uint64_t, evictions, counter, "entries", "Live entries that left for lack of room.") \
  X(std::uint64_t, bucket_evictions, counter, "entries", "Of these: because both buckets of a new key were full.") \
  X(std::uint64_t, main_evictions, counter, "entries", \
    "Of these: from main, promoted by a read, or moved there because memory was free.") \
  X(std::uint64_t, large_evictions, counter, "entries", \
    "Of these: from large. They were much larger than others. The rest were not read again.") \
  X(std::uint64_t, expirations, counter, "entries", "Expired entries collected.") \
  X(std::uint64_t, moves, counter, "entries", "Entries copied to save them from a reclaimed chunk.") \
  X(std::uint64_t, reclaims, counter, "chunks", "Chunks made free.") \
  X(std::uint64_t, recoveries, counter, "stripes", "Stripes taken over from a dead process.") \
  X(std::uint64_t, resets, counter, "stripes", "Stripes emptied because they were damaged.")

// Lines for computations and locks (compute.hpp, lock.hpp).
#define FORKLORE_LINE_COUNTS(X) \
  X(unsigned, lock_lines, gauge, "lines", \
    "How many locks can be held at once, in all stripes; the same number in each.") \
  X(unsigned, computation_lines, gauge, "lines", \
    "How many computations can hold a line at once. Further ones take the room of an entry.") \
  X(std::uint64_t, leases_held, gauge, "lines", "Of both, those in use at the moment of asking.")

// What they did. Each is a word of a StripeHeader.
#define FORKLORE_LEASE_COUNTS(X) \
  X(std::uint64_t, computations, counter, "computations", "Begun, each by one caller of all.") \
  X(std::uint64_t, computed, counter, "computations", "Of these, whose value was stored.") \
  X(std::uint64_t, voided, counter, "computations", \
    "Of these, not stored: the key was written to or erased meanwhile, or the placeholder was evicted.") \
  X(std::uint64_t, locked, counter, "locks", "Locks taken.") \
  X(std::uint64_t, waits, counter, "calls", "Calls that had to wait for another's value, or for a lock.") \
  X(std::uint64_t, leases_lacking, counter, "calls", \
    "Times that a stripe had no line for one more lock, or neither line nor room for one more computation.") \
  X(std::uint64_t, leases_overdue, counter, "leases", "Leases whose time was over when somebody else took them.") \
  X(std::uint64_t, leases_taken_over, counter, "leases", "Computations and locks of dead processes, given to others.")

// Processes.
#define FORKLORE_PROCESS_COUNTS(X) \
  X(std::uint64_t, reattachments, counter, "moves", "Times that this process moved to a successor of its segment.") \
  X(std::vector<::pid_t>, processes, list, "process ids", "Those that have called it and still live.")

// clang-format on
#define FORKLORE_COUNTS(X)   \
  FORKLORE_SEGMENT_COUNTS(X) \
  FORKLORE_CONTENT_COUNTS(X) \
  FORKLORE_CALL_COUNTS(X)    \
  FORKLORE_WORK_COUNTS(X)    \
  FORKLORE_LINE_COUNTS(X)    \
  FORKLORE_LEASE_COUNTS(X)   \
  FORKLORE_PROCESS_COUNTS(X)

namespace forklore {

/// What a count is.
struct CountInfo {
  enum class Kind : std::uint8_t {
    counter,  ///< grows, and never goes back
    gauge,    ///< a number as it is now
    word,     ///< one of a few words
    list,     ///< numbers, each by itself
  };
  std::string_view name;
  Kind kind;
  std::string_view unit;  ///< of what it counts; empty for a word
  std::string_view help;  ///< one sentence or two
};

/// The list, in the order of Stats.
#define FORKLORE_COUNT(type, name, kind, unit, help) CountInfo{#name, CountInfo::Kind::kind, unit, help},
inline constexpr std::array kCounts{FORKLORE_COUNTS(FORKLORE_COUNT)};
#undef FORKLORE_COUNT

/// The enumerator's own name.
constexpr std::string_view to_string(CountInfo::Kind kind) noexcept {
  constexpr std::array<std::string_view, 4> kNames{"counter", "gauge", "word", "list"};
  return kNames[static_cast<std::size_t>(kind)];
}

}  // namespace forklore
