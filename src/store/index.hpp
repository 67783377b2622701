// index.hpp - Where a key's slot may be: in one of two buckets of eight slots (two-choice hashing: Azar, Broder,
// Karlin, Upfal). The number of buckets grows and shrinks by one (linear hashing: Litwin, VLDB 1980).
//
// The buckets are one array. Its first part lies before the chunks. As the index grows, the stripe's first chunks
// become part of it, one after the other. So a bucket's place needs no table.
//
// A key stands in one slot of one of its two buckets, and an overwrite keeps the slot. Stripe alone moves slots, with
// the lock held, and each move changes the index word. So a reader looks through both buckets and then at the word
// again. If the word is the same, the reader has not missed a key that was there throughout.
#pragma once

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

#include "base/hash.hpp"
#include "base/racy_copy.hpp"
#include "store/geometry.hpp"
#include "store/layout.hpp"

namespace forklore::store {

/// The slots of a bucket that seem to carry a fingerprint. Load each again before you believe it: an empty one may seem
/// to carry it. For (Matches m(bucket, fingerprint); m.any(); m.next()) with m.slot() from 0 to 7.
class Matches {
 public:
  Matches(const Bucket& bucket, std::uint64_t fingerprint) noexcept {
#if defined(__SSE2__) && !defined(FORKLORE_TSAN)
    const __m128i wanted = _mm_set1_epi16(static_cast<short>(fingerprint));
    const auto* words = reinterpret_cast<const __m128i*>(&bucket);
    const auto equal = [&](int i) { return _mm_cmpeq_epi16(_mm_load_si128(words + i), wanted); };
    // A word's fingerprint is its highest lane of 16 bits. So the sign of its upper half is the answer, and narrowing
    // keeps it.
    const __m128i signs = _mm_packs_epi16(_mm_packs_epi32(equal(0), equal(1)), _mm_packs_epi32(equal(2), equal(3)));
    bits_ = static_cast<unsigned>(_mm_movemask_epi8(signs)) & 0xaaaau;
#else
    for (unsigned i = 0; i < kSlotsPerBucket; ++i) {
      bits_ |= static_cast<unsigned>(fingerprint_of(bucket.slot[i].load(std::memory_order_relaxed)) == fingerprint)
               << (2 * i + 1);
    }
#endif
  }
  [[nodiscard]] bool any() const noexcept { return bits_ != 0; }
  // Call it only if there are any. (std::countr_zero answers also for none, and g++ takes that for a slot.)
  [[nodiscard]] unsigned slot() const noexcept { return static_cast<unsigned>(__builtin_ctz(bits_)) / 2; }
  void next() noexcept { bits_ &= bits_ - 1; }

 private:
  unsigned bits_ = 0;  // two for each slot; the upper one counts
};

/// The first empty slot of a bucket, or nullptr.
inline Word* empty_slot(Bucket& bucket) noexcept FORKLORE_LOCKED {
  for (Word& slot : bucket.slot) {
    if (slot.load(std::memory_order_relaxed) == 0) return &slot;
  }
  return nullptr;
}

class Index {
 public:
  Index(std::byte* stripe, const Geometry& g) noexcept
      : buckets_(reinterpret_cast<Bucket*>(stripe + g.buckets_at)),
        header_(reinterpret_cast<StripeHeader*>(stripe)),
        least_(g.least_buckets),
        most_(g.most_buckets) {}

  /// The part of a hash that a slot carries. It shares no bits with the stripe's number, and few with the buckets'.
  static std::uint64_t fingerprint(std::uint64_t hash) noexcept { return (hash >> 32) & 0xffff; }

  /// The index as it is at one moment. All its buckets lie in the stripe, whatever the word in shared memory says.
  class Snapshot {
   public:
    Snapshot(Bucket* buckets, std::uint64_t word, std::uint32_t size, std::uint32_t mask) noexcept
        : buckets_(buckets), word_(word), size_(size), mask_(mask) {}

    [[nodiscard]] std::uint32_t size() const noexcept { return size_; }
    [[nodiscard]] std::uint64_t word() const noexcept { return word_; }
    [[nodiscard]] Bucket& bucket(std::uint32_t number) const noexcept { return buckets_[number]; }
    [[nodiscard]] std::uint32_t bucket_number(const Word& slot) const noexcept {
      return static_cast<std::uint32_t>(reinterpret_cast<const Bucket*>(&slot) - buckets_);
    }
    /// The same buckets, but so many of them.
    [[nodiscard]] Snapshot resized(std::uint32_t size) const noexcept {
      return {buckets_, word_, size, std::bit_ceil(size) - 1};
    }
    [[nodiscard]] Bucket& first(std::uint64_t hash) const noexcept {
      return buckets_[home(static_cast<std::uint32_t>(hash))];
    }
    /// For a few keys it is the same as the first.
    [[nodiscard]] Bucket& second(std::uint64_t hash) const noexcept {
      return buckets_[home(static_cast<std::uint32_t>(hash * 0x9e3779b97f4a7c15u >> 32))];
    }
    [[nodiscard]] std::array<Bucket*, 2> candidates(std::uint64_t hash) const noexcept {
      return {&first(hash), &second(hash)};
    }
    [[nodiscard]] bool is_candidate(std::uint64_t hash, const Bucket& bucket) const noexcept {
      return &first(hash) == &bucket || &second(hash) == &bucket;
    }
    /// The other bucket of a key that may stand in this one.
    [[nodiscard]] Bucket& other(std::uint64_t hash, const Bucket& bucket) const noexcept {
      Bucket& one = first(hash);
      return &one == &bucket ? second(hash) : one;
    }

