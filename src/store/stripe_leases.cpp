// The leases of a stripe: taken under its lock, given back without it.
#include "base/process.hpp"
#include "store/stripe_read.hpp"

namespace forklore::store {
namespace {

/// Whether a lease is to be given back in its owner's place. A lock is when its owner has ended. A flight is when its
/// owner has been killed, though its threads be still ending: they store no more, and if one is at it in this moment,
/// then by a token that is good no more.
bool is_over(const Holders::Held& held) noexcept {
  return !base::process_alive(held.owner) ||
         (is_lease(held.lease.word, LeaseKind::flight) && base::process_killed(held.owner));
}

bool alike(const Holders::Held& one, const Holders::Held& other) noexcept {
  return one.owner == other.owner && lease_kind_number(one.lease.word) == lease_kind_number(other.lease.word);
}

}  // namespace

Stripe::Answer Stripe::acquire(const Key& key, const LeaseWish& wish, std::uint64_t version, std::uint64_t now,
                               std::chrono::milliseconds timeout, Lease& lease, Holders& holders) noexcept {
  Guard guard(*this, timeout);
  if (!guard.held()) return Answer::busy;
  if (wish.kind == LeaseKind::flight) {
    // Who had the flight before may have stored a value since the caller looked.
    Located entry;
    const Present present = look(key, now, entry);
    if (present.found && present.version != version) return Answer::present;
  }
  switch (leases_.acquire(wish, now, lease, holders)) {
    case Grant::granted:
      return Answer::granted;
    case Grant::held:
      return Answer::held;
    case Grant::full:
      break;
  }
  return Answer::full;
}

Code Stripe::extend(const Lease& lease, std::uint64_t now, std::uint64_t deadline,
                    std::chrono::milliseconds timeout) noexcept {
  Guard guard(*this, timeout);
  if (!guard.held()) return Code::busy;
  return leases_.extend(lease, now, deadline) ? Code::ok : Code::changed;
}

bool Stripe::give_back(const Lease& lease, std::uint64_t hash) noexcept {
  if (!leases_.give_back(lease, hash)) return false;
  leases_.wake(hash, static_cast<LeaseKind>(lease_kind_number(lease.word)));
  return true;
}

std::uint32_t Stripe::give_back_of_dead(const Holders& holders) noexcept {
  std::uint32_t given = 0;
  bool over = false;
  for (std::uint32_t i = 0; i < holders.count; ++i) {
    const Holders::Held& held = holders.held[i];
    if (i == 0 || !alike(held, holders.held[i - 1])) over = is_over(held);
    if (!over || !give_back(held.lease, held.hash)) continue;
    ++given;
    header_->taken_over.fetch_add(1, std::memory_order_relaxed);
  }
  return given;
}

}  // namespace forklore::store
