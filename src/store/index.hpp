// index.hpp - Where a key's slot may be: two buckets of eight slots (two-choice hashing: Azar, Broder, Karlin, Upfal).
//
// A key is never put in its other bucket while its old slot stands, and an overwrite reuses the slot: so one pass
// over both buckets sees every key that is present throughout.
#pragma once

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include <array>
#include <bit>
#include <cstdint>

#include "base/hash.hpp"
#include "base/racy_copy.hpp"
#include "store/geometry.hpp"
#include "store/layout.hpp"

namespace forklore::store {

class Index {
 public:
  Index(std::byte* stripe, const Geometry& g) noexcept
      : buckets_(reinterpret_cast<Bucket*>(stripe + g.buckets_at)), count_(g.buckets) {}

  /// The part of a hash that a slot carries. Shares no bits with the buckets' numbers or the stripe's.
  static std::uint64_t tag(std::uint64_t hash) noexcept { return (hash >> 32) & 0xffff; }

  /// The slots of a bucket that seem to carry a tag; each is to be loaded again before it is believed (an empty one may
  /// seem to). For (auto m = matches(...); m.any(); m.next()) with m.slot() from 0 to 7.
  class Matches {
   public:
    Matches(const Bucket& bucket, std::uint64_t tag) noexcept {
#if defined(__SSE2__) && !defined(FORKLORE_TSAN)
      const __m128i wanted = _mm_set1_epi16(static_cast<short>(tag));
      const auto* words = reinterpret_cast<const __m128i*>(&bucket);
      const auto equal = [&](int i) { return _mm_cmpeq_epi16(_mm_load_si128(words + i), wanted); };
      // A word's tag is its highest 16-bit lane, so the sign of its upper half is the answer, and narrowing keeps
      // signs.
      const __m128i signs = _mm_packs_epi16(_mm_packs_epi32(equal(0), equal(1)), _mm_packs_epi32(equal(2), equal(3)));
      bits_ = static_cast<unsigned>(_mm_movemask_epi8(signs)) & 0xaaaau;
#else
      for (unsigned i = 0; i < kSlotsPerBucket; ++i) {
        bits_ |= static_cast<unsigned>(tag_of(bucket.slot[i].load(std::memory_order_relaxed)) == tag) << (2 * i + 1);
      }
#endif
    }
    [[nodiscard]] bool any() const noexcept { return bits_ != 0; }
    [[nodiscard]] unsigned slot() const noexcept { return static_cast<unsigned>(std::countr_zero(bits_)) / 2; }
    void next() noexcept { bits_ &= bits_ - 1; }

   private:
    unsigned bits_ = 0;  // two a slot, the upper one counts
  };

  /// Both buckets of a hash; they differ.
  [[nodiscard]] std::array<Bucket*, 2> candidates(std::uint64_t hash) const noexcept {
    Bucket* const one = first(hash);
    return {one, second(hash, one)};
  }
  [[nodiscard]] Bucket* first(std::uint64_t hash) const noexcept {
    return buckets_ + ((hash & 0xffffffffu) * count_ >> 32);
  }
  [[nodiscard]] Bucket* second(std::uint64_t hash, const Bucket* one) const noexcept {
    Bucket* const two = buckets_ + ((hash * 0x9e3779b97f4a7c15u >> 32) * count_ >> 32);
    if (two != one) [[likely]]
      return two;
    return two + 1 == buckets_ + count_ ? buckets_ : two + 1;
  }

  void prefetch(std::uint64_t hash) const noexcept {
    for (const Bucket* bucket : candidates(hash)) __builtin_prefetch(bucket);
  }

  /// The first slot of a key's buckets that carries the tag and that accept(slot, word) takes, or nullptr. The word
  /// was loaded with relaxed order: under the lock.
  template <class Accept>
  [[nodiscard]] Word* find(std::uint64_t hash, std::uint64_t tag, Accept accept) const noexcept {
    Bucket* bucket = first(hash);
    for (bool last = false;; last = true, bucket = second(hash, bucket)) {
      for (Matches match(*bucket, tag); match.any(); match.next()) {
        Word& slot = bucket->slot[match.slot()];
        const std::uint64_t word = slot.load(std::memory_order_relaxed);
        if (word != 0 && tag_of(word) == tag && accept(slot, word)) return &slot;
      }
      if (last) return nullptr;
    }
  }
  /// The slot that holds exactly this word but for the frequency, or nullptr. Under the lock.
  [[nodiscard]] Word* find_word(std::uint64_t hash, std::uint64_t word) const noexcept {
    return find(hash, tag_of(word),
                [&](const Word&, std::uint64_t other) { return without_frequency(other ^ word) == 0; });
  }

  /// An empty slot for a new key, or nullptr: in its first bucket while that has room to spare, so that most reads look
  /// at one bucket only, then in the emptier of the two. Under the lock.
  [[nodiscard]] Word* find_empty(std::uint64_t hash) const noexcept {
    constexpr unsigned kToSpare = 3;
    Word* best = nullptr;
    unsigned best_count = 0;
    for (Bucket* bucket : candidates(hash)) {
      Word* empty = nullptr;
      unsigned count = 0;
      for (Word& slot : bucket->slot) {
        if (slot.load(std::memory_order_relaxed) == 0) {
          empty = &slot;
          ++count;
        }
      }
      if (count >= kToSpare) return empty;
      if (count > best_count) {
        best = empty;
        best_count = count;
      }
    }
    return best;
  }

  [[nodiscard]] Bucket& bucket(std::uint32_t number) const noexcept { return buckets_[number]; }
  [[nodiscard]] std::uint32_t size() const noexcept { return count_; }

 private:
  Bucket* buckets_;
  std::uint32_t count_;
};

}  // namespace forklore::store
