// robust_lock.hpp - A lock in shared memory that survives its owner: one 32-bit futex word and nothing else.
//
// The word holds the owner's thread id and two bits of the kernel's, FUTEX_WAITERS and FUTEX_OWNER_DIED. Before a
// thread tries for the lock, it names the word as pending in its robust list, which the kernel knows. It puts nothing
// into the list itself, so no pointer lies in shared memory.
//
// What frees a dead owner's lock: the kernel. If a thread dies, the kernel looks at what the thread has pending, sets
// FUTEX_OWNER_DIED there and wakes one waiter. Where the kernel misses a death, a thread that wants the lock does the
// same (mark_dead). A waiter looks every 50 ms whether the owner lives. A call whose time is over looks once more
// whether the owner still exists. The next acquire_lock() then answers owner_died (protocol 5, 6).
//
// A thread holds at most one such lock at a time, because there is one pending word. While it does, it calls no pthread
// robust mutex.
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
  owner_died,  ///< acquired, but its last owner died: first put in order what it guards
  busy,        ///< not acquired: a living owner kept it, or this thread holds one already (in a signal handler)
};

/// The slow halves of acquire and release, and the pending word.
namespace inside {

/// What this thread has pending. It is set before the lock is tried, until after it is released, but not while the
/// thread waits. The kernel reads it when the thread dies, and sees the thread's stores in program order. So fences for
/// the compiler suffice.
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

/// Acquires the lock. Waits up to timeout, in slices of 50 ms. After each it looks at the owner: one that is gone or a
/// zombie counts as dead. With a timeout of 0 or less it never sleeps, and counts only an owner that is gone as dead.
/// From a living owner it takes nothing. Waits call the hooks of waiting.hpp. Acquire; partner: the release in
/// release_lock.
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

/// Gives the lock back, and wakes one waiter. Only the owner calls it. The child of a fork that was made while the lock
/// was held is not the owner: its call leaves the lock as it is. Release; partner: acquire_lock.
inline void release_lock(std::atomic<std::uint32_t>& word) noexcept {
  const Self& me = self();
  std::uint32_t owned = me.tid;
  if (!word.compare_exchange_strong(owned, 0, std::memory_order_release, std::memory_order_relaxed)) [[unlikely]] {
    inside::release_contended(word, me.tid);
  }
  inside::clear_pending(me);
}

}  // namespace forklore::base
