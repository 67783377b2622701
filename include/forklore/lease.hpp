// lease.hpp - What the holder of a computation or a lock keeps of it.
#pragma once

#include <cstdint>

namespace forklore {

/// Opaque. A copy is the same lease: what one gives back, the other no longer holds. In the child of a fork it is the
/// parent's, and the child's calls with it do nothing.
struct Lease {
  std::uint64_t segment = 0;  ///< as this process numbers those it has seen
  std::uint64_t owner = 0;    ///< this process
  std::uint64_t hash = 0;     ///< of the name
  std::uint64_t word = 0;     ///< 0: none
  std::uint32_t line = 0;
};

}  // namespace forklore
