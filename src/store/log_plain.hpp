// log_plain.hpp - How a log finds and appends plain entries, which are most: whole in their chunk and not timed. Those
// that it appends are no integers either. The code goes straight on, so that a get and a set are short.
#pragma once

#include "store/log.hpp"

namespace forklore::store {

[[gnu::always_inline]] inline bool Log::find_plain(std::uint64_t slot, std::string_view key, std::uint64_t now,
                                                   const std::byte*& entry, EntryHead& head) const noexcept {
  const std::uint32_t place = location(slot);
  if (place >= units_) [[unlikely]]
    return false;
  entry = chunks_ + (std::size_t{place} << 3);
  // All cache lines of an entry of some hundred bytes at once: the value's need not wait for the header's.
  __builtin_prefetch(entry + 64);
  __builtin_prefetch(entry + 128);
  const auto* words = reinterpret_cast<const Word*>(entry);
  const std::uint64_t second = words[1].load(std::memory_order_relaxed);
  if (!EntryHead::is_untimed(second, key.size())) [[unlikely]]
    return false;
  head = EntryHead::unpack(words[0].load(std::memory_order_relaxed), second);
  if (head.expired(now)) [[unlikely]]
    return false;
  // An integer lies before its key. That makes no difference to the sum.
  if ((place << 3 & (chunk_bytes_ - 1)) + kEntryHeader + key.size() + head.value_size > chunk_bytes_) [[unlikely]]
    return false;
  const std::byte* key_at = entry + kEntryHeader;
  if (head.is_integer()) [[unlikely]] {
    if (head.value_size != kIntegerBytes) return false;
    key_at += kIntegerBytes;
  }
  return base::racy_equal(key.data(), key_at, key.size());
}

[[gnu::always_inline]] inline std::uint64_t Log::append_plain(Location place, std::uint64_t fingerprint,
                                                              const EntryHead& head, std::string_view key,
                                                              std::string_view value) noexcept {
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
  return slot_word(fingerprint, place);
}

}  // namespace forklore::store
