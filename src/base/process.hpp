// process.hpp - Who this thread is, whether another still lives, and which others its kernel ids mean something to.
#pragma once

#include <linux/futex.h>
#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstdint>

namespace forklore::base {

/// What a thread keeps about itself. Made anew at first use after fork, also where no atfork handler runs.
struct Self {
  std::uint32_t epoch = 0;  ///< of the process that filled this in, never 0 then; 0 in a thread that never asked
  std::uint32_t tid = 0;
  robust_list_head* robust = nullptr;  ///< this thread's list, as the kernel knows it; never null once filled in
};

/// What self() is made of; nobody else looks here.
namespace inside {
/// In the static block of thread-local storage, so that a shared library reaches it without a call.
extern constinit thread_local Self mine [[gnu::tls_model("initial-exec")]];
/// Points to the process's epoch: a word that the kernel zeroes in the child of every fork (MADV_WIPEONFORK), 0 until
/// some thread asks. Acquire; partner: the release in renew(), which makes the mapped word visible.
extern constinit std::atomic<std::atomic<std::uint32_t>*> process_epoch;
const Self& renew() noexcept;
}  // namespace inside

/// This process's epoch, or 0 if no thread of it has asked for its Self yet.
inline std::uint32_t epoch() noexcept {
  return inside::process_epoch.load(std::memory_order_acquire)->load(std::memory_order_relaxed);
}

/// This thread's Self, valid for this process. Two loads and a branch when it is. The returned epoch differs between
/// any process and all its ancestors, so whoever keys a per-thread cache by it is safe across fork. It means nothing
/// to other processes.
inline const Self& self() noexcept {
  const std::uint32_t now = epoch();
  if (now != 0 && inside::mine.epoch == now) [[likely]]
    return inside::mine;
  return inside::renew();
}

/// Whether the thread exists and is more than a zombie waiting to be reaped. In doubt (no /proc, or one that hides
/// other users' processes; no free descriptor, and it is another user's) a thread that exists is alive.
bool thread_alive(std::uint32_t tid) noexcept;

/// Whether thread tid exists at all, a zombie included: one system call, no file read. For statistics, not for locks.
bool thread_exists(std::uint32_t tid) noexcept;

/// Names one process of a lock domain for as long as the host runs: its id and when it began, so that who gets the id
/// later is somebody else. 0: nobody.
///
///    63                                     22 21                 0
///   +-----------------------------------------+--------------------+
///   |  start, in clock ticks since boot       |     process id     |   start 0: not known (no /proc of its own)
///   +-----------------------------------------+--------------------+
inline constexpr unsigned kProcessIdBits = 22;
/// This process's; another one in the child of a fork.
std::uint64_t own_process() noexcept;
/// Whether the process has a thread that lives: not if it is gone or a zombie, but if only its first thread has ended.
/// In doubt (no /proc, or one that hides other users' processes) a process of that id is taken for it, and alive.
/// Where no descriptor is free, a process of the same user that has ended is found out all the same, reaped or not. Not
/// so another user's zombie, nor who has the id of a process that is gone: they count as alive, until one is free.
bool process_alive(std::uint64_t process) noexcept;
/// Whether a SIGKILL is on its way to all threads that the process has. It may be alive for long, as each of them needs
/// a processor to end on, but runs nothing of its own any more, but for what a processor is at in this moment. In doubt
/// (no /proc, or one that hides other users' processes; no free descriptor), and of a process that has ended, false.
bool process_killed(std::uint64_t process) noexcept;

/// The set of processes to whom a thread id means the same thread: one boot of one host, one pid namespace, one
/// time namespace. Locks may be shared only inside it.
struct LockDomain {
  std::array<std::uint8_t, 16> boot_id{};  ///< of the running kernel
  std::uint64_t pid_namespace_device = 0;
  std::uint64_t pid_namespace_inode = 0;
  std::uint64_t time_namespace_inode = 0;
  friend bool operator==(const LockDomain&, const LockDomain&) = default;
  /// Whether the namespaces are the same. The boot is, where one process has forked from the other.
  [[nodiscard]] bool same_namespaces(const LockDomain& other) const noexcept {
    return pid_namespace_device == other.pid_namespace_device && pid_namespace_inode == other.pid_namespace_inode &&
           time_namespace_inode == other.time_namespace_inode;
  }
};
static_assert(sizeof(LockDomain) == 40);

/// This process's domain, as far as /proc tells. Only the boot needs a descriptor.
struct DomainLookup {
  bool known = false;             ///< all of it
  bool namespaces_known = false;  ///< all but the boot
  bool proc_of_others = false;    ///< /proc belongs to another pid namespace: this process was born outside of that
  const char* file = nullptr;     ///< what could not be read; null if it is known
  int why = 0;                    ///< its errno
  LockDomain domain;
};
DomainLookup lock_domain() noexcept;

/// 8 unpredictable bytes from the kernel.
std::uint64_t random_word() noexcept;

}  // namespace forklore::base
