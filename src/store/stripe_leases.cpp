// The leases of a stripe: taken under its lock, given back without it.
#include "base/process.hpp"
#include "store/stripe_read.hpp"

namespace forklore::store {

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
  std::uint64_t looked_at = 0;
  bool alive = false;
  for (std::uint32_t i = 0; i < holders.count; ++i) {
    const Holders::Held& held = holders.held[i];
    if (i == 0 || held.owner != looked_at) alive = base::process_alive(held.owner);
    looked_at = held.owner;
    if (alive || !give_back(held.lease, held.hash)) continue;
    ++given;
    header_->taken_over.fetch_add(1, std::memory_order_relaxed);
  }
  return given;
}

}  // namespace forklore::store
