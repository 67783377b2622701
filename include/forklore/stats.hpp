// stats.hpp - What a segment holds and what has happened in it.
#pragma once

#include <sys/types.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <forklore/counts.hpp>
#include <forklore/options.hpp>
#include <string>
#include <vector>

namespace forklore {

/// What a segment holds and what has happened in it. Its fields are the lines of counts.hpp, which says of each what it
/// is. Counters are those of all processes since the segment was made. They never go back.
struct Stats {
#define FORKLORE_COUNT(type, name, kind, unit, help) type name{};
  FORKLORE_COUNTS(FORKLORE_COUNT)
#undef FORKLORE_COUNT

  /// How full it is, from 0 to 1: the part of the room for entries that entries take. The index has the rest of the
  /// capacity. A full segment is a little below 1, because a chunk's end may be too short for the next entry. From
  /// that point it evicts or refuses. Expired entries that are not yet collected count.
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
