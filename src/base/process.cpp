#include "base/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <ctime>
#include <span>
#include <string_view>

#include "base/hash.hpp"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434  // the same on every processor
#endif

namespace forklore::base {
namespace {

constexpr const char* kBootIdFile = "/proc/sys/kernel/random/boot_id";

constinit std::atomic<std::uint32_t> plain_epoch{0};  // the process's epoch where the kernel wipes no pages at fork
constinit std::atomic<bool> use_plain_epoch{false};
constinit std::atomic<std::uint32_t> last_epoch{0};  // the highest of this process and all its ancestors

// The word that holds the process's epoch; it is sought once. Where the kernel wipes no pages, a fork handler does.
// That one misses a child that was made by the bare system call.
std::atomic<std::uint32_t>& epoch_word() noexcept {
  std::atomic<std::uint32_t>* word = inside::process_epoch.load(std::memory_order_acquire);
  if (word != &plain_epoch || use_plain_epoch.load(std::memory_order_relaxed)) return *word;
  const auto size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  void* page = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page != MAP_FAILED && ::madvise(page, size, MADV_WIPEONFORK) == 0) {
    auto* wiped = static_cast<std::atomic<std::uint32_t>*>(page);
    // Release; partner: the load in self(). Acquire; partner: another thread's release here.
    if (inside::process_epoch.compare_exchange_strong(word, wiped, std::memory_order_acq_rel)) return *wiped;
    ::munmap(page, size);
    return *word;
  }
  if (page != MAP_FAILED) ::munmap(page, size);
  ::pthread_atfork(nullptr, nullptr, [] { plain_epoch.store(0, std::memory_order_relaxed); });
  use_plain_epoch.store(true, std::memory_order_relaxed);
  return plain_epoch;
}

// Reads up to size bytes of a small file of /proc; -1 and errno on failure.
ssize_t read_small(const char* path, char* to, std::size_t size) noexcept {
  const int descriptor = ::open(path, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return -1;
  ssize_t got = 0;
  do got = ::read(descriptor, to, size);
  while (got < 0 && errno == EINTR);
  const int why = errno;
  ::close(descriptor);
  errno = why;
  return got;
}

/// The path of a file about a process or thread.
class ProcPath {
 public:
  ProcPath(std::uint32_t id, std::string_view file) noexcept {
    char* const end = std::to_chars(path_.data() + std::strlen(path_.data()), path_.data() + path_.size(), id).ptr;
    std::copy(file.begin(), file.end(), end);
  }
  [[nodiscard]] const char* c_str() const noexcept { return path_.data(); }

 private:
  std::array<char, 32> path_{"/proc/"};
};

/// What /proc tells of a thread, or of a process by the id of its first thread.
struct ProcStat {
  char state = '?';
  std::uint64_t threads = 0;  ///< of the process
  std::uint64_t start = 0;    ///< in clock ticks since boot
  [[nodiscard]] bool ended() const noexcept { return state == 'Z' || state == 'X' || state == 'x'; }
};

// The begin of a file about a process or thread, as much as fits in text. Empty if there is no such file.
std::string_view read_about(std::uint32_t id, std::string_view file, std::span<char> text) noexcept {
  const ssize_t got = read_small(ProcPath(id, file).c_str(), text.data(), text.size());
  return {text.data(), got > 0 ? static_cast<std::size_t>(got) : 0};
}

// Reads "id (name) state ...". The name has at most 64 bytes and may hold any character. False if there is no such
// file.
bool read_stat(std::uint32_t id, ProcStat& stat) noexcept {
  std::array<char, 512> line;
  std::string_view rest = read_about(id, "/stat", line);
  if (rest.empty()) return false;
  rest.remove_prefix(std::min(rest.rfind(')'), rest.size() - 1) + 1);
  // The state is field 3, the number of threads 20, the start 22.
  for (unsigned field = 3; field <= 22; ++field) {
    const std::size_t begin = std::min(rest.find_first_not_of(' '), rest.size());
    const std::string_view word = rest.substr(begin, rest.find(' ', begin) - begin);
    if (word.empty()) break;
    if (field == 3) stat.state = word.front();
    if (field == 20) std::from_chars(word.data(), word.data() + word.size(), stat.threads);
    if (field == 22) std::from_chars(word.data(), word.data() + word.size(), stat.start);
    rest.remove_prefix(begin + word.size());
  }
  return true;
}

// Whether SIGKILL is in a set of signals, as a line of /proc/<id>/status has it.
bool kill_is_in(std::string_view status, std::string_view title) noexcept {
  const std::size_t at = status.find(title);
  if (at == std::string_view::npos) return false;
  const std::string_view digits = status.substr(at + title.size(), 16);
  std::uint64_t set = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), set, 16);
  return (set >> (SIGKILL - 1) & 1) != 0;
}

