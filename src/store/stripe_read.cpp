#include "store/stripe_read.hpp"

#include "base/racy_copy.hpp"

namespace forklore::store {

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
        if (!writable()) return Code::busy;
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
