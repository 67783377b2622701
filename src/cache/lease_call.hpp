// lease_call.hpp - Connects a public lease with the segment it belongs to.
#pragma once

#include <optional>

#include "base/process.hpp"
#include "cache/call.hpp"
#include "forklore/lease.hpp"
#include "store/leases.hpp"

namespace forklore::cache {

/// A waiting call checks this often that the owner lives.
inline constexpr std::chrono::milliseconds kLookAtOwner{25};

inline Lease lease_of(const session::View& view, const store::LeaseWish& wish, const store::LeaseId& lease) noexcept {
  return {view.id, wish.owner, wish.hash, lease.word, lease.line};
}

/// Returns the lease as its stripe knows it. None if another process took it, or if the view shows another segment now.
inline std::optional<store::LeaseId> lease_in(const session::View& view, const Lease& lease) noexcept {
  if (lease.word == 0 || lease.segment != view.id || lease.owner != base::own_process()) return std::nullopt;
  return store::LeaseId{lease.line, lease.word};
}

/// Gives a lease back. Returns false if it was no longer held. key: of a computation.
inline bool give_back(const Cache& cache, const Lease& lease, std::string_view key = {}) noexcept {
  if (lease.word == 0) return false;
  session::View& view = Internals::attachment(cache).view();
  const auto known = lease_in(view, lease);
  return known &&
         view.segment.stripe_of(lease.hash).give_back(*known, {key, lease.hash}, Internals::lock_timeout(cache));
}

inline bool is_held(const Cache& cache, const Lease& lease, std::string_view key = {}) noexcept {
  session::View& view = Internals::attachment(cache).view();
  const auto known = lease_in(view, lease);
  return known &&
         view.segment.stripe_of(lease.hash)
             .holds(*known, {key, lease.hash}, view.segment.age(base::boottime_ms()), Internals::lock_timeout(cache));
}

/// Tells the log that no line was left, at most once a minute. Not to be called with a lock held.
enum class Lacking : std::uint8_t { lock, computation };
void say_lacking(const Cache& cache, session::View& view, Lacking what) noexcept;

}  // namespace forklore::cache
