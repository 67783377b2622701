// lock.hpp - Locks by name, over all threads of all processes of a segment.
//
//   forklore::Lock lock(cache, "nightly report");
//   if (lock.acquire(5s) == forklore::Code::ok) send_report(lock.token());  // given back at the end of the scope
//
//  * The holder gives a lock back. If its process dies, waiting callers notice within 25 ms. A living process keeps its
//    lock, stopped or not, unless the lock has a ttl or break_lock() takes it.
//  * With a ttl there may be two holders: the next one, and the first, which does not know that its time is over. Give
//    token() to what the lock protects. It should refuse a token smaller than one it has seen. For one name, a later
//    holder has a larger token.
//  * Locks are not entries. They are not evicted. A key of the same name, clear() and erase() do not touch them.
//  * Locks go with their segment. Once it was replaced or removed and this process has moved, held() answers false and
//    release() does nothing. A process moves at a call of its Cache, an acquire() or an extend(). For up to a second,
//    until both have moved, two processes may hold one name.
//  * Waiting callers get a lock in no order. A thread that waits for a name it holds waits for itself, unless the lock
//    is reentrant.
//  * Each stripe has 16 to 64 lines for locks, about one for every 64 KiB. When they are used up, acquire() waits as if
//    the lock were held. In the end it answers no_line, and the log says so.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <forklore/cache.hpp>
#include <forklore/export.hpp>
#include <forklore/lease.hpp>
#include <string_view>
#include <vector>

namespace forklore {

struct LockOptions {
  /// After this time another caller may take the lock, even if its holder lives. kForever: never.
  Ttl ttl = kForever;
  /// How many callers may hold the name at once. Above 1 the lock is a semaphore. Every user of a name passes the same
  /// limit. At most Stats::lock_lines / stripes can hold it.
  unsigned limit = 1;
  /// A thread that holds the name gets it again at once, and gives it back with its last release(). Several tasks of
  /// one thread (coroutines, greenlets) would be one holder: do not use it for them.
  bool reentrant = false;
};

/// Who holds a lock. The segment has no names of locks, only their hashes.
struct LockHolder {
  std::uint64_t name_hash = 0;  ///< equal for equal names
  ::pid_t process = 0;
  bool alive = false;  ///< whether the process lives. The lock of a dead one goes to the next caller that asks
  std::chrono::milliseconds held_for{0};
  Ttl left = kForever;      ///< of its ttl
  std::uint64_t token = 0;  ///< the fencing token
};

/// The lock of one holder. For one thread at a time. The cache handle must outlive it, the name need not.
class FORKLORE_EXPORT Lock {
 public:
  /// Acquires nothing yet.
  Lock(const Cache& cache, std::string_view name, const LockOptions& options = {}) noexcept;
  /// Gives back what this object has acquired, unless it was detached.
  ~Lock();
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

  /// Acquires the lock, and waits for it up to wait. Calls the wait hooks while it sleeps. Returns:
  ///   ok
  ///   busy               others held it all the time, or this object holds it and is not reentrant
  ///   no_line            all lines of its stripe were in use until the wait was over
  ///   no_memory          it is reentrant, and this process has no memory to remember it
  ///   invalid_argument   the ttl is zero or less, or the limit is 0
  ///   invalid_key, read_only
  [[nodiscard]] Code acquire(std::chrono::milliseconds wait = kForever) noexcept;
  /// The same, but waits for nothing but the stripe lock.
  [[nodiscard]] Code try_acquire() noexcept { return acquire(std::chrono::milliseconds(0)); }
  /// Gives the lock back; a reentrant one after as many calls as acquire() had. Returns false if it was not held, or no
  /// longer.
  bool release() noexcept;
  /// Whether this object still holds the lock. It does not after the ttl, nor in the child of a fork.
  [[nodiscard]] bool held() const noexcept;
  /// Gives the lock a new ttl, which begins now. Returns ok, not_held, invalid_argument (zero or less), busy or
  /// read_only.
  [[nodiscard]] Code extend(Ttl ttl) noexcept;
  /// Forgets the lock without giving it back. It stays held until its ttl, or until this process ends. The thread
  /// still counts as the holder of a reentrant one. The object may acquire again.
  void detach() noexcept;
  /// Whether `limit` living holders have the name, so that one more caller would wait. Acquires nothing. The answer may
  /// be out of date at once.
  [[nodiscard]] bool locked() const noexcept;
  /// Returns the holders of the name, in all processes. A semaphore may have more than one. Acquires nothing. The
  /// answer may be out of date at once. May throw std::bad_alloc.
  [[nodiscard]] std::vector<LockHolder> holders() const;
  /// Returns the fencing token. It stays the same until the lock is released. 0 if the lock was not acquired.
  [[nodiscard]] std::uint64_t token() const noexcept;

 private:
  bool acquire_again() noexcept;

  const Cache* cache_;
  LockOptions options_;
  std::uint64_t hash_;
  bool valid_;          // the name is a key
  unsigned depth_ = 0;  // acquisitions by this object that are not released yet
  Lease lease_;
};

/// Returns the holders of all locks of the segment. Takes no lock. May throw std::bad_alloc.
[[nodiscard]] FORKLORE_EXPORT std::vector<LockHolder> locks(const Cache& cache);

/// Takes a lock from all that hold it, though they live. Nothing else takes a lock from a living holder before its ttl.
/// The holder is not asked and goes on: its held() turns false, its release() does nothing, its token is void. So two
/// may be at what the lock protects. For an operator who knows that the holder is stuck. Returns how many held it. Also
/// 0 if the name is invalid, or if the segment cannot be written.
FORKLORE_EXPORT unsigned break_lock(const Cache& cache, std::string_view name) noexcept;

}  // namespace forklore
