// log_writer.hpp - Appends an entry in parts, to as many chunks as it needs.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/racy_copy.hpp"
#include "store/log.hpp"

namespace forklore::store {

/// Writes an entry's bytes in order, from chunk to chunk.
class Writer {
 public:
  Writer(const Log& log, Location place) noexcept
      : log_(log), chunk_(place.chunk), to_(log.at(place)), left_(log.chunk_bytes_ - place.offset) {}

  void write(const void* from, std::size_t n) noexcept {
    auto* bytes = static_cast<const std::byte*>(from);
    while (n > left_) [[unlikely]] {
        const std::size_t part = left_;
        put(bytes, part);
        bytes += part;
        n -= part;
        go_on();
      }
    put(bytes, n);
  }
  /// The same for what lies in the chunk where the entry begins: all that comes before the value.
  void write_unspilled(const void* from, std::size_t n) noexcept { put(static_cast<const std::byte*>(from), n); }
  void write_word(std::uint64_t word) noexcept { write_unspilled(&word, sizeof word); }
  /// Copies n bytes of an entry from where it lies now.
  void copy(Location from, std::size_t n) noexcept {
    while (n > 0) {
      if (from.offset == log_.chunk_bytes_) from = {log_.following(from.chunk), 0};
      const std::size_t part = std::min<std::size_t>(n, log_.chunk_bytes_ - from.offset);
      write(log_.at(from), part);
      from.offset += static_cast<std::uint32_t>(part);
      n -= part;
    }
  }

 private:
  void put(const std::byte* from, std::size_t n) noexcept {
    base::racy_fill(to_, from, n);
    to_ += n;
    left_ -= n;
  }
  void go_on() noexcept {
    chunk_ = log_.following(chunk_);
    to_ = log_.at({chunk_, 0});
    left_ = log_.chunk_bytes_;
  }
  const Log& log_;
  std::uint32_t chunk_;
  std::byte* to_;
  std::size_t left_;  // of the chunk
};

template <class Fill>
std::uint64_t Log::append(Kind kind, Location place, std::uint64_t fingerprint, const EntryHead& head,
                          Fill fill) noexcept {
  const std::size_t total = head.total();
  // Partner: the acquire fences of readers, who may still read older bytes here (protocol 18). A full fence where
  // memcpy may use stores that x86 does not keep in order.
  if (total >= kFullFence) {
    std::atomic_thread_fence(std::memory_order_seq_cst);
  } else {
    std::atomic_thread_fence(std::memory_order_release);
  }

  if (place.chunk == kNoChunk || chunk_bytes_ - place.offset < least_room(head)) [[unlikely]]
    place = {take(kind, 0, 0), 0};
  const std::uint64_t word = slot_word(fingerprint, place);
  const std::size_t here = std::min<std::size_t>(total, chunk_bytes_ - place.offset);

  if (here < total) [[unlikely]]
    take_further(kind, place.chunk, word, total - here);
  Writer writer(*this, place);
  fill(writer);

  used_[place.chunk].store(place.offset + static_cast<std::uint32_t>(here), std::memory_order_release);
  for_each_chunk(place, total, [&](std::uint32_t chunk, std::uint32_t bytes) FORKLORE_LOCKED {
    count_in(chunk, bytes, head.expiry);
  });
  return word;
}

}  // namespace forklore::store
