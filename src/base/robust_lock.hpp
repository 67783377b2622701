// robust_lock.hpp - A lock in shared memory that survives its owner: one 32-bit futex word and nothing else.
//
// The word holds the owner's thread id, FUTEX_WAITERS and FUTEX_OWNER_DIED, as the kernel's robust-list protocol
// has it. Only the pending slot of the thread's existing robust head is used, so no list node and no pointer lies
// in shared memory. If the owner dies between acquire and release, the kernel sets FUTEX_OWNER_DIED and wakes one.
//
// A thread holds at most one at a time, and calls no pthread robust mutex while it does (there is one pending slot).
#pragma once

#include <linux/futex.h>

#include <atomic>
#include <chrono>
#include <cstdint>

#include "base/process.hpp"
#include "base/test_fault.hpp"

namespace forklore::base {

enum class Acquired : std::uint8_t {
  ok,
  owner_died,  ///< acquired as well; what it guards must be looked over first
  busy,        ///< not acquired: a living owner kept it, or this thread is inside a lock already (a signal handler)
};

/// The slow halves of acquire and release, and the pending slot.
namespace inside {

/// What this thread's robust head has pending: set from before the lock is tried until after it is released, but
/// not while waiting. The kernel reads it when the thread dies, in program order, so fences for the compiler suffice.
inline robust_list* pending(const Self& me) noexcept {
  return std::atomic_ref(me.robust->list_op_pending).load(std::memory_order_relaxed);
}

inline void set_pending(const Self& me, std::atomic<std::uint32_t>& word) noexcept {
  if (broken("lock-not-pending")) return;
  auto* entry = reinterpret_cast<robust_list*>(reinterpret_cast<char*>(&word) - me.robust->futex_offset);
  std::atomic_ref(me.robust->list_op_pending).store(entry, std::memory_order_relaxed);
  std::atomic_signal_fence(std::memory_order_seq_cst);
}

inline void clear_pending(const Self& me) noexcept {
  std::atomic_signal_fence(std::memory_order_seq_cst);
  std::atomic_ref(me.robust->list_op_pending).store(nullptr, std::memory_order_relaxed);
}

Acquired acquire_contended(std::atomic<std::uint32_t>& word, std::chrono::milliseconds timeout) noexcept;
void release_contended(std::atomic<std::uint32_t>& word, std::uint32_t tid) noexcept;

}  // namespace inside

/// Acquires word, waiting up to timeout in slices of 50 ms; after each, and at the end, an owner that is gone or a
/// zombie is treated as dead. A timeout of 0 or less never sleeps and takes over only from an owner that is gone.
/// A living owner is never robbed. Waits call the hooks of waiting.hpp. Acquire; partner: the release in release_lock.
[[nodiscard]] inline Acquired acquire_lock(std::atomic<std::uint32_t>& word,
                                           std::chrono::milliseconds timeout) noexcept {
  const Self& me = self();
  if (inside::pending(me) != nullptr) return Acquired::busy;
  inside::set_pending(me, word);
  std::uint32_t free = 0;
  if (word.compare_exchange_strong(free, me.tid, std::memory_order_acquire, std::memory_order_relaxed)) [[likely]] {
    return Acquired::ok;
  }
  return inside::acquire_contended(word, timeout);
}

/// Gives word back and wakes one waiter. Only the owner may call; the child of a fork made inside the lock is not
/// the owner, and its call leaves the lock as it is. Release; partner: acquire_lock.
inline void release_lock(std::atomic<std::uint32_t>& word) noexcept {
  const Self& me = self();
  std::uint32_t owned = me.tid;
  if (!word.compare_exchange_strong(owned, 0, std::memory_order_release, std::memory_order_relaxed)) [[unlikely]] {
    inside::release_contended(word, me.tid);
  }
  inside::clear_pending(me);
}

}  // namespace forklore::base
