// known_chunks.hpp - What this process knows of a stripe's chunks without a look at all of them.
//
// Not shared. Guarded by the stripe's lock; but a thread may fork while another is amid a change, so the child has all
// of what is known or nothing. No number is believed before the chunk's own state has been looked at.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>

#include "store/layout.hpp"

namespace forklore::store {

class KnownChunks {
 public:
  static constexpr std::uint32_t kMost = 16;  // of each kind: all that a value of some 200 KB covers

  // Which chunks are free changes with a sequence given, and none that a chunk has is given twice; so what was known
  // holds while the next one is the same. sequence: the next one.

  [[nodiscard]] bool knows_free(std::uint64_t sequence) const noexcept { return sequence == sequence_; }
  /// How many are free.
  [[nodiscard]] std::uint32_t count_free() const noexcept { return free_; }
  /// The chunk that was freed last, of those that are free, or kNoChunk.
  [[nodiscard]] std::uint32_t newest_free() const noexcept { return freed_.last(); }

  void counted(std::uint32_t free, std::uint64_t sequence) noexcept {
    know(sequence, [&] {
      free_ = free;
      freed_ = {};
    });
  }
  /// Known before, a chunk was freed, or the newest one taken.
  void freed(std::uint32_t chunk, std::uint64_t sequence) noexcept {
    know(sequence, [&] {
      ++free_;
      freed_.push(chunk);
    });
  }
  void took_newest(std::uint64_t sequence) noexcept {
    know(sequence, [&] {
      free_ -= std::min(free_, 1u);
      freed_.pop();
    });
  }
  void forget_free() noexcept { sequence_ = kUnknown; }

  /// The chunk whose last live bytes this process counted out last, or kNoChunk. It may live again.
  [[nodiscard]] std::uint32_t lately_dead() const noexcept { return died_.last(); }
  void died(std::uint32_t chunk) noexcept { died_.push(chunk); }
  void forget_lately_dead() noexcept { died_.pop(); }

 private:
  /// The last few numbers, the last first.
  class Latest {
   public:
    void push(std::uint32_t number) noexcept {
      numbers_[end_++ % kMost] = number;
      size_ = std::min(size_ + 1, kMost);
    }
    [[nodiscard]] std::uint32_t last() const noexcept { return size_ == 0 ? kNoChunk : numbers_[(end_ - 1) % kMost]; }
    void pop() noexcept {
      if (size_ == 0) return;
      --size_;
      --end_;
    }

   private:
    std::array<std::uint32_t, kMost> numbers_;
    std::uint32_t end_ = 0;
    std::uint32_t size_ = 0;
  };

  static constexpr std::uint64_t kUnknown = ~std::uint64_t{0};

  template <class Change>
  void know(std::uint64_t sequence, Change change) noexcept {
    sequence_ = kUnknown;
    std::atomic_thread_fence(std::memory_order_release);
    change();
    std::atomic_thread_fence(std::memory_order_release);
    sequence_ = sequence;
  }

  std::uint64_t sequence_ = kUnknown;
  std::uint32_t free_ = 0;
  Latest freed_;
  Latest died_;
};

}  // namespace forklore::store
