// Who holds locks, for those that merely look; and the one way in which a lock is taken from a living holder.
#include "base/process.hpp"
#include "cache/call.hpp"
#include "forklore/lock.hpp"
#include "store/leases.hpp"

namespace forklore {
namespace {

using cache::Call;

LockHolder holder_of(const store::SeenLock& seen, std::uint64_t now) {
  constexpr std::uint64_t kProcessId = (std::uint64_t{1} << base::kProcessIdBits) - 1;
  return {.name_hash = seen.hash,
          .process = static_cast<::pid_t>(seen.owner & kProcessId),
          .alive = base::process_alive(seen.owner),
          .held_for = std::chrono::milliseconds(now - std::min(seen.begun, now)),
          .left = cache::left_of(seen.deadline, now),
          .token = store::token_of(seen.lease.word)};
}

/// Calls see(lock) for each lock of a stripe that is held.
template <class See>
void each_lock(store::Stripe& stripe, std::uint64_t now, const See& see) {
  const store::Leases& leases = stripe.leases();
  store::SeenLock seen;
  for (std::uint32_t line = leases.first_lock(); line < leases.size(); ++line) {
    if (leases.see_lock(line, now, seen)) see(seen);
  }
}

}  // namespace

std::vector<LockHolder> Lock::holders() const {
  std::vector<LockHolder> holders;
  const Call call(Internals::attachment(*cache_));
  each_lock(call.segment().stripe_of(hash_), call.now(), [&](const store::SeenLock& seen) {
    if (valid_ && seen.hash == hash_) holders.push_back(holder_of(seen, call.now()));
  });
  return holders;
}

std::vector<LockHolder> locks(const Cache& cache) {
  std::vector<LockHolder> holders;
  const Call call(Internals::attachment(cache));
  for (std::uint32_t i = 0; i < call.segment().stripes(); ++i) {
    each_lock(call.segment().stripe(i), call.now(),
              [&](const store::SeenLock& seen) { holders.push_back(holder_of(seen, call.now())); });
  }
  return holders;
}

unsigned break_lock(const Cache& cache, std::string_view name) noexcept {
  const Call call(Internals::attachment(cache));
  if (!is_key(name) || !call.may_write()) return 0;
  const std::uint64_t hash = base::hash(name);
  store::Stripe& stripe = call.segment().stripe_of(hash);
  unsigned broken = 0;
  each_lock(stripe, call.now(), [&](const store::SeenLock& seen) {
    // By its token: a lock that is taken meanwhile stays. It has a line, so no stripe lock is needed.
    if (seen.hash == hash) broken += stripe.give_back(seen.lease, {{}, hash}, std::chrono::milliseconds(0));
  });
  return broken;
}

}  // namespace forklore
