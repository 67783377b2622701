// lease.hpp - What the holder of a lock, or of the right to compute a value, keeps of it.
#pragma once

#include <cstdint>

namespace forklore {

/// Opaque. A copy is the same lease: if one is given back, the other is not held either. In the child of a fork the
/// lease is still the parent's, and the child's calls with it do nothing.
struct Lease {
  std::uint64_t segment = 0;  ///< this process's number for the segment
  std::uint64_t owner = 0;    ///< this process
  std::uint64_t hash = 0;     ///< of the name
  std::uint64_t word = 0;     ///< what its line holds. 0: this is no lease
  std::uint32_t line = 0;
};

}  // namespace forklore
