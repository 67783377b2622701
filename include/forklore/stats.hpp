// stats.hpp - What a segment holds and what has happened in it.
#pragma once

#include <sys/types.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <forklore/options.hpp>
#include <string>
#include <vector>

namespace forklore {

/// Counts are those of all processes since the segment was made. They never go back.
struct Stats {
  // The segment.
  std::size_t capacity_bytes = 0;
  std::size_t max_value_bytes = 0;  ///< larger values answer too_large
  unsigned stripes = 0;
  std::size_t chunk_bytes = 0;
  unsigned chunks = 0;  ///< in all stripes
  unsigned free_chunks = 0;
  WhenFull when_full = WhenFull::evict;
  std::uint64_t age_seconds = 0;  ///< since the segment was made
  // What lies in it, at the moment of asking.
  std::uint64_t entries = 0;      ///< all, also expired ones that are not yet collected
  std::uint64_t slots = 0;        ///< of the index, which grows and shrinks with the entries
  std::uint64_t live_bytes = 0;   ///< what the entries take, with their headers
  std::uint64_t index_bytes = 0;  ///< buckets, ghosts, chunk tables and headers
  // Calls.
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
  std::uint64_t writes = 0;  ///< that changed something: set, add, replace, increment, touch, compare_and_set
  std::uint64_t erases = 0;
  std::uint64_t refused = 0;  ///< too_large, full, overflow, not_a_number
  std::uint64_t busy = 0;     ///< calls that gave up waiting for a lock
  std::uint64_t rereads = 0;  ///< reads begun again because a writer came between
  // Work of the cache itself.
  std::uint64_t evictions = 0;         ///< live entries that left for lack of room
  std::uint64_t bucket_evictions = 0;  ///< of these: evicted as both buckets of a new key were full
  std::uint64_t main_evictions = 0;    ///< of these: from main (promoted by a read, or moved there as memory was free)
  std::uint64_t large_evictions = 0;   ///< of these: from large (large beside the others). The rest were not read again
  std::uint64_t expirations = 0;       ///< expired entries collected
  std::uint64_t moves = 0;             ///< entries copied to save them from a reclaimed chunk
  std::uint64_t reclaims = 0;          ///< chunks made free
  std::uint64_t recoveries = 0;        ///< stripes taken over from a dead owner
  std::uint64_t resets = 0;            ///< stripes emptied because they were damaged
  // Who computes and who locks (compute.hpp, lock.hpp).
  unsigned lock_lines = 0;           ///< how many locks there may be at once, in all stripes; alike in each
  unsigned computation_lines = 0;    ///< likewise of computations that take no entry's room
  std::uint64_t leases_held = 0;     ///< of both, at the moment of asking
  std::uint64_t computations = 0;    ///< begun, each by one caller of all
  std::uint64_t computed = 0;        ///< of these, whose value was stored
  std::uint64_t voided = 0;          ///< of these, whose key was written to or erased meanwhile, or whose placeholder
                                     ///< was evicted: not stored
  std::uint64_t locked = 0;          ///< locks taken
  std::uint64_t waits = 0;           ///< calls that had to wait for another's value, or for a lock
  std::uint64_t leases_lacking = 0;  ///< times that a stripe had no line left for one more lock, or neither line nor
                                     ///< room for one more computation
  std::uint64_t leases_overdue = 0;  ///< leases whose time was over when somebody else took them
  std::uint64_t leases_taken_over = 0;  ///< computations and locks of dead processes, given to others
  std::uint64_t reattachments = 0;      ///< times that this process moved to a successor
  std::vector<::pid_t> processes;       ///< that have called it and still live

  /// How full it is, from 0 to 1: the part of the room for entries that entries take. The index has the rest of the
  /// capacity. A full segment is a little below 1, as a chunk's end may be too short for the next entry. It evicts, or
  /// refuses, from there on. Expired entries that are not yet collected count.
  [[nodiscard]] double full() const noexcept {
    const std::uint64_t room = capacity_bytes - std::min<std::uint64_t>(index_bytes, capacity_bytes);
    return room == 0 ? 0 : std::min(1.0, static_cast<double>(live_bytes) / static_cast<double>(room));
  }
};

/// A segment that exists on this host.
struct SegmentInfo {
  std::string name;
  std::string path;
  ::uid_t owner = 0;
  unsigned format = 0;             ///< of which version of the library it is; another one does not open it
  std::size_t bytes = 0;           ///< that the file takes
  std::size_t capacity_bytes = 0;  ///< 0: not yet, or no longer, a sound segment; or of another format
  bool attached = false;           ///< some process has it mapped
};

}  // namespace forklore
