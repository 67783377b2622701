#include "crash/stepper.hpp"

#include <linux/futex.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>

namespace forklore::crash {
namespace {

bool read_child(::pid_t pid, std::uint64_t from, void* to, std::size_t bytes) noexcept {
  const iovec local{to, bytes};
  const iovec remote{reinterpret_cast<void*>(from), bytes};
  return ::process_vm_readv(pid, &local, 1, &remote, 1, 0) == static_cast<ssize_t>(bytes);
}

}  // namespace

Stepper::Stepper(const std::function<void()>& prepare, const std::function<void()>& call) : pid_(::fork()) {
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    try {
      prepare();
      ::raise(SIGSTOP);
      call();
      ::raise(SIGSTOP);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s\n", error.what());
      ::_exit(3);
    }
    ::_exit(0);
  }
  int status = 0;
  if (pid_ < 0 || ::waitpid(pid_, &status, 0) != pid_ || !WIFSTOPPED(status) || WSTOPSIG(status) != SIGSTOP) {
    pid_ = WIFSTOPPED(status) ? pid_ : -1;
    throw std::runtime_error("a child that is to be traced does not get ready; is ptrace allowed here?");
  }
  ::ptrace(PTRACE_SETOPTIONS, pid_, nullptr, PTRACE_O_EXITKILL);
  void* head = nullptr;
  std::size_t size = 0;
  if (::syscall(SYS_get_robust_list, pid_, &head, &size) != 0) throw std::runtime_error("no robust list to be seen");
  robust_head_ = reinterpret_cast<std::uint64_t>(head);
}

Stepper::~Stepper() { kill(); }

bool Stepper::trapped() {
  int status = 0;
  if (::waitpid(pid_, &status, 0) != pid_) throw std::runtime_error("cannot wait for a traced child");
  if (WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP) return true;
  if (WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP) return false;
  const int signal = WIFSTOPPED(status) ? WSTOPSIG(status) : WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  if (!WIFSTOPPED(status)) pid_ = -1;
  throw std::runtime_error("the call ended in " + (signal == 0 ? "an exception" : "signal " + std::to_string(signal)));
}

bool Stepper::step() {
  if (::ptrace(PTRACE_SINGLESTEP, pid_, nullptr, nullptr) != 0) throw std::runtime_error("cannot step");
  return trapped();
}

void Stepper::run_to_end() {
  do {
    if (::ptrace(PTRACE_CONT, pid_, nullptr, nullptr) != 0) throw std::runtime_error("cannot go on");
  } while (trapped());
}

bool Stepper::run_to_system_call() {
  if (::ptrace(PTRACE_SYSCALL, pid_, nullptr, nullptr) != 0) throw std::runtime_error("cannot go on");
  return trapped();
}

#if defined(__x86_64__)

std::uint64_t Stepper::address() const noexcept {
  return static_cast<std::uint64_t>(::ptrace(PTRACE_PEEKUSER, pid_, offsetof(user, regs.rip), nullptr));
}

bool Stepper::run_to(std::uint64_t address, unsigned visits) {
  constexpr std::uint64_t kBreakpoint = 0xcc;
  std::uint64_t code = 0;
  if (!read_child(pid_, address, &code, sizeof code)) return false;
  for (unsigned visit = 1;; ++visit) {
    if (::ptrace(PTRACE_POKETEXT, pid_, address, (code & ~std::uint64_t{0xff}) | kBreakpoint) != 0) return false;
    if (::ptrace(PTRACE_CONT, pid_, nullptr, nullptr) != 0) throw std::runtime_error("cannot go on");
    const bool there = trapped();
    ::ptrace(PTRACE_POKETEXT, pid_, address, code);
    if (!there) return false;
    ::ptrace(PTRACE_POKEUSER, pid_, offsetof(user, regs.rip), address);
    if (visit == visits) return true;
    if (!step()) return false;
  }
}

bool Stepper::at_system_call() const noexcept {
  std::uint16_t code = 0;
  return read_child(pid_, address(), &code, sizeof code) && code == 0x050f;
}

#else

std::uint64_t Stepper::address() const noexcept { return 0; }
bool Stepper::run_to(std::uint64_t, unsigned) { return false; }
bool Stepper::at_system_call() const noexcept { return false; }

#endif

void Stepper::kill() noexcept {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

bool Stepper::has_pending_lock() const noexcept {
  std::uint64_t pending = 0;
  return read_child(pid_, robust_head_ + offsetof(robust_list_head, list_op_pending), &pending, sizeof pending) &&
         pending != 0;
}

}  // namespace forklore::crash
