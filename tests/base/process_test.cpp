#include "base/process.hpp"

#include <doctest/doctest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <iterator>
#include <thread>

#include "child.hpp"
#include "named_child.hpp"
#include "no_descriptors.hpp"

using namespace forklore::base;
using forklore::tests::Child;
using forklore::tests::KilledChild;
using forklore::tests::NamedChild;

namespace {

constexpr unsigned kPidfdOpen = 434;  // the same on every processor
constexpr int kCannot = 77;

std::uint32_t gettid_now() { return static_cast<std::uint32_t>(::syscall(SYS_gettid)); }

bool self_is_right() {
  robust_list_head* head = nullptr;
  std::size_t length = 0;
  ::syscall(SYS_get_robust_list, 0, &head, &length);
  return self().tid == gettid_now() && self().robust == head && self().epoch != 0;
}

// A thread that lives until it is told to end.
class Other {
 public:
  Other() {
    while (tid_ == 0) std::this_thread::yield();
  }
  ~Other() { end(); }
  [[nodiscard]] std::uint32_t tid() const { return tid_; }
  void end() {
    end_ = true;
    if (thread_.joinable()) thread_.join();
  }

 private:
  std::atomic<std::uint32_t> tid_{0};
  std::atomic<bool> end_{false};
  std::thread thread_{[this] {
    tid_ = self().tid;
    while (!end_) std::this_thread::yield();
  }};
};

// 0 if it is known of other processes whether they live, in whatever way they are looked at; else what is not.
int wrong_about_others() {
  if (!process_alive(own_process()) || process_killed(own_process())) return 1;
  NamedChild child([] { return ::pause(); });
  const std::uint64_t name = child.name();
  if (!process_alive(name) || process_killed(name)) return 2;
  if (process_alive(name + (std::uint64_t{1} << kProcessIdBits))) return 3;  // began later
  child.signal(SIGSTOP);
  if (!process_alive(name) || process_killed(name)) return 4;
  child.signal(SIGKILL);
  child.wait_for_end();
  if (process_alive(name)) return 5;  // a zombie
  child.join();
  if (process_alive(name) || process_killed(name)) return 6;

  NamedChild headless([] {
    std::thread([] {
      for (;;) ::pause();
    }).detach();
    ::syscall(SYS_exit, 0);  // this thread alone
    return 0;
  });
  ::usleep(20'000);  // for the first thread to end, if it has not
  if (!process_alive(headless.name()) || process_killed(headless.name())) return 7;
  headless.signal(SIGKILL);
  headless.wait_for_end();
  return process_alive(headless.name()) ? 8 : 0;
}

// The same, looked at by a process that has no descriptor left. What needs one is taken for alive.
int wrong_without_descriptors() {
  NamedChild child([] { return ::pause(); });
  NamedChild headless([] {
    std::thread([] {
      for (;;) ::pause();
    }).detach();
    ::syscall(SYS_exit, 0);  // this thread alone
    return 0;
  });
  const auto first_thread = static_cast<std::uint32_t>(headless.pid());
  while (thread_alive(first_thread)) ::usleep(1000);
  static_cast<void>(own_process());
  if (!forklore::tests::leave_descriptors(0)) return 1;
  if (!process_alive(own_process()) || !process_alive(child.name()) || process_killed(child.name())) return 2;
  if (!process_alive(headless.name()) || thread_alive(first_thread)) return 3;
  child.signal(SIGSTOP);
  if (!process_alive(child.name()) || !thread_alive(static_cast<std::uint32_t>(child.pid()))) return 4;
  child.signal(SIGKILL);
  child.wait_for_end();
  if (process_alive(child.name()) || thread_alive(static_cast<std::uint32_t>(child.pid()))) return 5;  // a zombie
  headless.signal(SIGKILL);
  headless.wait_for_end();
  if (process_alive(headless.name())) return 6;
  child.join();
  return process_alive(child.name()) ? 7 : 0;
}

// Has the kernel answer a system call, given these, as one that does not know it. False if that cannot be had.
bool forget(unsigned call, long first = 0, void* second = nullptr, void* third = nullptr) {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter{std::size(program), program};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0 &&
         ::syscall(static_cast<long>(call), first, second, third) == -1 && errno == ENOSYS;
}

}  // namespace

TEST_CASE("where the kernel keeps no robust lists, each thread has one of its own, also in the child of a fork") {
  Child child([] {
    robust_list_head* head = nullptr;
    std::size_t length = 0;
    if (!forget(SYS_get_robust_list, 0, &head, &length)) return kCannot;
    robust_list entry{};
    robust_list_head* const mine = self().robust;
    if (mine == nullptr || mine->list_op_pending != nullptr) return 1;
    mine->list_op_pending = &entry;
    int wrong = 0;
    std::thread([&] { wrong = self().robust == mine || self().robust->list_op_pending != nullptr ? 2 : 0; }).join();
    if (wrong != 0 || self().robust != mine) return 3;
    return Child([mine] { return self().robust == mine && mine->list_op_pending == nullptr ? 0 : 1; }).join();
  });
  const int wrong = child.join();
  if (wrong == kCannot) {
    MESSAGE("no system call can be refused here");
    return;
  }
  CHECK(wrong == 0);
}

TEST_CASE("self knows the thread, and the same in all threads is the epoch") {
  CHECK(self_is_right());
  const Self mine = self();
  std::thread([&] {
    CHECK(self_is_right());
    CHECK(self().tid != mine.tid);
    CHECK(self().epoch == mine.epoch);
  }).join();
  CHECK(self().tid == mine.tid);
}

TEST_CASE("a child is somebody else, and so is its child") {
  const Self parent = self();
  Child child([parent] {
    if (!self_is_right() || self().epoch == parent.epoch || self().tid == parent.tid) return 1;
    const Self mine = self();
    return Child([parent, mine] {
             return self_is_right() && self().epoch != parent.epoch && self().epoch != mine.epoch ? 0 : 1;
           })
        .join();
  });
  CHECK(child.join() == 0);
  CHECK(self().epoch == parent.epoch);
}

TEST_CASE("a child is somebody else if its parent never asked") {
  const std::uint32_t grandparent = self().epoch;
  Child child([grandparent] {
    return Child([grandparent] { return self_is_right() && self().epoch != grandparent ? 0 : 1; }).join();
  });
  CHECK(child.join() == 0);
}

TEST_CASE("a child made by the bare system call, where no fork handler runs, is somebody else") {
  const Self parent = self();
  const long pid = ::syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr);
  if (pid == 0) ::_exit(self().tid == gettid_now() && self().epoch != parent.epoch ? 0 : 1);
  REQUIRE(pid > 0);
  int status = -1;
  ::waitpid(static_cast<::pid_t>(pid), &status, 0);
  CHECK(status == 0);
}

