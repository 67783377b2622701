// child.hpp - A child process of a test: runs a function, is killed and reaped with the object at the latest, and
// does not outlive the test either if that is killed.
#pragma once

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <utility>

namespace forklore::tests {

class Child {
 public:
  /// Forks; the child runs body and exits with what it returns, without the test's own cleaning up.
  template <typename Body>
  explicit Child(Body body) : pid_(::fork()) {
    if (pid_ != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::_exit(body());
  }
  Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
  Child& operator=(Child&& other) noexcept {
    std::swap(pid_, other.pid_);
    return *this;
  }
  ~Child() { kill(); }

  [[nodiscard]] ::pid_t pid() const noexcept { return pid_; }
  void signal(int number) const noexcept { ::kill(pid_, number); }
  /// Kills the child if it still lives, and reaps it.
  void kill() noexcept {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    join();
  }
  /// Waits until the child is a zombie, and leaves it one.
  void wait_for_end() const noexcept {
    siginfo_t info{};
    ::waitid(P_PID, static_cast<::id_t>(pid_), &info, WEXITED | WNOWAIT);
  }
  /// Reaps the child when it ends. Its exit status, or -1 if a signal ended it.
  int join() noexcept {
    int status = 0;
    if (::waitpid(std::exchange(pid_, -1), &status, 0) < 0 || !WIFEXITED(status)) return -1;
    return WEXITSTATUS(status);
  }

 private:
  ::pid_t pid_;
};

}  // namespace forklore::tests
