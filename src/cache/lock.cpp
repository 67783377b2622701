#include "forklore/lock.hpp"

#include <algorithm>
#include <exception>
#include <thread>
#include <utility>
#include <vector>

#include "base/waiting.hpp"
#include "cache/lease_call.hpp"
#include "session/thread.hpp"

namespace forklore {

namespace {

using cache::Call;
using cache::give_back;
using cache::is_held;
using cache::kLookAtOwner;
using cache::Lacking;
using cache::lease_in;
using cache::lease_of;
using cache::say_lacking;
using session::HeldLock;
using session::Thread;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using store::Grant;

HeldLock* find_held(const Cache& cache, std::uint64_t hash) noexcept {
  const Thread* const thread = Thread::find();
  if (thread == nullptr || thread->held == nullptr) return nullptr;
  for (HeldLock& held : *thread->held) {
    if (held.attachment == &Internals::attachment(cache) && held.lease.hash == hash) return &held;
  }
  return nullptr;
}

/// Returns false if there is no memory for it.
bool remember(const HeldLock& held) noexcept {
  Thread* const thread = Thread::get();
  if (thread == nullptr) return false;
  try {
    if (thread->held == nullptr) thread->held = new std::vector<HeldLock>;
    thread->held->push_back(held);
  } catch (const std::exception&) {
    if (thread->held != nullptr && thread->held->empty()) delete std::exchange(thread->held, nullptr);
    return false;
  }
  return true;
}

void forget(HeldLock* held) noexcept {
  Thread* const thread = Thread::find();
  *held = thread->held->back();
  thread->held->pop_back();
  if (thread->held->empty()) delete std::exchange(thread->held, nullptr);
}

Clock::time_point after(milliseconds wait) noexcept {
  return Clock::now() + std::clamp<milliseconds>(wait, milliseconds(0), std::chrono::hours(24 * 365 * 100));
}

/// Whether a time to live is over as it begins. A lock for such a time would exclude nobody.
bool is_over(Ttl ttl) noexcept { return ttl <= Ttl::zero() && ttl != kDefaultTtl; }

}  // namespace

Lock::Lock(const Cache& cache, std::string_view name, const LockOptions& options) noexcept
    : cache_(&cache), options_(options), hash_(base::hash(name)), valid_(is_key(name)) {}

Lock::~Lock() {
  while (depth_ > 0) release();
}

/// Acquires a name once more for the thread that holds it. Returns false if it does not.
bool Lock::acquire_again() noexcept {
  HeldLock* const mine = find_held(*cache_, hash_);
  if (mine == nullptr) return false;
  if (!is_held(*cache_, mine->lease)) {
    forget(mine);
    return false;
  }
  ++mine->depth;
  ++depth_;
  lease_ = mine->lease;
  return true;
}

Code Lock::acquire(milliseconds wait) noexcept {
  if (!valid_) return Code::invalid_key;
  if (is_over(options_.ttl) || options_.limit == 0) return Code::invalid_argument;
  if (options_.reentrant) {
    if (acquire_again()) return Code::ok;
  } else if (held()) {
    return Code::busy;
  }
  depth_ = 0;
  bool waits = false;
  const Clock::time_point until = after(wait);
  for (;;) {
    const Call call(Internals::attachment(*cache_));
    if (!call.may_write()) return Code::read_only;
    store::Stripe& stripe = call.segment().stripe_of(hash_);
    const std::uint64_t expiry = call.expiry(options_.ttl, kForever);
    const store::LeaseWish wish{.kind = store::LeaseKind::lock,
                                .hash = hash_,
                                .limit = options_.limit,
                                .owner = base::own_process(),
                                .deadline = expiry};
    store::LeaseId lease;
    store::Holders holders;
    const Grant grant =
        stripe.acquire({{}, hash_}, wish, 0, call.now(), Internals::lock_timeout(*cache_), lease, holders);
    if (grant == Grant::granted) {
      lease_ = lease_of(call.view(), wish, lease);
      depth_ = 1;
      if (options_.reentrant && !remember({&Internals::attachment(*cache_), lease_, 1})) {
        depth_ = 0;
        give_back(*cache_, std::exchange(lease_, {}));
        return Code::no_memory;
      }
      return Code::ok;
    }
    if (grant != Grant::busy && stripe.give_back_of_dead(holders, {}, milliseconds(0)) != 0) continue;
    if (grant == Grant::full) say_lacking(*cache_, call.view(), Lacking::lock);
    const auto left = until - Clock::now();
    if (left <= Clock::duration::zero()) {
      call.count(&store::CounterLine::busy);
      return grant == Grant::full ? Code::no_line : Code::busy;
    }
    if (!std::exchange(waits, true)) stripe.leases().count_wait();
    const base::Waiting waiting;
    if (grant == Grant::busy) {
      std::this_thread::sleep_for(milliseconds(1));  // lock_timeout may be 0
      continue;
    }
    stripe.leases().wait(hash_, store::LeaseKind::lock, holders.events, std::min<Clock::duration>(left, kLookAtOwner));
  }
}

bool Lock::release() noexcept {
  if (depth_ == 0) return false;
  --depth_;
  const Lease lease = lease_;
  if (depth_ == 0) lease_ = {};
  if (options_.reentrant) {
    HeldLock* const mine = find_held(*cache_, hash_);
    if (mine == nullptr || mine->lease.word != lease.word) return false;
    if (--mine->depth > 0) return is_held(*cache_, lease);
    forget(mine);
  }
  return give_back(*cache_, lease);
}

bool Lock::held() const noexcept { return depth_ > 0 && is_held(*cache_, lease_); }

Code Lock::extend(Ttl ttl) noexcept {
  if (is_over(ttl)) return Code::invalid_argument;
  const Call call(Internals::attachment(*cache_));
  const auto known = lease_in(call.view(), lease_);
  if (!known) return Code::not_held;
  if (!call.may_write()) return Code::read_only;
  return call.segment().stripe_of(hash_).extend(*known, call.now(), call.expiry(ttl, kForever),
                                                Internals::lock_timeout(*cache_));
}

void Lock::detach() noexcept {
  depth_ = 0;
  lease_ = {};
}

bool Lock::locked() const noexcept {
  if (!valid_) return false;
  const Call call(Internals::attachment(*cache_));
  store::Holders holders;
  call.segment().stripe_of(hash_).leases().find_locks(hash_, call.now(), holders);
  const auto end = holders.held.begin() + holders.count;
  const auto alive = std::count_if(holders.held.begin(), end,
                                   [](const store::Holder& held) { return base::process_alive(held.owner); });
  return alive >= std::max<std::int64_t>(options_.limit, 1);
}

std::uint64_t Lock::token() const noexcept { return store::token_of(lease_.word); }

}  // namespace forklore
