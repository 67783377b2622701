// The writing half of a stripe: one path for every call that changes something.
#include <algorithm>
#include <cstring>

#include "base/racy_copy.hpp"
#include "base/test_fault.hpp"
#include "store/stripe_read.hpp"

namespace forklore::store {
namespace {

EntryHead head_of(const Key& key, const Decision& decision) noexcept {
  return {decision.expiry, decision.format, static_cast<std::uint32_t>(decision.value.size()),
          static_cast<std::uint16_t>(key.bytes.size()), decision.timed};
}

}  // namespace

Stripe::Stripe(std::byte* bytes, const Geometry& g, bool writable) noexcept
    : header_(reinterpret_cast<StripeHeader*>(bytes)),
      index_(bytes, g),
      log_(bytes, g),
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

inline bool Stripe::find(const Key& key, Located& found) const noexcept {
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

inline Code Stripe::store(const Key& key, const Located& old, const Decision& decision, Kind kind, Place end,
                          std::uint64_t now) noexcept {
  const EntryHead head = head_of(key, decision);
  Word* const slot = old.slot != nullptr ? old.slot : choose_slot(key, now);
  if (slot == nullptr) return Code::full;
  const std::uint64_t before = slot->load(std::memory_order_relaxed);
  if (base::broken("publish-before-write")) publish(*slot, log_.slot_word(Index::tag(key.hash), end));
  const std::uint64_t word = log_.append(kind, end, Index::tag(key.hash), head, [&](Writer& out) {
    out.write_word(head.first_word());
    out.write_word(head.second_word());
    if (head.is_integer()) out.write_unspilled(decision.value.data(), decision.value.size());
    if (head.timed) out.write_word(decision.timing.word());
    out.write_unspilled(key.bytes.data(), key.bytes.size());
    if (!head.is_integer()) out.write(decision.value.data(), decision.value.size());
  });
  if (base::broken("forget-before-publish") && old.slot != nullptr) log_.forget(old.place, old.head);
  if (base::broken("overwrite-by-erase")) publish(*slot, 0);
  // Loaded again: readers raise it meanwhile.
  const unsigned frequency = old.slot == nullptr ? 0 : frequency_of(slot->load(std::memory_order_relaxed));
  publish(*slot, with_frequency(word, frequency));

  if (old.slot != nullptr) {
    log_.forget(old.place, old.head);
  } else if (before == 0) {
    count(header_->slots_used);
  } else {
    drop(before, now);
  }
  return decision.code;
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

inline Decision Stripe::ask(const Decide& decide, const Key& key, std::uint64_t now, Located& found) const noexcept {
  static constexpr Present kUnseen;
  if (decide.looks()) return decide(look(key, now, found));
  static_cast<void>(find(key, found));
  return decide(kUnseen);
}

Code Stripe::update(const Key& key, std::uint64_t now, std::chrono::milliseconds timeout,
                    const Decide& decide) noexcept {
  bool voided = false;
  Code code = Code::busy;
  {
    Guard guard(*this, timeout);
    if (!guard.held()) return code;
    code = change(key, now, decide, nullptr, voided, Kind::free);
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
    if (!leases_.holds(lease)) return Code::changed;
    code = change(key, now, decide, &lease, voided, Kind::free);
    if (code == Code::ok) count(header_->computed);
    // Behind the value: who finds the lease free finds the value.
    leases_.give_back(lease, key.hash);
  }
  leases_.wake(key.hash, LeaseKind::flight);
  return code;
}

Code Stripe::change(const Key& key, std::uint64_t now, const Decide& decide, const Lease* lease, bool& voided,
                    Kind kind) noexcept {
  Located old;
  const Decision decision = ask(decide, key, now, old);
  Place end;
  if (decision.action == Decision::Action::store) [[likely]] {
    const EntryHead head = head_of(key, decision);
    const bool chosen = kind != Kind::free;
    if (!chosen) {
      if (old.slot == nullptr) tend_index(head.total(), now);
      kind = choose_log(key, old, head.total());
    }
    end = log_.end(kind);
    // Making room may move or evict this very key. So the entry is looked up, and the decision asked for, again after
    // it; the log stays the one that was chosen, so the room that was made is there the second time.
    if (!chosen && log_.chunks_needed(end, head) != 0) [[unlikely]]
      return make_room(kind, head, now) ? change(key, now, decide, lease, voided, kind) : Code::full;
  }

  const bool is_new_value =
      decision.action != Decision::Action::nothing && decision.action != Decision::Action::change_expiry;
  const auto void_flights = [&] {
    // Before the slot changes: a computation that began before this write does not end behind it.
    if (leases_.any_flight() && lease == nullptr && is_new_value) [[unlikely]]
      voided = leases_.void_flights(key.hash);
  };
  if (!base::broken("void-behind-value")) void_flights();
  const Code code = carry_out(key, old, decision, kind, end, now);
  if (base::broken("void-behind-value")) void_flights();
  return code;
}

inline Code Stripe::carry_out(const Key& key, const Located& old, const Decision& decision, Kind kind, Place end,
                              std::uint64_t now) noexcept {
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
      break;
    case Decision::Action::store:
      return store(key, old, decision, kind, end, now);
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
  return decision.code;
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
