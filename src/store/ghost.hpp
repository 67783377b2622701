// ghost.hpp - Fingerprints of keys that were evicted lately. A key that comes back was worth keeping (S3-FIFO: Yang,
// Zhang, Qiu, Yue, Vigfusson, SOSP 2023). All of it is a hint. It is read and written with the stripe's lock held.
//
//    31               14   13  12          0
//   +-------------------+------+------------+
//   |    fingerprint    | main |    tick    |   0: empty. main: it left the main log, else the small one
//   +-------------------+------+------------+
//
// Each of the two logs has a clock: the bytes that have left it. A tick is 1/2048 of the bytes of the stripe's chunks.
#pragma once

#include <cstdint>
#include <span>

#include "base/hash.hpp"
#include "store/geometry.hpp"
#include "store/layout.hpp"

namespace forklore::store {

class Ghost {
 public:
  static constexpr std::uint32_t kStripe = 2048;            ///< ticks in which as much leaves as the stripe holds
  static constexpr std::uint32_t kReach = kStripe * 3 / 2;  ///< ticks for which a key is remembered
  /// The clocks of small and of main.
  using Clocks = std::span<const std::uint64_t, 2>;

  /// A key that is remembered.
  struct Return {
    bool found = false;
    bool from_main = false;
    std::uint32_t age = 0;  ///< ticks since it left, by the clock of its log
  };

  Ghost(std::byte* stripe, const Geometry& g) noexcept
      : words_(reinterpret_cast<HalfWord*>(stripe + g.ghost_at)),
        groups_(g.ghost_words / kGroup),
        tick_bytes_(std::uint64_t{g.chunks} * g.chunk_bytes / kStripe + 1) {}

  /// Remembers a key that leaves now. It takes the place of the one that left longest ago.
  void record(std::uint64_t hash, Clocks clocks, bool from_main) noexcept FORKLORE_LOCKED {
    const std::uint32_t print = fingerprint(hash);
    HalfWord* group = group_of(hash);
    HalfWord* place = group;
    std::uint32_t oldest = 0;
    for (std::uint32_t i = 0; i < kGroup; ++i) {
      const std::uint32_t word = group[i].load(std::memory_order_relaxed);
      if (word == 0 || fingerprint_in(word) == print) {
        place = group + i;
        break;
      }
      if (const std::uint32_t a = age(word, clocks); a >= oldest) {
        oldest = a;
        place = group + i;
      }
    }
    place->store(print | (from_main ? kMainBit : 0) | tick(clocks[from_main]), std::memory_order_relaxed);
  }

  /// Whether the key left not longer ago than kReach. Forgets it.
  [[nodiscard]] Return take(std::uint64_t hash, Clocks clocks) noexcept FORKLORE_LOCKED {
    const std::uint32_t print = fingerprint(hash);
    HalfWord* group = group_of(hash);
    for (std::uint32_t i = 0; i < kGroup; ++i) {
      const std::uint32_t word = group[i].load(std::memory_order_relaxed);
      if (word == 0 || fingerprint_in(word) != print || age(word, clocks) > kReach) continue;
      group[i].store(0, std::memory_order_relaxed);
      return {true, left_main(word), age(word, clocks)};
    }
    return {};
  }

 private:
  static constexpr std::uint32_t kGroup = 16;  // a cache line
  static constexpr std::uint32_t kMainBit = 1u << 13;
  static constexpr std::uint32_t kTickMask = kMainBit - 1;
  static constexpr std::uint32_t kPrintMask = ~(kMainBit | kTickMask);

  static bool left_main(std::uint32_t word) noexcept { return (word & kMainBit) != 0; }
  static std::uint32_t fingerprint_in(std::uint32_t word) noexcept { return word & kPrintMask; }
  /// Never 0.
  static std::uint32_t fingerprint(std::uint64_t hash) noexcept {
    const std::uint32_t print = fingerprint_in(static_cast<std::uint32_t>(hash >> 16));
    return print == 0 ? 2 * kMainBit : print;
  }
  [[nodiscard]] HalfWord* group_of(std::uint64_t hash) const noexcept {
    return words_ + (base::mix(hash) >> 32) * groups_ / (std::uint64_t{1} << 32) * kGroup;
  }
  [[nodiscard]] std::uint32_t tick(std::uint64_t clock) const noexcept {
    return static_cast<std::uint32_t>(clock / tick_bytes_) & kTickMask;
  }
  [[nodiscard]] std::uint32_t age(std::uint32_t word, Clocks clocks) const noexcept {
    return (tick(clocks[left_main(word)]) - word) & kTickMask;
  }
  HalfWord* words_;
  std::uint64_t groups_;
  std::uint64_t tick_bytes_;
};

}  // namespace forklore::store
