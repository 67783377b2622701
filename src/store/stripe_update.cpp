// The writing half of a stripe: one way for every call that changes something. First what a change is made of, then
// update(), then change() with its parts: plan, make room, apply.
#include <algorithm>
#include <cstring>
#include <optional>

#include "base/racy_copy.hpp"
#include "base/test_fault.hpp"
#include "store/log_writer.hpp"
#include "store/stripe_read.hpp"

namespace forklore::store {
namespace {

EntryHead head_of(const HashedKey& key, const Decision& decision) noexcept {
  return {decision.expiry, decision.format, static_cast<std::uint32_t>(decision.value.size()),
          static_cast<std::uint16_t>(key.bytes.size()), decision.timed};
}

}  // namespace

// Mostly this is all, as in attempt_plain(). find_any() does the rest.
inline bool Stripe::find(const HashedKey& key, Located& found) const noexcept {
  Word* const slot = index_.snapshot().first_match(key.hash, Index::fingerprint(key.hash));
  if (slot == nullptr) return false;
  const std::uint64_t word = slot->load(std::memory_order_relaxed);
  const std::byte* entry;  // set by find_plain()
  EntryHead head;
  if (!log_.find_plain(word, key.bytes, 0, entry, head)) [[unlikely]]
    return find_any(key, found);
  found.slot = slot;
  found.word = word;
  found.head = head;
  return log_.locate(word, found.place);
}

[[gnu::noinline]] bool Stripe::find_any(const HashedKey& key, Located& found) const noexcept {
  return index_.snapshot().find(key.hash, Index::fingerprint(key.hash), [&](Word& slot, std::uint64_t word) {
    Location place;
    EntryHead head;
    if (!log_.locate(word, place) || !log_.read_head(place, key.bytes, head)) return false;
    found.slot = &slot;
    found.word = word;
    found.place = place;
    found.head = head;
    return true;
  }) != nullptr;
}

Word* Stripe::choose_slot(const HashedKey& key, std::uint64_t now) noexcept {
  const Index::Snapshot index = index_.snapshot();
  if (Word* empty = index.find_empty(key.hash)) return empty;
  for (const unsigned further : {0u, 1u}) {
    for (const Bucket* bucket : index.candidates(key.hash)) {
      if (Word* left = displace(index, *bucket, further)) return left;
    }
  }
  Word* coldest = nullptr;
  unsigned least = kMaxFrequency + 1;
  for (Bucket* bucket : index.candidates(key.hash)) {
    for (Word& slot : bucket->slot) {
      const std::uint64_t word = slot.load(std::memory_order_relaxed);
      Location place;
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

// A new entry takes the place of an old one, in the same slot (protocol 4). append() writes it and answers its slot
// word, forget() counts the old one out.
template <class Append, class Forget>
[[gnu::always_inline]] inline void Stripe::supersede(Word& slot, const HashedKey& key, Location end, Append append,
                                                     Forget forget) noexcept {
  if (base::broken("publish-before-write")) publish(slot, log_.slot_word(Index::fingerprint(key.hash), end));
  const std::uint64_t word = append();
  if (base::broken("forget-before-publish")) forget();
  if (base::broken("overwrite-by-erase")) publish(slot, 0);
  // The frequency is loaded only now, as readers raise it meanwhile.
  publish(slot, with_frequency(word, frequency_of(slot.load(std::memory_order_relaxed))));
  forget();
}

// Fast path for most writes: a plain entry takes the place of a plain one, at the end of the same log. For anything
// else it does nothing and answers false. Then change() does the write.
[[gnu::always_inline]] inline bool Stripe::overwrite_plain(const HashedKey& key, const Decision& decision) noexcept {
  const EntryHead head = head_of(key, decision);
  if (decision.action != Decision::Action::store || leases_.any_flight()) [[unlikely]]
    return false;
  const std::uint64_t fingerprint = Index::fingerprint(key.hash);
  Word* const slot = index_.snapshot().first_match(key.hash, fingerprint);
  if (slot == nullptr) return false;
  const std::uint64_t word = slot->load(std::memory_order_relaxed);
  const std::byte* entry;  // set where there is one
  EntryHead old;
  Location place;
  if (!log_.find_plain(word, key.bytes, 0, entry, old) || !log_.locate(word, place)) [[unlikely]]
    return false;
  const Kind kind = kind_of(log_.state(place.chunk));
  if (!is_log(kind) || !policy().keeps_log(kind, head.total())) [[unlikely]]
    return false;
  const Location end = log_.end(kind);
  if (!log_.is_plain_end(end, head)) [[unlikely]]
    return false;
  supersede(
      *slot, key, end,
      [&]() FORKLORE_LOCKED { return log_.append_plain(end, fingerprint, head, key.bytes, decision.value); },
      [&]() FORKLORE_LOCKED { log_.forget(place, old); });
  return true;
}

[[gnu::noinline]] Kind Stripe::choose_log(const HashedKey& key, const Located& old, std::size_t bytes) noexcept {
  std::optional<Kind> was;
  if (old.slot != nullptr) was = log_of(log_.state(old.place.chunk));
  return policy().choose_log(key.hash, was, bytes);
}

std::uint64_t Stripe::append(Kind kind, Location end, const HashedKey& key, const Decision& decision,
                             const EntryHead& head) noexcept {
  return log_.append(kind, end, Index::fingerprint(key.hash), head, [&](Writer& out) {
    out.write_word(head.first_word());
    out.write_word(head.second_word());
    if (head.is_integer()) out.write_unspilled(decision.value.data(), decision.value.size());
    if (head.timed) out.write_word(decision.timing.word());
    out.write_unspilled(key.bytes.data(), key.bytes.size());
    if (!head.is_integer()) out.write(decision.value.data(), decision.value.size());
  });
}

inline Code Stripe::store(const HashedKey& key, const Plan& plan, std::uint64_t now) noexcept {
  const auto append_it = [&]() FORKLORE_LOCKED { return append(plan.log, plan.end, key, plan.decision, plan.head); };
  if (plan.old.slot != nullptr) {
    supersede(*plan.old.slot, key, plan.end, append_it,
              [&]() FORKLORE_LOCKED { log_.forget(plan.old.place, plan.old.head); });
    return plan.decision.code;
  }
  Word* const slot = choose_slot(key, now);
  if (slot == nullptr) return Code::full;
  const std::uint64_t before = slot->load(std::memory_order_relaxed);
  if (base::broken("publish-before-write")) publish(*slot, log_.slot_word(Index::fingerprint(key.hash), plan.end));
  publish(*slot, append_it());
  if (before == 0) {
    count(header_->slots_used);
  } else {
    drop(before, now);
  }
  return plan.decision.code;
}

// Precondition: the plan overwrites by as much or less, and make_room() gave too little.
Code Stripe::renew_in_order(const HashedKey& key, std::uint64_t now, const Plan& plan) noexcept {
  Renewal renewal{key, plan.decision, plan.head, plan.old.slot};
  if (!compact_in_order(plan.log, plan.head, &renewal, now)) return Code::full;
  // There may be room before its turn comes. If the key is gone by then, damage was found, and the stripe emptied.
  Located entry;
  if (!renewal.done && !(find(key, entry) && renew(entry, renewal))) return Code::full;
  return plan.decision.code;
}

bool Stripe::renew(const Located& entry, Renewal& renewal) noexcept {
  const Kind kind = log_of(log_.state(entry.place.chunk));
  const Location end = log_.end(kind);
  if (log_.count_free() < log_.chunks_needed(end, renewal.head)) return false;
  supersede(
      *entry.slot, renewal.key, end,
      [&]() FORKLORE_LOCKED { return append(kind, end, renewal.key, renewal.decision, renewal.head); },
      [&]() FORKLORE_LOCKED { log_.forget(entry.place, entry.head); });
  renewal.done = true;
  return true;
}

void Stripe::drop(std::uint64_t word, std::uint64_t now) noexcept {
  Location place;
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

Present Stripe::look(const HashedKey& key, std::uint64_t now, Located& found) const noexcept {
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

Code Stripe::update(const HashedKey& key, std::uint64_t now, std::chrono::milliseconds timeout,
                    const Decide& decide) noexcept {
  Outcome outcome{Code::busy};
  {
    Guard guard(*this, timeout);
    if (!guard.held()) return outcome.code;
    const Decision* const ready = decide.ready();
    if (ready != nullptr && overwrite_plain(key, *ready)) return ready->code;
    outcome = change(key, now, decide, nullptr);
  }
  if (outcome.voided) [[unlikely]]
    leases_.wake(key.hash, LeaseKind::flight);
  return outcome.code;
}

Code Stripe::update_with(const LeaseId& lease, const HashedKey& key, std::uint64_t now,
                         std::chrono::milliseconds timeout, const Decide& decide) noexcept {
  Code code = Code::busy;
  {
    Guard guard(*this, timeout);
    if (!guard.held()) return code;
    // A lease without a line: if its placeholder stands, nobody has written to the key.
    const bool stands = lease.has_line() ? leases_.holds(lease) : find_placeholder(key).word == lease.word;
    if (!stands && !base::broken("placeholder-unchecked")) {
      if (!lease.has_line()) count(header_->voided);
      return Code::not_held;
    }
    code = change(key, now, decide, &lease).code;
    if (code == Code::ok) count(header_->computed);
    // After the value was stored: so a caller that finds the lease free finds the value.
    leave(lease, key);
  }
  leases_.wake(key.hash, LeaseKind::flight);
  return code;
}

// Plan, make room, apply. Most entries fit at the end of their log: then one plan is enough. Written without a loop: a
// plan that is made twice in one function would lie in memory, which costs an increment 30 instructions.
Stripe::Outcome Stripe::change(const HashedKey& key, std::uint64_t now, const Decide& decide,
                               const LeaseId* lease) noexcept {
  Located old;
  std::optional<Decision> asked;
  const Decision& decision = ask(key, now, decide, old, asked);
  const Plan plan = make_plan(key, now, old, decision, std::nullopt);
  if (plan.fits) [[likely]]
    return apply(key, now, plan, lease);
  return change_with_room(key, now, decide, lease, plan.log, plan.head, is_renewal(old, plan.head));
}

// Precondition: log, head and renews were chosen under this hold of the lock. Nothing else of the first plan is used:
// making room may move or evict this very key. So the second plan looks the key up again, and asks for the decision
// again (protocol 12). It keeps the log, because the room was made there.
[[gnu::noinline]] Stripe::Outcome Stripe::change_with_room(const HashedKey& key, std::uint64_t now,
                                                           const Decide& decide, const LeaseId* lease, Kind log,
                                                           EntryHead head, bool renews) noexcept {
  const bool made = make_room(log, head, renews, now);
  if (!made && !renews) return {Code::full};
  Located old;
  std::optional<Decision> asked;
  const Decision& decision = ask(key, now, decide, old, asked);
  Plan plan = make_plan(key, now, old, decision, log);
  if (!made && !plan.fits) {
    if (!is_renewal(old, plan.head)) return {Code::full};
    plan.in_order = true;
  }
  return apply(key, now, plan, lease);
}

// Changes nothing.
inline const Decision& Stripe::ask(const HashedKey& key, std::uint64_t now, const Decide& decide, Located& old,
                                   std::optional<Decision>& asked) const noexcept {
  if (const Decision* const ready = decide.ready(); ready != nullptr) {
    static_cast<void>(find(key, old));
    return *ready;
  }
  return asked.emplace(decide(look(key, now, old)));
}

// Precondition: old is the key's entry, and decision says what becomes of it. Writes no entry bytes. For a new key it
// lets the index grow or shrink. That may move slots, but none that a plan knows.
inline Stripe::Plan Stripe::make_plan(const HashedKey& key, std::uint64_t now, const Located& old,
                                      const Decision& decision, std::optional<Kind> log) noexcept {
  Plan plan{old, decision};
  if (decision.action != Decision::Action::store) [[unlikely]]
    return plan;
  plan.head = head_of(key, decision);
  if (log) {
    plan.log = *log;
  } else {
    if (old.slot == nullptr) tend_index(plan.head.total(), now);
    plan.log = choose_log(key, old, plan.head.total());
  }
  plan.end = log_.end(plan.log);
  plan.fits = log_.chunks_needed(plan.end, plan.head) == 0;
  return plan;
}

inline bool Stripe::is_renewal(const Located& old, const EntryHead& head) const noexcept {
  return reject_ && old.slot != nullptr && head.total() <= old.head.total();
}

// Precondition: nothing has changed since the plan was made, and its entry has room or is written in order. Makes no
// room itself, so that nothing moves before the slot is stored.
[[gnu::always_inline]] inline Stripe::Outcome Stripe::apply(const HashedKey& key, std::uint64_t now, const Plan& plan,
                                                            const LeaseId* lease) noexcept {
  const Decision& decision = plan.decision;
  const bool is_new_value =
      decision.action != Decision::Action::nothing && decision.action != Decision::Action::change_expiry;
  Outcome outcome{decision.code};
  const auto void_flights = [&]() FORKLORE_LOCKED {
    // Before the slot changes: a computation that began before this write must not end after it (protocol 29).
    if (leases_.any_flight() && lease == nullptr && is_new_value) [[unlikely]]
      outcome.voided = leases_.void_flights(key.hash);
  };
  if (!base::broken("void-behind-value")) void_flights();
  if (plan.in_order) [[unlikely]] {
    outcome.code = renew_in_order(key, now, plan);
  } else if (decision.action == Decision::Action::store) [[likely]] {
    outcome.code = store(key, plan, now);
  } else {
    carry_out(plan.old, decision);
  }
  if (base::broken("void-behind-value")) void_flights();
  return outcome;
}

inline void Stripe::carry_out(const Located& old, const Decision& decision) noexcept {
  // Both are release stores; partner: the acquire fence before a reader's second look. A reader that sees one of them
  // sees what this thread changed before it (protocol 32).
  const auto change_integer = [&]() FORKLORE_LOCKED {
    auto* value = reinterpret_cast<Word*>(log_.at(old.place) + kEntryHeader);
    value->store(static_cast<std::uint64_t>(decision.integer), std::memory_order_release);
    if (old.slot != nullptr) raise_frequency(*old.slot, old.slot->load(std::memory_order_relaxed));
  };
  const auto change_expiry = [&]() FORKLORE_LOCKED {
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

}  // namespace forklore::store
