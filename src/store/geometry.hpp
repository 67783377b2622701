// geometry.hpp - How a capacity is divided. Each process computes it in the same way and keeps it in private memory.
#pragma once

#include <cstddef>
#include <cstdint>

#include "store/layout.hpp"

namespace forklore::store {

/// What is asked for. All else follows from it.
struct Shape {
  std::uint64_t capacity = 0;   ///< bytes of the whole segment
  std::uint32_t stripes = 0;    ///< a power of two up to kMaxStripes; 0: choose
  std::uint64_t max_value = 0;  ///< bytes; 0: 1 MiB, or what the capacity allows
  bool reject = false;

  /// Whether a segment of this shape fulfils a wish. A wish may leave something to choose.
  [[nodiscard]] bool satisfies(const Shape& wish) const noexcept {
    return capacity == wish.capacity && reject == wish.reject && (wish.stripes == 0 || stripes == wish.stripes) &&
           (wish.max_value == 0 || max_value == wish.max_value);
  }
};

/// Sizes and offsets in bytes. Every number here is within the segment, whatever the segment holds.
struct Geometry {
  Shape shape;  ///< nothing is left to choose in it: planning it again gives the same geometry
  std::uint32_t counter_lines = 0;
  std::uint64_t stripes_at = 0;  ///< from the start of the segment
  std::uint64_t stripe_bytes = 0;

  std::uint32_t chunks = 0;  ///< of a stripe
  std::uint32_t chunk_bytes = 0;
  unsigned chunk_shift = 0;
  unsigned location_bits = 0;
  std::uint32_t least_buckets = 0;  ///< the buckets before the chunks; a power of two
  std::uint32_t most_buckets = 0;   ///< with as many chunks in the index as there may be
  std::uint32_t ghost_words = 0;
  std::uint32_t flights = 0;         ///< lines for flights: the first ones
  std::uint32_t leases = 0;          ///< all lines; those after the flights are for locks
  std::uint32_t max_entry = 0;       ///< bytes, with header and key
  std::uint32_t reserve_chunks = 0;  ///< chunks kept free, so that live entries can be moved

  // From the start of a stripe.
  std::uint64_t states_at = 0, due_at = 0, straddlers_at = 0, generations_at = 0, used_at = 0, first_at = 0,
                live_at = 0, next_at = 0, leases_at = 0, ghost_at = 0, buckets_at = 0, chunks_at = 0;

  /// A number that differs when any of the above does.
  [[nodiscard]] std::uint64_t check() const noexcept;
};

/// The largest value that a segment of this capacity can take, if it has one stripe.
std::uint64_t largest_value(std::uint64_t capacity, bool reject) noexcept;

/// Divides a segment. A stripe has 128 to 256 chunks if its size allows. A chunk is a power of two from 4 KiB to 1 MiB.
/// In a cache below 256 KiB it is 2 KiB. If the shape cannot be had, the answer has chunks == 0.
Geometry plan(const Shape& shape) noexcept;

}  // namespace forklore::store