int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

// 0, or the errno of the failure.
int read_boot_id(std::array<std::uint8_t, 16>& id) noexcept {
  std::array<char, 64> text{};
  const ssize_t got = read_small(kBootIdFile, text.data(), text.size());
  if (got < 0) return errno;
  std::size_t digits = 0;
  for (ssize_t i = 0; i < got && digits < 32; ++i) {
    const int value = hex_digit(text[static_cast<std::size_t>(i)]);
    if (value < 0) continue;
    id[digits / 2] = static_cast<std::uint8_t>(id[digits / 2] << 4 | value);
    ++digits;
  }
  return digits == 32 ? 0 : EBADMSG;
}

std::uint32_t process_id(std::uint64_t process) noexcept {
  return static_cast<std::uint32_t>(process & ((std::uint64_t{1} << kProcessIdBits) - 1));
}

// Which process /proc takes this one for; -1 if there is no /proc. Needs no descriptor.
::pid_t pid_in_proc() noexcept {
  std::array<char, 32> text{};
  const ssize_t length = ::readlink("/proc/self", text.data(), text.size());
  if (length <= 0) return -1;
  ::pid_t pid = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + length, pid);
  return error == std::errc{} && end == text.data() + length ? pid : -1;
}

// Whether /proc tells about the processes that this one has ids for.
bool proc_is_ours() noexcept { return pid_in_proc() == ::getpid(); }

// Whether a thread has ended, asked without a descriptor. Such a thread has let its memory go, and so its program's
// file. False also for threads of other users, because the kernel does not tell.
bool has_no_program(std::uint32_t id) noexcept {
  char first = 0;
  return ::readlink(ProcPath(id, "/exe").c_str(), &first, 1) < 0 && errno == ENOENT;
}

// How many threads a process has. One that has ended and is not reaped counts. 0: not known. Needs no descriptor.
std::uint64_t count_threads(std::uint32_t pid) noexcept {
  struct stat status {};
  if (::stat(ProcPath(pid, "/task").c_str(), &status) != 0 || status.st_nlink < 3) return 0;
  return status.st_nlink - 2;  // each thread has a directory, and each directory is a link
}

}  // namespace