TEST_CASE("a fork forgets what its parent had pending") {
  robust_list entry{};
  self().robust->list_op_pending = &entry;
  Child child([] { return self().robust->list_op_pending == nullptr ? 0 : 1; });
  CHECK(child.join() == 0);
  CHECK(self().robust->list_op_pending == &entry);
  self().robust->list_op_pending = nullptr;
}

TEST_CASE("threads live, zombies exist, and who was reaped does neither") {
  CHECK(thread_alive(self().tid));
  CHECK(thread_exists(self().tid));

  Other other;
  const std::uint32_t tid = other.tid();
  CHECK(thread_alive(tid));
  other.end();
  // join() waits for the thread's own word; the kernel takes the thread away a moment later.
  for (int i = 0; i < 20'000 && thread_exists(tid); ++i) ::usleep(1000);
  CHECK_FALSE(thread_alive(tid));
  CHECK_FALSE(thread_exists(tid));

  Child child([] { return 0; });
  const auto pid = static_cast<std::uint32_t>(child.pid());
  child.wait_for_end();
  CHECK(thread_exists(pid));
  CHECK_FALSE(thread_alive(pid));
  child.join();
  CHECK_FALSE(thread_exists(pid));
  CHECK_FALSE(thread_alive(pid));
}

TEST_CASE("a stopped process lives, and one with a misleading name as well") {
  Child child([] {
    ::prctl(PR_SET_NAME, "a) Z (b) X");
    ::raise(SIGSTOP);
    return 0;
  });
  int status = 0;
  ::waitpid(child.pid(), &status, WUNTRACED);
  CHECK(thread_alive(static_cast<std::uint32_t>(child.pid())));
}

TEST_CASE("a process is named by its id and its start, a child is another one") {
  const std::uint64_t mine = own_process();
  CHECK(mine == own_process());
  CHECK((mine & ((1u << kProcessIdBits) - 1)) == static_cast<std::uint64_t>(::getpid()));
  CHECK((mine >> kProcessIdBits) != 0);
  CHECK(process_alive(mine));
  Child child([mine] { return own_process() != mine && process_alive(mine) && process_alive(own_process()) ? 0 : 1; });
  CHECK(child.join() == 0);
}

TEST_CASE("a process lives until its last thread has ended, reaped or not; who has its id later is another") {
  CHECK(wrong_about_others() == 0);
}

TEST_CASE("the same where the kernel has no pidfd") {
  Child child([] {
    if (!forget(kPidfdOpen, ::getpid())) return kCannot;
    return process_alive((1u << kProcessIdBits) - 1) ? 100 : wrong_about_others();
  });
  const int wrong = child.join();
  if (wrong == kCannot) {
    MESSAGE("no system call can be refused here");
    return;
  }
  CHECK(wrong == 0);
}

TEST_CASE("a zombie is found out, and no living process, where no descriptor is free") {
  CHECK(Child(wrong_without_descriptors).join() == 0);
  CHECK(Child([] { return forget(kPidfdOpen, ::getpid()) ? wrong_without_descriptors() : 0; }).join() == 0);
}

TEST_CASE("the namespaces are known where no descriptor is free; what could not be read is said") {
  const DomainLookup mine = lock_domain();
  CHECK(mine.why == 0);
  Child child([&] {
    if (!forklore::tests::leave_descriptors(0)) return 1;
    const DomainLookup lookup = lock_domain();
    const bool right = !lookup.known && lookup.namespaces_known && !lookup.proc_of_others && lookup.why == EMFILE;
    return right && lookup.domain.same_namespaces(mine.domain) ? 0 : 2;
  });
  CHECK(child.join() == 0);
}

TEST_CASE("a process that was killed is known as such before its last thread has ended") {
  KilledChild child;
  if (!child.kept()) {
    MESSAGE("no process can be kept at its end here");
    return;
  }
  CHECK(process_alive(child.name()));
  CHECK(process_killed(child.name()));
  child.let_go();
  CHECK_FALSE(process_alive(child.name()));
  CHECK_FALSE(process_killed(child.name()));
}

TEST_CASE("no process has these names, nor the id of another thread") {
  CHECK_FALSE(process_alive(0));
  CHECK_FALSE(process_alive((1u << kProcessIdBits) - 1));
  CHECK_FALSE(process_alive(~std::uint64_t{0}));
  CHECK_FALSE(process_alive(Other().tid()));
}

TEST_CASE("no thread has these ids") {
  for (const std::uint32_t tid : {0u, 0x3fffffffu, 0x7fffffffu, 0x80000000u, 0xffffffffu}) {
    CHECK_FALSE(thread_exists(tid));
    CHECK_FALSE(thread_alive(tid));
  }
}

TEST_CASE("the lock domain is the same in a child, and not in another pid namespace") {
  const DomainLookup mine = lock_domain();
  REQUIRE(mine.known);
  CHECK(mine.domain.pid_namespace_inode != 0);
  CHECK(mine.domain.boot_id != std::array<std::uint8_t, 16>{});
  Child same([&] { return lock_domain().known && lock_domain().domain == mine.domain ? 0 : 1; });
  CHECK(same.join() == 0);

  Child other([&] {
    if (::unshare(CLONE_NEWUSER | CLONE_NEWPID) != 0) return 2;
    return Child([&] {  // the old namespace's /proc is mounted
             const DomainLookup lookup = lock_domain();
             return lookup.known || !lookup.proc_of_others ? 1 : 0;
           })
        .join();
  });
  const int result = other.join();
  if (result == 2) MESSAGE("no pid namespace can be made here");
  CHECK(result != 1);
}

TEST_CASE("random words differ") { CHECK(random_word() != random_word()); }
