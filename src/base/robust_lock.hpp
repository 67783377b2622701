// robust_lock.hpp - A lock in shared memory that survives its owner: one 32-bit futex word and nothing else.
//
// The word holds the owner's thread id, FUTEX_WAITERS and FUTEX_OWNER_DIED, as the kernel's robust-list protocol
// has it. Only the pending slot of the thread's existing robust head is used, so no list node and no pointer lies
// in shared memory. If the owner dies between acquire and release, the kernel sets FUTEX_OWNER_DIED and wakes one.
//
// A thread holds at most one at a time, and calls no pthread robust mutex while it does (there is one pending slot).
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace forklore::base {

enum class Acquired : std::uint8_t {
  ok,
  owner_died,  ///< acquired as well; what it guards must be looked over first
  busy,        ///< not acquired: a living owner kept it, or this thread holds it already (a signal handler)
};

/// Acquires word, waiting up to timeout in slices of 50 ms; after each, an owner that is gone or a zombie is
/// treated as dead. A living owner is never robbed. Acquire; partner: the release in release_lock.
[[nodiscard]] Acquired acquire_lock(std::atomic<std::uint32_t>& word, std::chrono::milliseconds timeout) noexcept;

/// Gives word back and wakes one waiter. Only the owner may call. Release; partner: acquire_lock.
void release_lock(std::atomic<std::uint32_t>& word) noexcept;

/// What acquire_lock calls around its waiting, with nothing held. Process-wide; each may be nullptr.
struct WaitHooks {
  void (*before)() = nullptr;
  void (*after)() = nullptr;
};
void set_wait_hooks(WaitHooks hooks) noexcept;

}  // namespace forklore::base
