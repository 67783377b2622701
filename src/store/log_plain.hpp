// log_plain.hpp - What a log does with plain entries, which are most: whole in their chunk, not timed, and where they
// are written no integers either. Straight on, for those that have nothing else to do.
#pragma once

#include "store/log.hpp"

namespace forklore::store {

[[gnu::always_inline]] inline const std::byte* Log::find_plain(std::uint64_t slot, std::string_view key,
                                                               EntryHead& head) const noexcept {
  const std::uint64_t place = (slot & location_mask_) - chunks_units_;  // as locate() has it
  const std::size_t key_end = (place << 3 & (chunk_bytes_ - 1)) + kEntryHeader + key.size();
  if (place >= units_ || key_end > chunk_bytes_) [[unlikely]]
    return nullptr;
  const std::byte* const entry = chunks_ + (place << 3);
  // All lines of those with some hundred bytes at once: the value's need not wait for the header's.
  __builtin_prefetch(entry + 64);
  __builtin_prefetch(entry + 128);
  const auto* words = reinterpret_cast<const Word*>(entry);
  head = EntryHead::unpack(words[0].load(std::memory_order_relaxed), words[1].load(std::memory_order_relaxed));
  // An integer takes as many bytes before its key as any value would behind it.
  if (head.key_size != key.size() || head.timed || key_end + head.value_size > chunk_bytes_) [[unlikely]]
    return nullptr;
  const std::byte* key_at = entry + kEntryHeader;
  if (head.is_integer()) [[unlikely]] {
    if (head.value_size != kIntegerBytes) return nullptr;
    key_at += kIntegerBytes;
  }
  return base::racy_equal(key.data(), key_at, key.size()) ? entry : nullptr;
}

[[gnu::always_inline]] inline std::uint64_t Log::append_plain(Place place, std::uint64_t tag, const EntryHead& head,
                                                              std::string_view key, std::string_view value) noexcept {
  // As in append().
  std::atomic_thread_fence(std::memory_order_release);
  std::byte* const entry = at(place);
  const std::uint64_t words[] = {head.first_word(), head.second_word()};
  base::racy_fill(entry, words, sizeof words);
  base::racy_fill(entry + kEntryHeader, key.data(), key.size());
  base::racy_fill(entry + kEntryHeader + key.size(), value.data(), value.size());
  const auto total = static_cast<std::uint32_t>(head.total());
  used_[place.chunk].store(place.offset + total, std::memory_order_release);
  count_in(place.chunk, total, head.expiry);
  return slot_word(tag, place);
}

}  // namespace forklore::store
