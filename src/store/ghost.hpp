// ghost.hpp - Fingerprints of the keys that left the small log of late: who comes back was worth keeping (S3-FIFO:
// Yang, Zhang, Qiu, Yue, Vigfusson, SOSP 2023). All of it is a hint; it is written under the lock and may be wrong.
//
//    31               13 12          0
//   +-------------------+-------------+
//   |    fingerprint    |     age     |   0: empty. Age in 1/2048 of the stripe's chunks, by bytes
//   +-------------------+-------------+
#pragma once

#include <cstdint>

#include "base/hash.hpp"
#include "store/geometry.hpp"
#include "store/layout.hpp"

namespace forklore::store {

class Ghost {
 public:
  Ghost(std::byte* stripe, const Geometry& g) noexcept
      : words_(reinterpret_cast<HalfWord*>(stripe + g.ghost_at)),
        groups_(g.ghost_words / kGroup),
        tick_bytes_(std::uint64_t{g.chunks} * g.chunk_bytes / kWindow + 1) {}

  /// Remembers a key that leaves when so many bytes have left for the ghost before it.
  void record(std::uint64_t hash, std::uint64_t bytes) noexcept {
    const std::uint32_t print = fingerprint(hash);
    HalfWord* group = group_of(hash);
    HalfWord* place = group;
    std::uint32_t oldest = 0;
    for (std::uint32_t i = 0; i < kGroup; ++i) {
      const std::uint32_t word = group[i].load(std::memory_order_relaxed);
      if (word == 0 || (word & ~kAgeMask) == print) {
        place = group + i;
        break;
      }
      if (const std::uint32_t a = age(word, bytes); a >= oldest) {
        oldest = a;
        place = group + i;
      }
    }
    place->store(print | tick(bytes), std::memory_order_relaxed);
  }

  /// Whether the key left while no more than the stripe's own size has left since; forgets it.
  [[nodiscard]] bool take(std::uint64_t hash, std::uint64_t bytes) noexcept {
    if (bytes == 0) return false;  // nobody has left yet
    const std::uint32_t print = fingerprint(hash);
    HalfWord* group = group_of(hash);
    for (std::uint32_t i = 0; i < kGroup; ++i) {
      const std::uint32_t word = group[i].load(std::memory_order_relaxed);
      if ((word & ~kAgeMask) == print && age(word, bytes) <= kWindow) {
        group[i].store(0, std::memory_order_relaxed);
        return true;
      }
    }
    return false;
  }

 private:
  static constexpr std::uint32_t kGroup = 16;  // a cache line
  static constexpr std::uint32_t kAgeMask = (1u << 13) - 1;
  static constexpr std::uint32_t kWindow = 2048;

  static std::uint32_t fingerprint(std::uint64_t hash) noexcept {
    const auto print = static_cast<std::uint32_t>(hash >> 16) & ~kAgeMask;
    return print == 0 ? kAgeMask + 1 : print;
  }
  [[nodiscard]] HalfWord* group_of(std::uint64_t hash) const noexcept {
    return words_ + (base::mix(hash) >> 32) * groups_ / (std::uint64_t{1} << 32) * kGroup;
  }
  [[nodiscard]] std::uint32_t tick(std::uint64_t bytes) const noexcept {
    return static_cast<std::uint32_t>(bytes / tick_bytes_) & kAgeMask;
  }
  [[nodiscard]] std::uint32_t age(std::uint32_t word, std::uint64_t bytes) const noexcept {
    return (tick(bytes) - word) & kAgeMask;
  }
  HalfWord* words_;
  std::uint64_t groups_;
  std::uint64_t tick_bytes_;
};

}  // namespace forklore::store
