#include "store/leases.hpp"

#include <algorithm>
#include <climits>

#include "base/test_fault.hpp"

namespace forklore::store {
namespace {

std::uint64_t freed(std::uint64_t word) noexcept { return pack_lease(token_of(word), LeaseKind::free); }

}  // namespace

bool Leases::give_back(const LeaseId& lease, std::uint64_t hash) noexcept {
  std::uint64_t word = lease.word;
  if (!is_held(word) || lease.line >= count_) return false;
  if (!words_[lease.line].compare_exchange_strong(word, freed(word), std::memory_order_release,
                                                  std::memory_order_relaxed)) {
    return false;
  }
  count_event(name(hash, static_cast<LeaseKind>(lease_kind_number(lease.word))));
  return true;
}

void Leases::wake(std::uint64_t hash, LeaseKind kind) noexcept {
  const std::uint64_t named = name(hash, kind);
  base::futex_wake(events_of(named), kind == LeaseKind::lock ? 1 : INT_MAX, bit_of(named));
}

void Leases::wait(std::uint64_t hash, LeaseKind kind, std::uint32_t events, std::chrono::nanoseconds at_most) noexcept {
  const std::uint64_t named = name(hash, kind);
  base::futex_wait(events_of(named), events, at_most, bit_of(named));
}

bool Leases::find_flight(std::uint64_t hash, std::uint64_t now, Holders& holders) const noexcept {
  holders.count = 0;
  for (std::uint32_t i = 0; i < flights_; ++i) {
    // Acquire, of all; partner: the releases in acquire(). Hash, owner and deadline may be those of a later lease of
    // the line. If this one is still held afterwards, they are its own.
    const LeaseId lease{i, words_[i].load(std::memory_order_acquire)};
    if (!is_lease(lease.word, LeaseKind::flight)) continue;
    if (hashes_[i].load(std::memory_order_acquire) != hash) continue;
    const std::uint64_t owner = owners_[i].load(std::memory_order_acquire);
    if (!holds(lease, now)) continue;
    holders.held[holders.count++] = {lease, hash, owner};
    return true;
  }
  return false;
}

std::uint64_t Leases::next_word(LeaseKind kind) noexcept {
  count(header_->tokens);
  count(kind == LeaseKind::flight ? header_->computations : header_->locked);
  return pack_lease(header_->tokens.load(std::memory_order_relaxed), kind);
}

void Leases::find_locks(std::uint64_t hash, std::uint64_t now, Holders& holders) const noexcept {
  holders.count = 0;
  const Lines lines = lines_of(LeaseKind::lock);
  for (std::uint32_t i = lines.begin; i < lines.end; ++i) {
    // As in find_flight(). The deadline too is this lease's own if it is still held afterwards.
    const LeaseId lease{i, words_[i].load(std::memory_order_acquire)};
    if (!is_lease(lease.word, LeaseKind::lock)) continue;
    if (hashes_[i].load(std::memory_order_acquire) != hash) continue;
    const std::uint64_t owner = owners_[i].load(std::memory_order_acquire);
    if (holds(lease, now)) holders.held[holders.count++] = {lease, hash, owner};
  }
}

bool Leases::see_lock(std::uint32_t line, std::uint64_t now, SeenLock& seen) const noexcept {
  if (line < flights_ || line >= count_) return false;
  // As in find_locks().
  seen.lease = {line, words_[line].load(std::memory_order_acquire)};
  if (!is_lease(seen.lease.word, LeaseKind::lock)) return false;
  seen.hash = hashes_[line].load(std::memory_order_acquire);
  seen.owner = owners_[line].load(std::memory_order_acquire);
  seen.begun = begun_[line].load(std::memory_order_acquire) * kLeaseTick;
  seen.deadline = deadlines_[line].load(std::memory_order_acquire);
  return now < seen.deadline && holds(seen.lease);
}

Grant Leases::acquire(const LeaseWish& wish, std::uint64_t now, LeaseId& lease, Holders& holders) noexcept {
  holders.events = events(wish.hash, wish.kind);  // before the words are read
  holders.count = 0;
  const Lines lines = lines_of(wish.kind);
  std::uint32_t held = 0;
  std::uint32_t line = kNoLine;
  std::uint32_t resting = kNoLine;
  for (std::uint32_t i = lines.begin; i < lines.end; ++i) {
    // Acquire; partner: the release in give_back(). All that the last holder did is seen.
    const std::uint64_t word = words_[i].load(std::memory_order_acquire);
    if (!is_held(word)) {
      line = i;
      continue;
    }
    const bool same = hash(i) == wish.hash;
    const bool rests = owner(i) == kNobody;
    if (deadlines_[i].load(std::memory_order_relaxed) <= now || (rests && same && wish.despite_rest)) {
      if (same || line == kNoLine) {
        free(i, word);
        if (!rests) count(header_->leases_overdue);
        line = i;
      }
      continue;
    }
    ++held;
    if (rests && !same) resting = i;
    if (same) holders.held[holders.count++] = {{i, word}, hash(i), owner(i)};
  }
  const bool is_held_by_others = holders.count >= std::max(wish.limit, 1u);
  if (!is_held_by_others && line == kNoLine && resting != kNoLine) {
    free(resting, this->word(resting));
    line = resting;
    --held;
  }
  const bool granted = !is_held_by_others && line != kNoLine;
  if (wish.kind == LeaseKind::flight) header_->flights.store(held + (granted ? 1 : 0), std::memory_order_relaxed);
  if (is_held_by_others) return Grant::held;
  if (line == kNoLine) {
    holders.count = 0;
    for (std::uint32_t i = lines.begin; i < lines.end; ++i) {
      if (const std::uint64_t word = this->word(i); is_held(word)) {
        holders.held[holders.count++] = {{i, word}, hash(i), owner(i)};
      }
    }
    return Grant::full;
  }
  const std::uint64_t word = next_word(wish.kind);
  if (base::broken("lease-before-owner")) words_[line].store(word, std::memory_order_release);
  hashes_[line].store(wish.hash, std::memory_order_release);
  owners_[line].store(wish.owner, std::memory_order_release);
  deadlines_[line].store(wish.deadline, std::memory_order_release);
  begun_[line].store(static_cast<std::uint32_t>(now / kLeaseTick), std::memory_order_release);
  words_[line].store(word, std::memory_order_release);
  lease = {line, word};
  return Grant::granted;
}

bool Leases::extend(const LeaseId& lease, std::uint64_t now, std::uint64_t deadline) noexcept {
  if (!holds(lease) || deadlines_[lease.line].load(std::memory_order_relaxed) <= now) return false;
  deadlines_[lease.line].store(deadline, std::memory_order_release);
  return true;
}

bool Leases::rest(const LeaseId& lease, std::uint64_t hash, std::uint64_t now, std::uint64_t deadline) noexcept {
  if (!holds(lease)) return false;
  free(lease.line, lease.word);
  LeaseId resting;
  Holders holders;
  if (acquire({.hash = hash, .owner = kNobody, .deadline = deadline}, now, resting, holders) == Grant::granted) {
    count(header_->computations, -1);  // nobody computes
  }
  count_event(name(hash, LeaseKind::flight));
  return true;
}

bool Leases::void_flights(std::uint64_t hash) noexcept {
  bool any = false;
  for (std::uint32_t i = 0; i < flights_; ++i) {
    const std::uint64_t word = this->word(i);
    if (!is_lease(word, LeaseKind::flight) || this->hash(i) != hash) continue;
    free(i, word);
    count(header_->voided);
    any = true;
  }
  if (any) count_event(name(hash, LeaseKind::flight));
  return any;
}

void Leases::void_all_flights() noexcept {
  for (std::uint32_t i = 0; i < flights_; ++i) {
    const std::uint64_t word = this->word(i);
    if (!is_lease(word, LeaseKind::flight)) continue;
    free(i, word);
    count(header_->voided);
    count_event(name(hash(i), LeaseKind::flight));
  }
  header_->flights.store(0, std::memory_order_relaxed);
}

void Leases::recover() noexcept {
  std::uint32_t flights = 0;
  std::uint64_t newest = header_->tokens.load(std::memory_order_relaxed);
  for (std::uint32_t i = 0; i < count_; ++i) {
    const std::uint64_t word = this->word(i);
    newest = std::max(newest, token_of(word));
    if (!is_held(word)) continue;
    bool sound = is_lease(word, kind_of(i));
    for (std::uint32_t other = 0; other < i; ++other) {
      const std::uint64_t before = this->word(other);
      const bool same_flight = is_lease(word, LeaseKind::flight) && is_lease(before, LeaseKind::flight);
      if (is_held(before) && token_of(before) == token_of(word)) sound = false;
      if (same_flight && hash(other) == hash(i)) sound = false;
    }
    if (!sound) free(i, word);
    flights += sound && is_lease(word, LeaseKind::flight);
  }
  if (header_->tokens.load(std::memory_order_relaxed) != newest) {
    header_->tokens.store(newest, std::memory_order_relaxed);
  }
  header_->flights.store(flights, std::memory_order_relaxed);
}

void Leases::disown() noexcept {
  for (std::uint32_t i = 0; i < count_; ++i) free(i, word(i));
  header_->flights.store(0, std::memory_order_relaxed);
}

void Leases::free(std::uint32_t line, std::uint64_t word) noexcept {
  // A plain store is safe here. Only the lock's holder makes a word held, so no new lease can come between. Whoever
  // gives this lease back without the lock meanwhile stores the very same word.
  words_[line].store(freed(word), std::memory_order_release);
}

}  // namespace forklore::store
