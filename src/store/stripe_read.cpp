// The reading half of a stripe.
#include <cstring>

#include "base/racy_copy.hpp"
#include "store/stripe.hpp"

namespace forklore::store {

bool Stripe::unchanged(const Word& slot, std::uint64_t word) const noexcept {
  // Partner: the release fence in Log::take and Log::append. If any byte read before this fence was written there,
  // the load below sees the slot as the writer left it before it reused the chunk.
  std::atomic_thread_fence(std::memory_order_acquire);
  return without_frequency(slot.load(std::memory_order_relaxed)) == without_frequency(word);
}

void Stripe::raise_frequency(Word& slot, std::uint64_t word) noexcept {
  if (frequency_of(word) < kMaxFrequency) {
    slot.compare_exchange_strong(word, word + kOneFrequency, std::memory_order_relaxed);
  }
}

std::uint64_t Stripe::version_of(std::uint64_t word, std::int64_t integer) const noexcept {
  // Of a value that stays as it is, its place and generation are the version.
  return integer == 0 ? without_frequency(word)
                      : base::mix(without_frequency(word) ^ base::mix(static_cast<std::uint64_t>(integer)));
}

std::int64_t Stripe::integer_at(Place place) const noexcept {
  const auto* value = reinterpret_cast<const Word*>(log_.at(place) + kEntryHeader);
  return static_cast<std::int64_t>(value->load(std::memory_order_relaxed));
}

Stripe::Attempt Stripe::attempt(const Key& key, std::uint64_t now, const Sink& sink, std::size_t index,
                                Reading& reading) const {
  const std::uint64_t tag = Index::tag(key.hash);
  const auto candidates = index_.candidates(key.hash);
  __builtin_prefetch(candidates[1]);
  for (Bucket* bucket : candidates) {
    for (Index::Matches match(*bucket, tag); match.any(); match.next()) {
      Word& slot = bucket->slot[match.slot()];
      const std::uint64_t word = slot.load(std::memory_order_acquire);
      if (tag_of(word) != tag || word == 0) continue;

      Place place;
      EntryHead head;
      if (!log_.locate(word, place) || !log_.read_head(place, head) || head.key_size != key.bytes.size() ||
          !base::racy_equal(key.bytes.data(), log_.at(place) + head.key_at(), head.key_size)) {
        if (!unchanged(slot, word)) return Attempt::changed;
        continue;
      }
      if (head.expired(now)) return unchanged(slot, word) ? Attempt::miss : Attempt::changed;

      const std::int64_t integer = head.is_integer() ? integer_at(place) : 0;
      reading.found = {head.value_size, head.format, {version_of(word, integer)}};
      reading.expiry = head.expiry;
      if (sink.room != nullptr) {
        char* room = sink.room(sink.context, index, reading.found);
        if (room == nullptr) return Attempt::no_room;
        if (head.is_integer()) {
          std::memcpy(room, &integer, sizeof integer);
        } else if (!log_.copy_out(place, head.value_at(), room, head.value_size)) {
          return Attempt::changed;
        }
      }
      if (!unchanged(slot, word)) return Attempt::changed;
      if (writable_) raise_frequency(slot, word);
      return Attempt::hit;
    }
  }
  return Attempt::miss;
}

Code Stripe::read(const Key& key, std::uint64_t now, const Sink& sink, std::size_t index, Reading& reading,
                  std::chrono::milliseconds timeout, std::uint64_t& rereads) {
  constexpr unsigned kRounds = 4;
  for (unsigned round = 0; round < kRounds; ++round) {
    switch (attempt(key, now, sink, index, reading)) {
      case Attempt::hit:
        return Code::ok;
      case Attempt::miss:
        return Code::not_found;
      case Attempt::no_room:
        return Code::buffer_too_small;
      case Attempt::changed:
        ++rereads;
    }
  }
  return writable_ ? read_locked(key, now, sink, index, reading, timeout) : Code::not_found;
}

/// The way that always ends: the value's size is learnt under the lock, room for it is got without, and what was
/// learnt is checked again under it.
Code Stripe::read_locked(const Key& key, std::uint64_t now, const Sink& sink, std::size_t index, Reading& reading,
                         std::chrono::milliseconds timeout) {
  struct Held {
    char* room = nullptr;
    Found found;
    bool fits = false;
  } held;
  const Sink fixed{&held, [](void* context, std::size_t, const Found& found) -> char* {
                     auto* h = static_cast<Held*>(context);
                     h->fits = h->room != nullptr && h->found.size == found.size && h->found.format == found.format;
                     return h->fits ? h->room : nullptr;
                   }};
  const Sink nothing{};
  constexpr unsigned kRounds = 16;
  for (unsigned round = 0; round < kRounds; ++round) {
    Attempt outcome;
    {
      Guard guard(*this, timeout);
      if (!guard.held()) return Code::not_found;
      outcome = attempt(key, now, sink.room == nullptr ? nothing : fixed, index, reading);
    }
    if (outcome == Attempt::hit) return Code::ok;
    if (outcome != Attempt::no_room) return Code::not_found;  // changed under the lock: damaged
    held.found = reading.found;
    held.room = sink.room(sink.context, index, reading.found);
    if (held.room == nullptr) return Code::buffer_too_small;
  }
  return Code::not_found;
}

void Stripe::prefetch_entries(std::uint64_t hash) const noexcept {
  const std::uint64_t tag = Index::tag(hash);
  for (const Bucket* bucket : index_.candidates(hash)) {
    for (Index::Matches match(*bucket, tag); match.any(); match.next()) {
      const std::uint64_t word = bucket->slot[match.slot()].load(std::memory_order_relaxed);
      Place place;
      if (tag_of(word) == tag && word != 0 && log_.locate(word, place)) {
        __builtin_prefetch(log_.at(place));
        __builtin_prefetch(log_.at(place) + kLine);
      }
    }
  }
}

Code Stripe::keys_in(std::uint32_t bucket, std::uint64_t now, std::string_view prefix, std::vector<std::string>& keys,
                     std::chrono::milliseconds timeout) {
  std::string key;
  const auto read_key = [&](std::uint64_t word) {
    Place place;
    EntryHead head;
    key.clear();
    if (!log_.locate(word, place) || !log_.read_head(place, head) || head.expired(now)) return;
    key.resize(head.key_size);
    base::racy_copy(key.data(), log_.at(place) + head.key_at(), head.key_size);
  };
  for (const Word& slot : index_.bucket(bucket).slot) {
    constexpr unsigned kRounds = 64;
    for (unsigned round = 0;; ++round) {
      const std::uint64_t word = slot.load(std::memory_order_acquire);
      if (word == 0) break;
      if (round == kRounds) {  // somebody rewrites this key without pause: hold still for the length of one copy
        key.reserve(kMaxKeyBytes);
        Guard guard(*this, timeout);
        if (!guard.held()) return Code::busy;
        read_key(slot.load(std::memory_order_relaxed));
      } else {
        read_key(word);
        if (!unchanged(slot, word)) continue;
      }
      if (!key.empty() && std::string_view(key).starts_with(prefix)) keys.push_back(key);
      break;
    }
  }
  return Code::ok;
}

StripeTotals Stripe::totals() const noexcept {
  StripeTotals sum;
  for (std::uint32_t bucket = 0; bucket < index_.size(); ++bucket) {
    for (const Word& slot : index_.bucket(bucket).slot) sum.entries += slot.load(std::memory_order_relaxed) != 0;
  }
  for (std::uint32_t chunk = 0; chunk < log_.size(); ++chunk) {
    if (kind_of(log_.state(chunk)) == Kind::free) {
      ++sum.free_chunks;
    } else {
      sum.live_bytes += log_.live(chunk);
    }
  }
  return sum;
}

}  // namespace forklore::store