namespace inside {

constinit thread_local Self mine{};
constinit std::atomic<std::atomic<std::uint32_t>*> process_epoch{&plain_epoch};

// Under some emulators the kernel keeps no list. Then the thread gets one of its own, which nobody else reads. It stays
// when the thread ends.
static robust_list_head* robust_list_of_no_kernel() noexcept {
  static robust_list_head shared{};  // there is no memory: threads may find each other inside a lock, and answer busy
  if (mine.robust != nullptr) return mine.robust;
  void* page = ::mmap(nullptr, sizeof shared, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return page == MAP_FAILED ? &shared : static_cast<robust_list_head*>(page);
}

// A signal handler may run this while the thread is in it. So the epoch, which makes the rest valid, is stored last.
const Self& renew() noexcept {
  std::atomic<std::uint32_t>& word = epoch_word();
  std::uint32_t epoch = word.load(std::memory_order_relaxed);
  while (epoch == 0) {
    const std::uint32_t fresh = last_epoch.fetch_add(1, std::memory_order_relaxed) + 1;
    if (word.compare_exchange_strong(epoch, fresh, std::memory_order_relaxed)) epoch = fresh;
  }
  robust_list_head* robust = nullptr;
  std::size_t length = 0;
  if (::syscall(SYS_get_robust_list, 0, &robust, &length) != 0 || robust == nullptr)
    robust = robust_list_of_no_kernel();
  // A fork while a lock is held copies the pending word. But the lock is the parent's.
  if (mine.epoch != 0) std::atomic_ref(robust->list_op_pending).store(nullptr, std::memory_order_relaxed);
  mine.tid = static_cast<std::uint32_t>(::syscall(SYS_gettid));
  mine.robust = robust;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  mine.epoch = epoch;
  return mine;
}

}  // namespace inside

bool thread_exists(std::uint32_t tid) noexcept {
  if (tid == 0 || tid > INT32_MAX) return false;
  return ::syscall(SYS_tkill, static_cast<::pid_t>(tid), 0) == 0 || errno != ESRCH;
}

bool thread_alive(std::uint32_t tid) noexcept {
  if (!thread_exists(tid)) return false;
  if (!proc_is_ours()) return true;
  ProcStat stat;
  if (read_stat(tid, stat)) return !stat.ended();
  // No such file: the thread has ended, or is hidden, or no descriptor is free. It has ended if its process is seen and
  // its program is not.
  return thread_exists(tid) && !(count_threads(tid) != 0 && has_no_program(tid));
}

std::uint64_t own_process() noexcept {
  // Acquire; partner: the release below. A thread that finds the epoch finds its word.
  static constinit std::atomic<std::uint64_t> known{0};
  static constinit std::atomic<std::uint32_t> known_epoch{0};
  const std::uint32_t epoch = self().epoch;
  if (known_epoch.load(std::memory_order_acquire) == epoch) return known.load(std::memory_order_relaxed);
  const auto pid = static_cast<std::uint32_t>(::getpid());
  ProcStat stat;
  const bool seen = proc_is_ours() && read_stat(pid, stat);
  const std::uint64_t word = (seen ? stat.start << kProcessIdBits : 0) | pid;
  known.store(word, std::memory_order_relaxed);
  known_epoch.store(epoch, std::memory_order_release);
  return word;
}

bool process_alive(std::uint64_t process) noexcept {
  const std::uint32_t pid = process_id(process);
  const std::uint64_t start = process >> kProcessIdBits;
  if (process == own_process()) return true;
  if (pid == 0) return false;

  const auto descriptor = static_cast<int>(::syscall(SYS_pidfd_open, static_cast<::pid_t>(pid), 0));
  // Gone; or the id is a thread's and no process's, which is told in one of two ways.
  if (descriptor < 0 && (errno == ESRCH || errno == EINVAL || errno == ENOENT)) return false;
  const bool asked = proc_is_ours();
  ProcStat stat;
  const bool seen = asked && read_stat(pid, stat);
  bool alive = true;
  if (descriptor >= 0) {
    // Polled last: if /proc has just shown the owner under this id, the descriptor was the owner's too.
    pollfd ended{descriptor, POLLIN, 0};
    alive = ::poll(&ended, 1, 0) != 1;
    ::close(descriptor);
  } else {
    // This kernel has no pidfd, or no descriptor is free. If only the first thread of a process has ended, it is a
    // zombie but not the last thread.
    alive = ::kill(static_cast<::pid_t>(pid), 0) == 0 || errno != ESRCH;
    if (seen && stat.ended() && stat.threads <= 1) alive = false;
    if (asked && !seen && has_no_program(pid) && count_threads(pid) == 1) alive = false;
  }
  return alive && (!seen || start == 0 || stat.start == start);
}

bool process_killed(std::uint64_t process) noexcept {
  if (!proc_is_ours()) return false;
  // If the id belongs to a later process by now, then this one is dead, which is no less.
  std::array<char, 4096> text;
  const std::string_view status = read_about(process_id(process), "/status", text);
  // Pending for the process or for its first thread: a kill of the process, or of one thread, or exit_group. Each of
  // them ends all threads.
  return kill_is_in(status, "\nShdPnd:\t") || kill_is_in(status, "\nSigPnd:\t");
}

DomainLookup lock_domain() noexcept {
  DomainLookup lookup;
  const auto failed = [&](const char* file, int why) {
    lookup.file = file;
    lookup.why = why;
    return lookup;
  };
  struct stat space {};
  const ::pid_t pid = pid_in_proc();
  lookup.proc_of_others = pid != -1 && pid != ::getpid();
  if (lookup.proc_of_others) return failed("/proc/self", ESRCH);
  if (pid == -1) return failed("/proc/self", ENOENT);
  if (::stat("/proc/self/ns/pid", &space) != 0) return failed("/proc/self/ns/pid", errno);
  lookup.domain.pid_namespace_device = space.st_dev;
  lookup.domain.pid_namespace_inode = space.st_ino;
  if (::stat("/proc/self/ns/time", &space) == 0) lookup.domain.time_namespace_inode = space.st_ino;
  lookup.namespaces_known = true;
  if (const int why = read_boot_id(lookup.domain.boot_id); why != 0) return failed(kBootIdFile, why);
  lookup.known = true;
  return lookup;
}

std::uint64_t random_word() noexcept {
  std::uint64_t word = 0;
  ssize_t got = 0;
  do got = ::getrandom(&word, sizeof word, 0);
  while (got < 0 && errno == EINTR);
  if (got == sizeof word) return word;
  // There is no such call here (a strict seccomp filter). So: a number that no other thread and no other time has.
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return mix(mix(static_cast<std::uint64_t>(now.tv_sec * 1'000'000'000 + now.tv_nsec)) + self().tid);
}

}  // namespace forklore::base
