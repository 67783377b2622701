// stripe_read.hpp - The reading half of a stripe. Inline, because a hit takes a few dozen nanoseconds.
#pragma once

#include <cstring>
#include <type_traits>

#include "base/racy_copy.hpp"
#include "base/test_fault.hpp"
#include "store/log_plain.hpp"
#include "store/stripe.hpp"

namespace forklore::store {

/// NoValue where the reader merely looks: the frequency is told, and not raised.
struct Glance {
  unsigned* frequency;
};

template <class Memory>
inline constexpr bool kReadsValue = !std::is_same_v<Memory, NoValue> && !std::is_same_v<Memory, Glance>;

[[gnu::always_inline]] inline bool Stripe::unmoved(const Index::Snapshot& index) const noexcept {
  // Partner: the release fence in Index::set_size. If a slot was read after a move cleared it, the load below sees that
  // slots have moved.
  std::atomic_thread_fence(std::memory_order_acquire);
  if (base::broken("no-second-index-look")) return true;
  return !index_.moved(index);
}

[[gnu::always_inline]] inline bool Stripe::unchanged(const Index::Snapshot& index, const Word& slot,
                                                     std::uint64_t word) const noexcept {
  // Partner of the same fence: the release fences in Log::forget, free_chunk, take and append. If any byte that was
  // read was written after one of these, the load below sees that the slot has changed.
  if (base::broken("no-second-look")) return true;
  return unmoved(index) && without_frequency(slot.load(std::memory_order_relaxed) ^ word) == 0;
}

[[gnu::always_inline]] inline void Stripe::raise_frequency(Word& slot, std::uint64_t word) const noexcept {
  // The slot may have moved since the second look, and its bucket may even be a chunk of entries by now. All 64 bits
  // are compared, generation and place among them. So then nothing changes.
  if (frequency_of(word) < kMaxFrequency && writable()) {
    slot.compare_exchange_strong(word, word + kOneFrequency, std::memory_order_relaxed);
  }
}

inline std::uint64_t Stripe::version_of(std::uint64_t word, std::int64_t integer) const noexcept {
  // Any other value stays as it is while its slot does. So the slot is its version.
  return integer == 0 ? without_frequency(word)
                      : base::mix(without_frequency(word) ^ base::mix(static_cast<std::uint64_t>(integer)));
}

inline std::int64_t Stripe::integer_at(Location place) const noexcept {
  const auto* value = reinterpret_cast<const Word*>(log_.at(place) + kEntryHeader);
  return static_cast<std::int64_t>(value->load(std::memory_order_relaxed));
}

template <Age age, class Memory>
[[gnu::always_inline]] inline Stripe::Attempt Stripe::attempt(const HashedKey& key, std::uint64_t now,
                                                              const Memory& memory, Reading& reading) const {
  const std::uint64_t fingerprint = Index::fingerprint(key.hash);
  const Index::Snapshot index = index_.snapshot();
  Bucket* bucket = &index.first(key.hash);
  for (bool last = false;; last = true, bucket = &index.second(key.hash)) {
    for (Matches match(*bucket, fingerprint); match.any(); match.next()) {
      Word& slot = bucket->slot[match.slot()];
      const std::uint64_t word = slot.load(std::memory_order_acquire);
      if (fingerprint_of(word) != fingerprint || word == 0) [[unlikely]]
        continue;

      Location place;
      EntryHead head;
      if (!log_.locate(word, place) || !log_.read_head(place, key.bytes, head)) [[unlikely]] {
        if (!unchanged(index, slot, word)) return Attempt::changed;
        continue;
      }
      const auto gone = [&] { return unchanged(index, slot, word) ? Attempt::miss : Attempt::changed; };
      if (head.expired(now)) [[unlikely]]
        return gone();
      reading.expiry = head.expiry;
      if constexpr (age == Age::stale) reading.timing = {};
      if (head.timed) [[unlikely]] {
        reading.timing = log_.read_timing(place, head);
        reading.expiry = reading.timing.fresh_until(head.expiry);
        if (age == Age::fresh && reading.expiry <= now) return gone();
        if (age == Age::stale && reading.timing.is_placeholder()) return gone();
      }

      const std::int64_t integer = head.is_integer() ? integer_at(place) : 0;
      reading.found = {head.value_size, head.format, {version_of(word, integer)}};
      if constexpr (kReadsValue<Memory>) {
        const Into to = memory(reading.found);
        if (to.data == nullptr) return Attempt::declined;
        if (head.is_integer()) {
          std::memcpy(to.data, &integer, sizeof integer);
        } else if (!log_.copy_out(place, head.value_at(), to, head.value_size)) {
          return Attempt::changed;
        }
      }
      if (!unchanged(index, slot, word)) [[unlikely]]
        return Attempt::changed;
      if constexpr (std::is_same_v<Memory, Glance>) {
        *memory.frequency = static_cast<unsigned>(frequency_of(word));
      } else {
        raise_frequency(slot, word);
      }
      return Attempt::hit;
    }
    if (last) break;
  }
  return unmoved(index) ? Attempt::miss : Attempt::changed;
}

// What nearly every read meets, straight on: the first slot that carries the fingerprint leads to the key, and its
// entry is plain and has not expired. So all that it works with stays in registers. attempt() does the rest.
template <class Memory>
[[gnu::always_inline]] inline Stripe::Attempt Stripe::attempt_plain(const HashedKey& key, std::uint64_t now,
                                                                    const Memory& memory, Reading& reading) const {
  const Index::Snapshot index = index_.snapshot();
  Word* const first = index.first_match(key.hash, Index::fingerprint(key.hash));
  if (first == nullptr) return unmoved(index) ? Attempt::miss : Attempt::changed;
  Word& slot = *first;
  // The slot may have changed since. It is the key's if it leads to the key.
  const std::uint64_t word = slot.load(std::memory_order_acquire);
  EntryHead head;
  const std::byte* entry;  // set where there is one
  if (!log_.find_plain(word, key.bytes, now, entry, head)) [[unlikely]]
    return Attempt::unusual;
  reading.expiry = head.expiry;
  // Compiled twice, so that the integer test runs once.
  const auto finish = [&](auto is_integer) __attribute__((always_inline)) {
    const std::int64_t integer =
        is_integer ? static_cast<std::int64_t>(
                         reinterpret_cast<const Word*>(entry + kEntryHeader)->load(std::memory_order_relaxed))
                   : 0;
    reading.found = {head.value_size, head.format, {version_of(word, integer)}};
    if constexpr (kReadsValue<Memory>) {
      const Into to = memory(reading.found);
      if (to.data == nullptr) return Attempt::declined;
      if constexpr (is_integer) {
        std::memcpy(to.data, &integer, sizeof integer);
      } else {
        Log::copy_part(to, entry + kEntryHeader + key.bytes.size(), head.value_size);
      }
    }
    if (!unchanged(index, slot, word)) [[unlikely]]
      return Attempt::changed;
    raise_frequency(slot, word);
    return Attempt::hit;
  };
  if (head.is_integer()) [[unlikely]]
    return finish(std::true_type{});
  return finish(std::false_type{});
}

template <Age age, class Memory>
[[gnu::always_inline]] inline Code Stripe::read(const HashedKey& key, std::uint64_t now, const Memory& memory,
                                                Reading& reading, std::chrono::milliseconds timeout,
                                                std::uint64_t& rereads) {
  switch (attempt_plain(key, now, memory, reading)) {
    case Attempt::hit:
      return Code::ok;
    case Attempt::miss:
      return Code::not_found;
    case Attempt::declined:
      return Code::buffer_too_small;
    case Attempt::changed:
      ++rereads;
      break;
    case Attempt::unusual:
      break;
  }
  const ReadOn outcome = read_on<age>(key, now, memory, timeout);
  reading = outcome.reading;
  rereads += outcome.rereads;
  return outcome.code;
}

/// Some rounds without the lock, then rounds with it, which always end: learn the size with the lock held, get memory
/// without it, and look with the lock held whether size and format are the same. Its arguments are values: a reference
/// would put into memory what its callers have in registers, for a call that they seldom make.
template <Age age, class Memory>
[[gnu::noinline]] Stripe::ReadOn Stripe::read_on(HashedKey key, std::uint64_t now, Memory memory,
                                                 std::chrono::milliseconds timeout) {
  ReadOn outcome;
  const auto end = [&](Code code) {
    outcome.code = code;
    return outcome;
  };
  constexpr unsigned kRounds = 4;
  for (unsigned round = 0; round < kRounds; ++round) {
    const Attempt attempted = attempt<age>(key, now, memory, outcome.reading);
    if (attempted == Attempt::hit) return end(Code::ok);
    if (attempted == Attempt::miss) return end(Code::not_found);
    if (attempted == Attempt::declined) return end(Code::buffer_too_small);
    ++outcome.rereads;
  }
  if (!writable()) return end(Code::not_found);

  Into ready = nullptr;
  Found expected;
  auto fitting = [&](const Found& found) {
    return found.size == expected.size && found.format == expected.format ? ready : nullptr;
  };
  constexpr unsigned kLockedRounds = 16;
  for (unsigned round = 0; round < kLockedRounds; ++round) {
    Attempt attempted = Attempt::miss;
    {
      const Guard guard(*this, timeout);
      if (!guard.held()) return end(Code::not_found);
      if constexpr (!kReadsValue<Memory>) {
        attempted = attempt<age>(key, now, memory, outcome.reading);
      } else {
        attempted = attempt<age>(key, now, fitting, outcome.reading);
      }
    }
    if (attempted == Attempt::hit) return end(Code::ok);
    if (attempted != Attempt::declined) return end(Code::not_found);  // changed under the lock: damaged
    if constexpr (kReadsValue<Memory>) {
      expected = outcome.reading.found;
      ready = memory(expected);
      if (ready.data == nullptr) return end(Code::buffer_too_small);
    }
  }
  return end(Code::not_found);
}

}  // namespace forklore::store
