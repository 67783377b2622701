// known_chunks.hpp - This process's own notes on a stripe's chunks, which spare a look at all of them.
//
// They are private, and guarded by the stripe's lock. But a thread may fork while another one changes them. So the
// child finds all of a note or nothing of it. A number is believed only after a look at the chunk's own state.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>

#include "store/layout.hpp"

namespace forklore::store {

class KnownChunks {
 public:
  static constexpr std::uint32_t kMost = 16;  // notes of each kind: as many chunks as a value of some 200 KB covers

  // With each change of which chunks are free, a sequence is given, and none is given twice. So a note holds while the
  // next sequence is the same. sequence: the next one.

  [[nodiscard]] bool knows_free(std::uint64_t sequence) const noexcept { return sequence == sequence_; }
  /// How many are free.
  [[nodiscard]] std::uint32_t count_free() const noexcept { return free_; }
  /// The free chunk that was freed last, or kNoChunk.
  [[nodiscard]] std::uint32_t newest_free() const noexcept { return freed_.last(); }

  void counted(std::uint32_t free, std::uint64_t sequence) noexcept {
    know(sequence, [&] {
      free_ = free;
      freed_ = {};
    });
  }
  /// A chunk was freed, or the newest one taken. The notes held before.
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
