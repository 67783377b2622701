// The leases of a stripe. They are taken with its lock held. One with a line is given back without the lock.
#include <algorithm>
#include <array>

#include "base/process.hpp"
#include "store/stripe_read.hpp"

namespace forklore::store {
namespace {

/// Whether a lease may be given back in its owner's place. A lock: once its owner has ended. A flight: once SIGKILL is
/// on its way to its owner. If the owner is storing the value at this moment, the store fails as its token is void.
bool is_over(const Holder& held) noexcept {
  if (held.owner == kNobody) return false;  // its deadline ends it
  return !base::process_alive(held.owner) ||
         (is_lease(held.lease.word, LeaseKind::flight) && base::process_killed(held.owner));
}

bool alike(const Holder& one, const Holder& other) noexcept {
  return one.owner == other.owner && lease_kind_number(one.lease.word) == lease_kind_number(other.lease.word);
}

}  // namespace

Stripe::Placeholder Stripe::find_placeholder(const HashedKey& key) const noexcept {
  Placeholder found;
  if (!find(key, found.entry) || !found.entry.head.timed) return found;
  std::array<std::uint64_t, 2> words{};
  const EntryHead& head = found.entry.head;
  if (head.value_size != sizeof words || head.format != kPlaceholderFormat) return found;
  if (!log_.read_timing(found.entry.place, head).is_placeholder()) return found;
  if (!log_.copy_out(found.entry.place, head.value_at(), reinterpret_cast<char*>(words.data()), sizeof words)) {
    return found;
  }
  if (!is_lease(words[0], LeaseKind::flight)) return found;
  found.word = words[0];
  found.owner = words[1];
  return found;
}

bool Stripe::recall(const Located& entry, std::uint64_t now, Failure& failure) const noexcept {
  const EntryHead& head = entry.head;
  if (entry.slot == nullptr || !head.timed || head.format != kFailureFormat || head.expired(now)) return false;
  if (!log_.read_timing(entry.place, head).is_placeholder()) return false;
  failure.size = std::min<std::size_t>(head.value_size, failure.bytes.size());
  return log_.copy_out(entry.place, head.value_at(), failure.bytes.data(), failure.size);
}

bool Stripe::make_placeholder(const HashedKey& key, const LeaseWish& wish, std::uint64_t now, LeaseId& lease) noexcept {
  const LeaseId mine{kNoLine, leases_.next_word(LeaseKind::flight)};
  const std::array<std::uint64_t, 2> words{mine.word, wish.owner};
  const Decision decision{.action = Decision::Action::store,
                          .value = {reinterpret_cast<const char*>(words.data()), sizeof words},
                          .format = kPlaceholderFormat,
                          .expiry = std::min({now + kPlaceholderMs, wish.deadline, kNever - 1}),
                          .timed = true,
                          .timing = Timing::of_placeholder()};
  if (change(key, now, decision, &mine).code != Code::ok) return false;
  lease = mine;
  return true;
}

Grant Stripe::acquire(const HashedKey& key, const LeaseWish& wish, std::uint64_t version, std::uint64_t now,
                      std::chrono::milliseconds timeout, LeaseId& lease, Holders& holders, Failure* failure) noexcept {
  Guard guard(*this, timeout);
  if (!guard.held()) return Grant::busy;
  bool placeholder_will_do = wish.or_placeholder;
  if (wish.kind == LeaseKind::flight) {
    // The last holder of the flight may have stored a value since the caller looked.
    Located entry;
    const Present present = look(key, now, entry);
    if (present.found && present.version != version) return Grant::present;
    if (failure != nullptr && recall(entry, now, *failure)) return Grant::failed;
    const Placeholder other = find_placeholder(key);
    if (other.word != 0 && !entry.head.expired(now)) {
      holders.events = leases_.events(wish.hash, wish.kind);
      holders.count = 1;
      holders.held[0] = {{kNoLine, other.word}, wish.hash, other.owner};
      return Grant::held;
    }
    placeholder_will_do =
        placeholder_will_do && (entry.slot == nullptr || entry.head.expired(now));  // an older value is not given up
  }
  const Grant grant = leases_.acquire(wish, now, lease, holders);
  if (grant != Grant::full) return grant;
  if (placeholder_will_do && make_placeholder(key, wish, now, lease)) return Grant::granted;
  if (wish.kind == LeaseKind::lock || wish.or_placeholder) count(header_->leases_lacking);
  return Grant::full;
}

Code Stripe::extend(const LeaseId& lease, std::uint64_t now, std::uint64_t deadline,
                    std::chrono::milliseconds timeout) noexcept {
  Guard guard(*this, timeout);
  if (!guard.held()) return Code::busy;
  return leases_.extend(lease, now, deadline) ? Code::ok : Code::not_held;
}

Code Stripe::rest(const LeaseId& lease, const HashedKey& key, std::uint64_t now, std::uint64_t deadline,
                  std::chrono::milliseconds timeout) noexcept {
  Code code = Code::busy;
  {
    Guard guard(*this, timeout);
    if (!guard.held()) return code;
    code = leases_.rest(lease, key.hash, now, deadline) ? Code::ok : Code::not_held;
  }
  if (code == Code::ok) leases_.wake(key.hash, LeaseKind::flight);
  return code;
}

bool Stripe::holds(const LeaseId& lease, const HashedKey& key, std::uint64_t now,
                   std::chrono::milliseconds timeout) noexcept {
  if (lease.has_line()) return leases_.holds(lease, now);
  Guard guard(*this, timeout);
  return guard.held() && find_placeholder(key).word == lease.word;
}

bool Stripe::leave(const LeaseId& lease, const HashedKey& key) noexcept {
  if (lease.has_line()) return leases_.give_back(lease, key.hash);
  const Placeholder mine = find_placeholder(key);
  const bool stands = mine.word == lease.word;
  if (stands) remove(mine.entry);
  leases_.placeholder_gone(key.hash);
  return stands;
}

bool Stripe::give_back(const LeaseId& lease, const HashedKey& key, std::chrono::milliseconds timeout) noexcept {
  bool given = false;
  if (lease.has_line()) {
    given = leases_.give_back(lease, key.hash);
  } else {
    Guard guard(*this, timeout);
    given = guard.held() && leave(lease, key);
  }
  if (given) leases_.wake(key.hash, static_cast<LeaseKind>(lease_kind_number(lease.word)));
  return given;
}

std::uint32_t Stripe::give_back_of_dead(const Holders& holders, std::string_view key,
                                        std::chrono::milliseconds timeout) noexcept {
  std::uint32_t given = 0;
  bool over = false;
  for (std::uint32_t i = 0; i < holders.count; ++i) {
    const Holder& held = holders.held[i];
    if (i == 0 || !alike(held, holders.held[i - 1])) over = is_over(held);
    if (!over || !give_back(held.lease, {key, held.hash}, timeout)) continue;
    ++given;
    header_->leases_taken_over.fetch_add(1, std::memory_order_relaxed);
  }
  return given;
}

}  // namespace forklore::store
