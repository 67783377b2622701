// policy.hpp - Which log an entry goes to, and which entries leave when a stripe is full. The rules: policy.cpp.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "store/ghost.hpp"
#include "store/index.hpp"
#include "store/layout.hpp"
#include "store/log.hpp"

namespace forklore::store {

/// Made for each call, with the stripe's lock held. All that it keeps lies in the stripe's header and ghost, and
/// is a hint: any value is valid once clamped. So neither a death nor damage does harm.
class Policy {
 public:
  /// reject: nothing is ever evicted, and all entries are in the small log.
  Policy(StripeHeader& header, Log& log, const Index& index, Ghost& ghost, bool reject) noexcept
      : header_(header), log_(log), index_(index), ghost_(ghost), reject_(reject) {}

  // Asked when an entry is stored. bytes: all that it takes in a log.

  /// Whether an entry of so many bytes goes to the log of the entry that it replaces.
  [[nodiscard]] bool keeps_log(Kind was, std::size_t bytes) const noexcept FORKLORE_LOCKED {
    return reject_ || was != Kind::small || dearness(bytes) == 0;
  }
  /// The log for an entry. was: the log of the entry that it replaces; none if its key is new.
  [[nodiscard]] Kind choose_log(std::uint64_t hash, std::optional<Kind> was,
                                std::size_t bytes) noexcept FORKLORE_LOCKED;

  // Asked when room is made. kind: the log of the entry that comes. needed: how many chunks it takes.

  /// Gives main what another log has beyond its share, while memory is free.
  void fill_main(Kind kind, std::uint32_t needed) noexcept FORKLORE_LOCKED;
  /// The chunk to evict from, or kNoChunk if every log has but its open chunk.
  [[nodiscard]] std::uint32_t choose_victim(Kind kind, std::uint32_t needed) noexcept FORKLORE_LOCKED;
  /// Whether an entry that lies in from stays, and goes on in main. frequency: the entry's; this lowers it.
  [[nodiscard]] bool stays(Kind from, std::size_t bytes, unsigned& frequency) const noexcept FORKLORE_LOCKED;
  /// Remembers the key of an entry that leaves.
  void remember(Kind from, std::uint64_t hash, std::size_t bytes) noexcept FORKLORE_LOCKED;

 private:
  static constexpr std::uint64_t kLarge = 3;  // times the average: large
  using Clocks = std::array<std::uint64_t, 2>;

  [[nodiscard]] Clocks clocks() const noexcept FORKLORE_LOCKED;
  /// How many chunks are not the index's.
  [[nodiscard]] std::uint32_t log_chunks() const noexcept {
    const std::uint32_t index = (index_.snapshot().size() - index_.least()) >> log_.buckets_shift();
    return log_.size() - std::min(index, log_.size() - 1);
  }
  [[nodiscard]] std::uint64_t log_bytes() const noexcept { return std::uint64_t{log_chunks()} * log_.chunk_bytes(); }
  [[nodiscard]] std::uint64_t small_share() const noexcept FORKLORE_LOCKED;
  [[nodiscard]] std::uint32_t small_chunks() const noexcept FORKLORE_LOCKED;
  [[nodiscard]] std::uint32_t large_chunks() const noexcept FORKLORE_LOCKED;
  /// 0: not large beside what the stripe holds and what came lately. Up to 3 for the largest.
  [[nodiscard]] unsigned dearness(std::size_t bytes) const noexcept FORKLORE_LOCKED {
    // Mostly the first look is all.
    const std::uint64_t weight = bytes * header_.slots_used.load(std::memory_order_relaxed) / kLarge;
    const std::uint64_t all = log_bytes();
    return weight <= all ? 0 : dearness(bytes, weight, all);
  }
  [[nodiscard]] unsigned dearness(std::size_t bytes, std::uint64_t weight,
                                  std::uint64_t all) const noexcept FORKLORE_LOCKED;
  void note_size(std::size_t bytes, bool large) noexcept FORKLORE_LOCKED;
  void move_share(bool from_main, std::size_t bytes) noexcept FORKLORE_LOCKED;
  [[nodiscard]] bool outgrown() const noexcept FORKLORE_LOCKED;
  [[nodiscard]] bool takes_owed() noexcept FORKLORE_LOCKED;

  StripeHeader& header_;
  Log& log_;
  const Index& index_;
  Ghost& ghost_;
  bool reject_;
};

}  // namespace forklore::store
