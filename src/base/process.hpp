// process.hpp - Which thread and process this is, whether another one lives, and to which processes its thread ids mean
// the same.
#pragma once

#include <linux/futex.h>
#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstdint>

namespace forklore::base {

/// What a thread keeps about itself. After a fork it is made again at the first use, also where no atfork handler runs.
struct Self {
  std::uint32_t epoch = 0;  ///< the epoch of the process that filled this in; 0: nobody has
  std::uint32_t tid = 0;
  robust_list_head* robust = nullptr;  ///< this thread's robust list, as the kernel knows it. Never null once filled in
};

/// What self() is made of. Nobody else uses it.
namespace inside {
/// It lies in the static block of thread-local storage, so that a shared library reaches it without a call.
extern constinit thread_local Self mine [[gnu::tls_model("initial-exec")]];
/// Points to the process's epoch. The kernel sets that word to 0 in the child of each fork (MADV_WIPEONFORK). It is 0
/// until a thread asks. Acquire; partner: the release in renew(), which makes the mapped word visible.
extern constinit std::atomic<std::atomic<std::uint32_t>*> process_epoch;
const Self& renew() noexcept;
}  // namespace inside

/// This process's epoch, or 0 if no thread of it has asked for its Self yet.
inline std::uint32_t epoch() noexcept {
  return inside::process_epoch.load(std::memory_order_acquire)->load(std::memory_order_relaxed);
}

/// This thread's Self, valid for this process. Mostly it takes two loads and a branch. A process's epoch differs from
/// those of all its ancestors. So what a thread keeps under its epoch is not used in the child of a fork. To other
/// processes an epoch means nothing.
inline const Self& self() noexcept {
  const std::uint32_t now = epoch();
  if (now != 0 && inside::mine.epoch == now) [[likely]]
    return inside::mine;
  return inside::renew();
}

/// Whether the thread exists and is no zombie. In doubt a thread that exists counts as alive: if there is no /proc, or
/// one that hides other users' processes, or no descriptor is free and the thread is another user's.
bool thread_alive(std::uint32_t tid) noexcept;

/// Whether the thread exists, be it a zombie. It takes one system call and reads no file. For statistics, not for
/// locks.
bool thread_exists(std::uint32_t tid) noexcept;

/// Names a process of a lock domain, as long as the host runs, by its id and when it began. So a later process of the
/// same id is somebody else. 0: nobody.
///
///    63                                     22 21                 0
///   +-----------------------------------------+--------------------+
///   |  start, in clock ticks since boot       |     process id     |   start 0: not known (no /proc of its own)
///   +-----------------------------------------+--------------------+
inline constexpr unsigned kProcessIdBits = 22;
/// The name of this process. The child of a fork has another.
std::uint64_t own_process() noexcept;
/// Whether the process has a thread that lives. False if it is gone or a zombie; true if only its first thread has
/// ended. In doubt (no /proc, or one that hides other users' processes) a process of that id counts as this one, and as
/// alive. If no descriptor is free: a process of the same user that has ended is found out all the same, reaped or not.
/// A zombie of another user, or another process with the same id, counts as alive until a descriptor is free.
bool process_alive(std::uint64_t process) noexcept;
/// Whether SIGKILL is on its way to all threads of the process. It may stay alive for long, as each thread needs a
/// processor to end on. But it runs nothing of its own, beyond what a processor executes at this moment. False if the
/// process has ended, and in doubt (no /proc, or one that hides other users' processes; no free descriptor).
bool process_killed(std::uint64_t process) noexcept;

/// The processes to which a thread id means the same thread: those of one boot of one host, one pid namespace and one
/// time namespace. Only they may share locks.
struct LockDomain {
  std::array<std::uint8_t, 16> boot_id{};  ///< of the running kernel
  std::uint64_t pid_namespace_device = 0;
  std::uint64_t pid_namespace_inode = 0;
  std::uint64_t time_namespace_inode = 0;
  friend bool operator==(const LockDomain&, const LockDomain&) = default;
  /// Whether the namespaces are the same. Enough if one process has forked from the other: then the boot is the same.
  [[nodiscard]] bool same_namespaces(const LockDomain& other) const noexcept {
    return pid_namespace_device == other.pid_namespace_device && pid_namespace_inode == other.pid_namespace_inode &&
           time_namespace_inode == other.time_namespace_inode;
  }
};
static_assert(sizeof(LockDomain) == 40);

/// The domain of this process, as far as /proc tells it. Only the boot needs a free descriptor.
struct DomainLookup {
  bool known = false;             ///< all of the domain is known
  bool namespaces_known = false;  ///< all of it but the boot is known
  bool proc_of_others = false;    ///< /proc belongs to another pid namespace than this process
  const char* file = nullptr;     ///< what could not be read; null if all is known
  int why = 0;                    ///< the errno of that
  LockDomain domain;
};
DomainLookup lock_domain() noexcept;

/// 8 unpredictable bytes from the kernel.
std::uint64_t random_word() noexcept;

}  // namespace forklore::base