    /// The first slot of a key's buckets that carries the fingerprint and that accept(slot, word) takes, or nullptr.
    /// The word is loaded relaxed: the caller holds the lock, or looks a second time.
    template <class Accept>
    [[nodiscard]] Word* find(std::uint64_t hash, std::uint64_t fingerprint, Accept accept) const noexcept {
      Bucket* bucket = &first(hash);
      for (bool last = false;; last = true, bucket = &second(hash)) {
        for (Matches match(*bucket, fingerprint); match.any(); match.next()) {
          Word& slot = bucket->slot[match.slot()];
          const std::uint64_t word = slot.load(std::memory_order_relaxed);
          if (word != 0 && fingerprint_of(word) == fingerprint && accept(slot, word)) return &slot;
        }
        if (last) return nullptr;
      }
    }
    /// The first slot of a key's buckets that seems to carry the fingerprint, or nullptr. If the key is there, it is
    /// mostly the key's. Load it again before you believe it.
    [[nodiscard, gnu::always_inline]] Word* first_match(std::uint64_t hash, std::uint64_t fingerprint) const noexcept {
      Bucket* bucket = &first(hash);
      // Both cache lines at once, not one after the other. In an index that has grown, a third of the keys stand in the
      // second bucket, and a key that is not there is looked for in both.
      Bucket* const other = &second(hash);
      __builtin_prefetch(other);
      Matches match(*bucket, fingerprint);
      if (!match.any()) {
        bucket = other;
        match = Matches(*bucket, fingerprint);
        if (!match.any()) return nullptr;
      }
      return &bucket->slot[match.slot()];
    }
    /// The slot that holds this word, whatever its frequency, or nullptr. As find().
    [[nodiscard]] Word* find_word(std::uint64_t hash, std::uint64_t word) const noexcept {
      return find(hash, fingerprint_of(word),
                  [&](const Word&, std::uint64_t other) { return without_frequency(other ^ word) == 0; });
    }
    /// An empty slot for a new key, or nullptr if both buckets are full. The first bucket comes first, so that most
    /// reads look at one bucket alone.
    [[nodiscard]] Word* find_empty(std::uint64_t hash) const noexcept FORKLORE_LOCKED {
      Word* const slot = empty_slot(first(hash));
      return slot != nullptr ? slot : empty_slot(second(hash));
    }

   private:
    /// The bucket that these bits choose. Its number is made of as many low bits as number all buckets, or of one bit
    /// less if that bucket is not there yet.
    [[nodiscard]] std::uint32_t home(std::uint32_t bits) const noexcept {
      const std::uint32_t number = bits & mask_;
      return number < size_ ? number : number & (mask_ >> 1);
    }

    Bucket* buckets_;
    std::uint64_t word_;
    std::uint32_t size_;
    std::uint32_t mask_;
  };

  /// The index now. A reader that sees the word sees every slot that it counts in; partner: the release stores in
  /// move_on() and set_size().
  ///
  /// Sequentially consistent, so that a thread's get comes after its own set (protocol 28). It costs a reader nothing
  /// more. Partner: the release in base::release_lock. An acquire alone would not do: ARM has loads for it that do not
  /// wait for that release.
  [[nodiscard]] Snapshot snapshot() const noexcept {
    const std::uint64_t word = header_->index.load(std::memory_order_seq_cst);
    // Size and mask are worked out, and bounded, once for each word. They nearly always stand, so a read need not wait
    // for the work.
    std::uint64_t known = std::atomic_ref(known_).load(std::memory_order_relaxed);
    if (static_cast<std::uint32_t>(known) != index_size_of(word)) [[unlikely]]
      known = work_out(word);
    return {buckets_, word, static_cast<std::uint32_t>(known), static_cast<std::uint32_t>(known >> 32)};
  }
  /// Whether slots have moved since the snapshot. The caller has issued an acquire fence; partner: the release fences
  /// in move_on() and set_size().
  [[nodiscard]] bool moved(const Snapshot& snapshot) const noexcept {
    return header_->index.load(std::memory_order_relaxed) != snapshot.word();
  }

  /// The bucket from which bucket number splits, and with which it merges again. number > 0.
  static std::uint32_t parent(std::uint32_t number) noexcept { return number ^ std::bit_floor(number); }

  // These need the lock.

  /// Tells readers that a slot now stands in two places. After it the slot may leave the first one. Release, then a
  /// release fence.
  void move_on() noexcept FORKLORE_LOCKED { set_size(snapshot().size()); }
  /// The same, with another number of buckets.
  void set_size(std::uint32_t buckets) noexcept FORKLORE_LOCKED {
    header_->index.store(next_index_word(header_->index.load(std::memory_order_relaxed), buckets),
                         std::memory_order_release);
    std::atomic_thread_fence(std::memory_order_release);
  }

  [[nodiscard]] std::uint32_t least() const noexcept { return least_; }
  [[nodiscard]] std::uint32_t most() const noexcept { return most_; }

 private:
  [[gnu::noinline]] std::uint64_t work_out(std::uint64_t word) const noexcept {
    const std::uint32_t size = std::clamp(index_size_of(word), least_, most_);
    const std::uint64_t known = std::uint64_t{std::bit_ceil(size) - 1} << 32 | size;
    std::atomic_ref(known_).store(known, std::memory_order_relaxed);
    return known;
  }

  Bucket* buckets_;
  StripeHeader* header_;
  std::uint32_t least_;
  std::uint32_t most_;
  alignas(8) mutable std::uint64_t known_ = ~std::uint64_t{0};  // private: mask << 32 | size. At first no size
};

}  // namespace forklore::store
