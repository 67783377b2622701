// lock.hpp - Locks by name, over all threads of all processes of a segment.
//
//   forklore::Lock lock(cache, "nightly report");
//   if (lock.acquire(5s) == forklore::Code::ok) send_report(lock.token());  // given back at the end of the scope
//
//  * A lock is given back by its holder or by the death of its holder's process, which others find out within 25 ms of
//    waiting. Nothing takes it from a process that lives, stopped or not, unless the lock was given a ttl.
//  * With a ttl there may be two holders: the first, whose time is over and who does not know it, and the next. Give
//    token() to what the lock protects, and let that refuse a smaller one than it has seen: of one name, a later
//    holder's is larger.
//  * Locks are not entries: they are not evicted, and keys of the same name, clear() and erase() do not touch them.
//  * They go with their segment. Where it is replaced or removed, held() answers false and release() does nothing; two
//    processes may hold a name for the moment in which one of them has yet to move (a second).
//  * Who waits is served in no order. A thread that waits for a name that it holds waits for itself, unless reentrant.
//  * Each stripe has 16 to 64 lines for locks, about one for every 64 KiB. When they are used up, an acquire() waits
//    as if the lock were held, and answers full in the end. The log is told so.
#pragma once

#include <chrono>
#include <cstdint>
#include <forklore/cache.hpp>
#include <forklore/export.hpp>
#include <forklore/lease.hpp>
#include <string_view>

namespace forklore {

struct LockOptions {
  /// After so long others may take the lock though its holder lives. kForever: never.
  Ttl ttl = kForever;
  /// How many may hold the name at once: a semaphore. All that use a name say the same. More than the lines of a stripe
  /// (Stats::lock_lines / stripes) never do.
  unsigned limit = 1;
  /// A thread that holds the name gets it again at once, and gives it back with its last release. Not for several tasks
  /// of one thread (coroutines, greenlets), which are one holder.
  bool reentrant = false;
};

/// One holder's lock. For one thread at a time. The cache handle outlives it; the name is copied.
class FORKLORE_EXPORT Lock {
 public:
  /// Takes nothing yet.
  Lock(const Cache& cache, std::string_view name, const LockOptions& options = {}) noexcept;
  /// Gives back what this object has acquired, unless it was detached.
  ~Lock();
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

  /// Takes the lock, waiting for it as long as wait says. Returns ok; busy (others had it all the time, or this object
  /// holds it already and is not reentrant); full (there was no line for it); invalid_argument (a ttl of zero or less,
  /// or a limit of 0); invalid_key, read_only. Calls the wait hooks while it sleeps.
  [[nodiscard]] Code acquire(std::chrono::milliseconds wait = kForever) noexcept;
  /// The same without waiting, but for a stripe's lock.
  [[nodiscard]] Code try_acquire() noexcept { return acquire(std::chrono::milliseconds(0)); }
  /// Gives it back, or undoes one acquire() of a reentrant one. False if it was not, or no longer, held.
  bool release() noexcept;
  /// Whether it is still this object's: not after its ttl, nor in the child of a fork.
  [[nodiscard]] bool held() const noexcept;
  /// Lets the ttl begin anew, or begins another one. Returns ok, changed (no longer held), invalid_argument (zero
  /// or less), busy, read_only.
  [[nodiscard]] Code extend(Ttl ttl) noexcept;
  /// Leaves what this object has held until its ttl or the end of this process: nobody gives it back before. A thread
  /// that has a reentrant one stays inside. The object may acquire again.
  void detach() noexcept;
  /// Whether all that may hold the name do, in whatever process, so that one more would have to wait. Takes nothing;
  /// it may be otherwise a moment later. Of dead holders none counts.
  [[nodiscard]] bool locked() const noexcept;
  /// The fencing token, the same until the lock is released; 0 if it has not been acquired.
  [[nodiscard]] std::uint64_t token() const noexcept;

 private:
  bool acquire_again() noexcept;

  const Cache* cache_;
  LockOptions options_;
  std::uint64_t hash_;
  bool valid_;          // the name is one
  unsigned depth_ = 0;  // acquisitions by this object
  Lease lease_;
};

}  // namespace forklore
