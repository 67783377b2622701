// index.hpp - Where a key's slot may be: two buckets of eight slots (two-choice hashing: Azar, Broder, Karlin, Upfal),
// out of a number of buckets that grows and shrinks one by one (linear hashing: Litwin, VLDB 1980).
//
// The buckets are one array. Its first part lies before the chunks; as the index grows, the first chunks of the stripe
// become index, one after the other, so a bucket's place needs no table.
//
// A key stands in one slot of one of its two buckets. Overwriting it keeps the slot; only Stripe moves slots, under the
// lock, and every move changes the index word. So a reader that looked through both buckets, and finds the word as it
// was before, has not missed a key that was there throughout.
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

/// The slots of a bucket that seem to carry a tag; each is to be loaded again before it is believed (an empty one may
/// seem to). For (Matches m(bucket, tag); m.any(); m.next()) with m.slot() from 0 to 7.
class Matches {
 public:
  Matches(const Bucket& bucket, std::uint64_t tag) noexcept {
#if defined(__SSE2__) && !defined(FORKLORE_TSAN)
    const __m128i wanted = _mm_set1_epi16(static_cast<short>(tag));
    const auto* words = reinterpret_cast<const __m128i*>(&bucket);
    const auto equal = [&](int i) { return _mm_cmpeq_epi16(_mm_load_si128(words + i), wanted); };
    // A word's tag is its highest 16-bit lane, so the sign of its upper half is the answer, and narrowing keeps signs.
    const __m128i signs = _mm_packs_epi16(_mm_packs_epi32(equal(0), equal(1)), _mm_packs_epi32(equal(2), equal(3)));
    bits_ = static_cast<unsigned>(_mm_movemask_epi8(signs)) & 0xaaaau;
#else
    for (unsigned i = 0; i < kSlotsPerBucket; ++i) {
      bits_ |= static_cast<unsigned>(tag_of(bucket.slot[i].load(std::memory_order_relaxed)) == tag) << (2 * i + 1);
    }
#endif
  }
  [[nodiscard]] bool any() const noexcept { return bits_ != 0; }
  // Only while there are any: std::countr_zero would have an answer for none, which g++ takes for a slot.
  [[nodiscard]] unsigned slot() const noexcept { return static_cast<unsigned>(__builtin_ctz(bits_)) / 2; }
  void next() noexcept { bits_ &= bits_ - 1; }

 private:
  unsigned bits_ = 0;  // two a slot, the upper one counts
};

/// The first empty slot of a bucket, or nullptr. Under the lock.
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

  /// The part of a hash that a slot carries. Shares no bits with the stripe's number; few with the buckets'.
  static std::uint64_t tag(std::uint64_t hash) noexcept { return (hash >> 32) & 0xffff; }

  /// The index as it is at one moment. Whatever the word in shared memory says, all buckets lie in the stripe.
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
    /// The same buckets, as they will be or were numbered.
    [[nodiscard]] Snapshot resized(std::uint32_t size) const noexcept {
      return {buckets_, word_, size, std::bit_ceil(size) - 1};
    }
    [[nodiscard]] Bucket& first(std::uint64_t hash) const noexcept {
      return buckets_[home(static_cast<std::uint32_t>(hash))];
    }
    /// Of a few keys the same as the first.
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

    /// The first slot of a key's buckets that carries the tag and that accept(slot, word) takes, or nullptr. The word
    /// was loaded with relaxed order: under the lock.
    template <class Accept>
    [[nodiscard]] Word* find(std::uint64_t hash, std::uint64_t tag, Accept accept) const noexcept {
      Bucket* bucket = &first(hash);
      for (bool last = false;; last = true, bucket = &second(hash)) {
        for (Matches match(*bucket, tag); match.any(); match.next()) {
          Word& slot = bucket->slot[match.slot()];
          const std::uint64_t word = slot.load(std::memory_order_relaxed);
          if (word != 0 && tag_of(word) == tag && accept(slot, word)) return &slot;
        }
        if (last) return nullptr;
      }
    }
    /// The first slot of a key's buckets that seems to carry the tag, or nullptr: mostly the key's, if it is there. To
    /// be loaded again before it is believed.
    [[nodiscard, gnu::always_inline]] Word* first_match(std::uint64_t hash, std::uint64_t tag) const noexcept {
      Bucket* bucket = &first(hash);
      // A third of the keys of an index that has grown stand in the second, and every key that is not there is looked
      // for in both: two lines at once, rather than one after the other.
      Bucket* const other = &second(hash);
      __builtin_prefetch(other);
      Matches match(*bucket, tag);
      if (!match.any()) {
        bucket = other;
        match = Matches(*bucket, tag);
        if (!match.any()) return nullptr;
      }
      return &bucket->slot[match.slot()];
    }
    /// The slot that holds exactly this word but for the frequency, or nullptr. Under the lock.
    [[nodiscard]] Word* find_word(std::uint64_t hash, std::uint64_t word) const noexcept {
      return find(hash, tag_of(word),
                  [&](const Word&, std::uint64_t other) { return without_frequency(other ^ word) == 0; });
    }
    /// An empty slot for a new key, in its first bucket if that has one: most reads then look at one bucket only.
    /// nullptr if both are full. Under the lock.
    [[nodiscard]] Word* find_empty(std::uint64_t hash) const noexcept FORKLORE_LOCKED {
      Word* const slot = empty_slot(first(hash));
      return slot != nullptr ? slot : empty_slot(second(hash));
    }

   private:
    /// Of the lowest bits that number all buckets, one bit less where that bucket is not yet there.
    [[nodiscard]] std::uint32_t home(std::uint32_t bits) const noexcept {
      const std::uint32_t number = bits & mask_;
      return number < size_ ? number : number & (mask_ >> 1);
    }

    Bucket* buckets_;
    std::uint64_t word_;
    std::uint32_t size_;
    std::uint32_t mask_;
  };

  /// Partner: the release stores in move_on() and set_size(). Who sees the word sees every slot that it counts in.
  /// Sequentially consistent, which costs a reader no more, so that a thread's read comes after its own earlier write
  /// for everybody else as well; partner: the release in base::release_lock. ARM has loads for acquire alone that would
  /// not wait for that one.
  [[nodiscard]] Snapshot snapshot() const noexcept {
    const std::uint64_t word = header_->index.load(std::memory_order_seq_cst);
    // What follows from a size, and that it is within bounds, is worked out once for each: a guess that is nearly
    // always right spares a read the wait for it.
    std::uint64_t known = std::atomic_ref(known_).load(std::memory_order_relaxed);
    if (static_cast<std::uint32_t>(known) != index_size_of(word)) [[unlikely]]
      known = work_out(word);
    return {buckets_, word, static_cast<std::uint32_t>(known), static_cast<std::uint32_t>(known >> 32)};
  }
  /// Whether slots have moved since the snapshot was made. The caller has issued an acquire fence; partner: the release
  /// fences behind move_on() and set_size().
  [[nodiscard]] bool moved(const Snapshot& snapshot) const noexcept {
    return header_->index.load(std::memory_order_relaxed) != snapshot.word();
  }

  /// The bucket that splits to make bucket number, and that takes its keys back. number > 0.
  static std::uint32_t parent(std::uint32_t number) noexcept { return number ^ std::bit_floor(number); }

  // Under the lock.

  /// Tells readers that a slot stands in a second place, before it leaves the first. Release, then a release fence.
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
  alignas(8) mutable std::uint64_t known_ = ~std::uint64_t{0};  // not shared: mask << 32 | size; at first no size
};

}  // namespace forklore::store
