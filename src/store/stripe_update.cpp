// The writing half of a stripe: one path for every call that changes something.
#include <algorithm>
#include <cstring>
#include <optional>

#include "base/racy_copy.hpp"
#include "base/test_fault.hpp"
#include "store/log_writer.hpp"
#include "store/stripe_read.hpp"

namespace forklore::store {
namespace {

EntryHead head_of(const Key& key, const Decision& decision) noexcept {
  return {decision.expiry, decision.format, static_cast<std::uint32_t>(decision.value.size()),
          static_cast<std::uint16_t>(key.bytes.size()), decision.timed};
}

}  // namespace

Stripe::Stripe(std::byte* bytes, const Geometry& g, bool writable) noexcept
    : index_(bytes, g),
      log_(bytes, g),
      header_(reinterpret_cast<StripeHeader*>(bytes)),
      ghost_(bytes, g),
      leases_(bytes, g),
      reserve_chunks_(g.reserve_chunks),
      reject_(g.shape.reject),
      writable_(writable) {}

void Stripe::create(std::uint64_t random, std::uint64_t tokens) noexcept {
  log_.create(random);
  header_->tokens.store(tokens, std::memory_order_relaxed);
  index_.set_size(index_.least());
}

void Stripe::adopt() noexcept {
  header_->lock.store(0, std::memory_order_relaxed);
  leases_.disown();
  recover();
}

// As Stripe::attempt_plain() has it: mostly this is all.
inline bool Stripe::find(const Key& key, Located& found) const noexcept {
  Word* const slot = index_.view().first_match(key.hash, Index::tag(key.hash));
  if (slot == nullptr) return false;
  const std::uint64_t word = slot->load(std::memory_order_relaxed);
  const std::byte* entry;  // set where there is one
  EntryHead head;
  if (!log_.find_plain(word, key.bytes, 0, entry, head)) [[unlikely]]
    return find_any(key, found);
  found.slot = slot;
  found.word = word;
  found.head = head;
  return log_.locate(word, found.place);
}

[[gnu::noinline]] bool Stripe::find_any(const Key& key, Located& found) const noexcept {
  return index_.view().find(key.hash, Index::tag(key.hash), [&](Word& slot, std::uint64_t word) {
    Place place;
    EntryHead head;
    if (!log_.locate(word, place) || !log_.read_head(place, key.bytes, head)) return false;
    found.slot = &slot;
    found.word = word;
    found.place = place;
    found.head = head;
    return true;
  }) != nullptr;
}

Word* Stripe::choose_slot(const Key& key, std::uint64_t now) noexcept {
  const Index::View view = index_.view();
  if (Word* empty = view.find_empty(key.hash)) return empty;
  for (const unsigned further : {0u, 1u}) {
    for (const Bucket* bucket : view.candidates(key.hash)) {
      if (Word* left = displace(view, *bucket, further)) return left;
    }
  }
  Word* coldest = nullptr;
  unsigned least = kMaxFrequency + 1;
  for (Bucket* bucket : view.candidates(key.hash)) {
    for (Word& slot : bucket->slot) {
      const std::uint64_t word = slot.load(std::memory_order_relaxed);
      Place place;
      EntryHead head;
      if (!log_.locate(word, place) || !log_.read_head(place, head) || head.expired(now)) return &slot;
      if (frequency_of(word) < least) {
        least = frequency_of(word);
        coldest = &slot;
      }
    }
  }
  return reject_ ? nullptr : coldest;
}

void Stripe::remove(const Located& entry) noexcept {
  publish(*entry.slot, 0);
  count(header_->slots_used, -1);
  log_.forget(entry.place, entry.head);
}

// A new entry in the place of an old one. append() writes it at end and gives its word, forget() counts the old one
// out.
template <class Append, class Forget>
[[gnu::always_inline]] inline void Stripe::supersede(Word& slot, const Key& key, Place end, Append append,
                                                     Forget forget) noexcept {
  if (base::broken("publish-before-write")) publish(slot, log_.slot_word(Index::tag(key.hash), end));
  const std::uint64_t word = append();
  if (base::broken("forget-before-publish")) forget();
  if (base::broken("overwrite-by-erase")) publish(slot, 0);
  // Loaded again: readers raise it meanwhile.
  publish(slot, with_frequency(word, frequency_of(slot.load(std::memory_order_relaxed))));
  forget();
}

// What most writes are, straight on: a plain entry in the place of a plain one, at the end of that one's log. False
// with nothing done where it is not: change() does the rest, and the same.
[[gnu::always_inline]] inline bool Stripe::overwrite_plain(const Key& key, const Decision& decision) noexcept {
  const EntryHead head = head_of(key, decision);
  if (decision.action != Decision::Action::store || leases_.any_flight()) [[unlikely]]
    return false;
  const std::uint64_t tag = Index::tag(key.hash);
  Word* const slot = index_.view().first_match(key.hash, tag);
  if (slot == nullptr) return false;
  const std::uint64_t word = slot->load(std::memory_order_relaxed);
  const std::byte* entry;  // set where there is one
  EntryHead old;
  Place place;
  if (!log_.find_plain(word, key.bytes, 0, entry, old) || !log_.locate(word, place)) [[unlikely]]
    return false;
  const Kind kind = kind_of(log_.state(place.chunk));
  if (!is_log(kind) || !policy().keeps_log(kind, head.total())) [[unlikely]]
    return false;
  const Place end = log_.end(kind);
  if (!log_.is_plain_end(end, head)) [[unlikely]]
    return false;
  supersede(
      *slot, key, end, [&] { return log_.append_plain(end, tag, head, key.bytes, decision.value); },
      [&] { log_.forget(place, old); });
  return true;
}

[[gnu::noinline]] Kind Stripe::choose_log(const Key& key, const Located& old, std::size_t bytes) noexcept {
  const Kind was = old.slot == nullptr ? Kind::free : log_of(log_.state(old.place.chunk));
  return policy().choose_log(key.hash, was, bytes);
}

std::uint64_t Stripe::append(Kind kind, Place end, const Key& key, const Decision& decision,
                             const EntryHead& head) noexcept {
  return log_.append(kind, end, Index::tag(key.hash), head, [&](Writer& out) {
    out.write_word(head.first_word());
    out.write_word(head.second_word());
    if (head.is_integer()) out.write_unspilled(decision.value.data(), decision.value.size());
    if (head.timed) out.write_word(decision.timing.word());
    out.write_unspilled(key.bytes.data(), key.bytes.size());
    if (!head.is_integer()) out.write(decision.value.data(), decision.value.size());
  });
}

inline Code Stripe::store(const Key& key, const Located& old, const Decision& decision, const EntryHead& head,
                          Kind kind, Place end, std::uint64_t now) noexcept {
  Word* const slot = old.slot != nullptr ? old.slot : choose_slot(key, now);
  if (slot == nullptr) return Code::full;
  if (old.slot != nullptr) {
    supersede(
        *slot, key, end, [&] { return append(kind, end, key, decision, head); },
        [&] { log_.forget(old.place, old.head); });
    return decision.code;
  }
  const std::uint64_t before = slot->load(std::memory_order_relaxed);
  if (base::broken("publish-before-write")) publish(*slot, log_.slot_word(Index::tag(key.hash), end));
  publish(*slot, append(kind, end, key, decision, head));
  if (before == 0) {
    count(header_->slots_used);
  } else {
    drop(before, now);
  }
  return decision.code;
}

bool Stripe::renew(const Located& entry, Renewal& renewal) noexcept {
  const Kind kind = log_of(log_.state(entry.place.chunk));
  const Place end = log_.end(kind);
  if (log_.count_free() < log_.chunks_needed(end, renewal.head)) return false;
  supersede(
      *entry.slot, renewal.key, end, [&] { return append(kind, end, renewal.key, renewal.decision, renewal.head); },
      [&] { log_.forget(entry.place, entry.head); });
  renewal.done = true;
  return true;
}

void Stripe::drop(std::uint64_t word, std::uint64_t now) noexcept {
  Place place;
  EntryHead head;
  if (!log_.locate(word, place) || !log_.read_head(place, head)) return;
  if (head.expired(now)) {
    count(header_->expirations);
  } else {
    count(header_->evictions);
    count(header_->bucket_evictions);
  }
  log_.forget(place, head);
}

Present Stripe::look(const Key& key, std::uint64_t now, Located& found) const noexcept {
  Present present;
  if (!find(key, found)) return present;
  present.found = log_.fresh_until(found.place, found.head) > now;
  if (!present.found) return present;
  present.head = found.head;
  if (found.head.timed) present.timing = log_.read_timing(found.place, found.head);
  present.integer = found.head.is_integer() ? integer_at(found.place) : 0;
  present.version = version_of(found.word, present.integer);
  return present;
}

Code Stripe::update(const Key& key, std::uint64_t now, std::chrono::milliseconds timeout,
                    const Decide& decide) noexcept {
  bool voided = false;
  Code code = Code::busy;
  {
    Guard guard(*this, timeout);
    if (!guard.held()) return code;
    const Decision* const ready = decide.ready();
    if (ready != nullptr && overwrite_plain(key, *ready)) return ready->code;
    code = change(key, now, decide, nullptr, voided);
  }
  if (voided) [[unlikely]]
    leases_.wake(key.hash, LeaseKind::flight);
  return code;
}

Code Stripe::update_with(const Lease& lease, const Key& key, std::uint64_t now, std::chrono::milliseconds timeout,
                         const Decide& decide) noexcept {
  bool voided = false;
  Code code = Code::busy;
  {
    Guard guard(*this, timeout);
    if (!guard.held()) return code;
    // Of a lease without a line, that its placeholder stands yet says that nobody has written to the key.
    const bool stands = lease.has_line() ? leases_.holds(lease) : find_placeholder(key).word == lease.word;
    if (!stands && !base::broken("placeholder-unchecked")) {
      if (!lease.has_line()) count(header_->voided);
      return Code::changed;
    }
    code = change(key, now, decide, &lease, voided);
    if (code == Code::ok) count(header_->computed);
    // Behind the value: who finds the lease free finds the value.
    leave(lease, key);
  }
  leases_.wake(key.hash, LeaseKind::flight);
  return code;
}

Code Stripe::change(const Key& key, std::uint64_t now, const Decide& decide, const Lease* lease, bool& voided,
                    Kind kind, RoomAhead room) noexcept {
  Located old;
  std::optional<Decision> asked;
  const Decision* ready = decide.ready();
  if (ready != nullptr) {
    static_cast<void>(find(key, old));
  } else {
    ready = &asked.emplace(decide(look(key, now, old)));
  }
  const Decision& decision = *ready;
  EntryHead head;
  Place end;
  bool renews = false;
  if (decision.action == Decision::Action::store) [[likely]] {
    head = head_of(key, decision);
    if (room == RoomAhead::unknown) {
      if (old.slot == nullptr) tend_index(head.total(), now);
      kind = choose_log(key, old, head.total());
    }
    end = log_.end(kind);
    // Making room may move or evict this very key. So the entry is looked up, and the decision asked for, again after
    // it; the log stays the one that was chosen, so the room that was made is there the second time.
    if (room != RoomAhead::made && log_.chunks_needed(end, head) != 0) [[unlikely]] {
      renews = reject_ && old.slot != nullptr && head.total() <= old.head.total();
      if (room == RoomAhead::unknown) {
        room = make_room(kind, head, renews, now) ? RoomAhead::made : RoomAhead::none;
        if (room == RoomAhead::made || renews) return change(key, now, decide, lease, voided, kind, room);
      }
      if (!renews) return Code::full;
    }
  }

  const bool is_new_value =
      decision.action != Decision::Action::nothing && decision.action != Decision::Action::change_expiry;
  const auto void_flights = [&] {
    // Before the slot changes: a computation that began before this write does not end behind it.
    if (leases_.any_flight() && lease == nullptr && is_new_value) [[unlikely]]
      voided = leases_.void_flights(key.hash);
  };
  if (!base::broken("void-behind-value")) void_flights();
  Code code = decision.code;
  if (renews) [[unlikely]] {
    Renewal renewal{key, decision, head, old.slot};
    if (!compact_in_order(kind, head, &renewal, now)) return Code::full;
    if (!renewal.done) return change(key, now, decide, lease, voided, kind, RoomAhead::made);
  } else if (decision.action == Decision::Action::store) [[likely]] {
    code = store(key, old, decision, head, kind, end, now);
  } else {
    carry_out(old, decision);
  }
  if (base::broken("void-behind-value")) void_flights();
  return code;
}

inline void Stripe::carry_out(const Located& old, const Decision& decision) noexcept {
  // Release, of both; partner: the acquire fence behind a reader's look. Who sees one sees what this thread changed
  // before.
  const auto change_integer = [&] {
    auto* value = reinterpret_cast<Word*>(log_.at(old.place) + kEntryHeader);
    value->store(static_cast<std::uint64_t>(decision.integer), std::memory_order_release);
    if (old.slot != nullptr) raise_frequency(*old.slot, old.slot->load(std::memory_order_relaxed));
  };
  const auto change_expiry = [&] {
    if (!base::broken("touch-before-due")) log_.bring_forward(old.place, old.head, decision.expiry);
    EntryHead head = old.head;
    head.expiry = decision.expiry;
    reinterpret_cast<Word*>(log_.at(old.place))->store(head.first_word(), std::memory_order_release);
    if (base::broken("touch-before-due")) log_.bring_forward(old.place, old.head, decision.expiry);
  };
  switch (decision.action) {
    case Decision::Action::nothing:
    case Decision::Action::store:
      break;
    case Decision::Action::change_integer:
      change_integer();
      break;
    case Decision::Action::change_expiry:
      change_expiry();
      break;
    case Decision::Action::change_both:
      change_expiry();
      change_integer();
      break;
    case Decision::Action::erase:
      if (old.slot != nullptr) remove(old);
      break;
  }
}

Code Stripe::clear(std::chrono::milliseconds timeout) noexcept {
  Guard guard(*this, timeout);
  if (!guard.held()) return Code::busy;
  leases_.recover();
  leases_.void_all_flights();
  empty();
  return Code::ok;
}

void Stripe::empty() noexcept {
  const Index::View view = index_.view();
  for (std::uint32_t bucket = 0; bucket < view.size(); ++bucket) {
    for (Word& slot : view.bucket(bucket).slot) {
      if (slot.load(std::memory_order_relaxed) != 0) publish(slot, 0);
    }
  }
  header_->slots_used.store(0, std::memory_order_relaxed);
  index_.set_size(index_.least());
  end_move();
  log_.free_all();
}

void Stripe::recover() noexcept {
  if (base::broken("recovery-left-out")) return;
  count(header_->recoveries);
  const std::uint32_t buckets = index_.view().size();
  if (!log_.derive() || !index_reaches(buckets - 1)) return reset();
  settle();
  free_orphans();
  header_->slots_used.store(count_slots(), std::memory_order_relaxed);
  leases_.recover();
}

void Stripe::reset() noexcept {
  count(header_->resets);
  leases_.recover();
  leases_.void_all_flights();
  empty();
}

}  // namespace forklore::store
