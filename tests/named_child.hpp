// named_child.hpp - Children whose name as a process (base::own_process()) their parent knows.
#pragma once

#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdint>

#include "base/process.hpp"
#include "child.hpp"

namespace forklore::tests {

/// A child that runs body, and has told its name before.
class NamedChild {
 public:
  template <typename Body>
  explicit NamedChild(Body body) : child_(with_name(body)) {
    ::close(ends_[1]);
    if (::read(ends_[0], &name_, sizeof name_) != sizeof name_) name_ = 0;
    ::close(ends_[0]);
  }
  [[nodiscard]] std::uint64_t name() const noexcept { return name_; }
  [[nodiscard]] ::pid_t pid() const noexcept { return child_.pid(); }
  void signal(int number) const noexcept { child_.signal(number); }
  void wait_for_end() const noexcept { child_.wait_for_end(); }
  int join() noexcept { return child_.join(); }

 private:
  template <typename Body>
  Child with_name(Body body) {
    if (::pipe(ends_.data()) != 0) ::_exit(125);
    return Child([this, body] {
      const std::uint64_t name = base::own_process();
      if (::write(ends_[1], &name, sizeof name) != sizeof name) return 125;
      return static_cast<int>(body());
    });
  }

  std::array<int, 2> ends_{-1, -1};
  std::uint64_t name_ = 0;
  Child child_;
};

/// A child that was killed and cannot end: as one whose threads find no processor to end on.
class KilledChild {
 public:
  KilledChild() {
    if (::ptrace(PTRACE_SEIZE, child_.pid(), nullptr, PTRACE_O_TRACEEXIT) != 0) return;
    child_.signal(SIGKILL);
    int status = 0;
    ::waitpid(child_.pid(), &status, 0);
    kept_ = WIFSTOPPED(status) && status >> 16 == PTRACE_EVENT_EXIT;
  }
  ~KilledChild() { let_go(); }
  KilledChild(const KilledChild&) = delete;
  KilledChild& operator=(const KilledChild&) = delete;

  [[nodiscard]] std::uint64_t name() const noexcept { return child_.name(); }
  /// False where no process can be traced.
  [[nodiscard]] bool kept() const noexcept { return kept_; }
  /// Lets it end, and waits for that.
  void let_go() noexcept {
    if (!kept_) return;
    kept_ = false;
    ::ptrace(PTRACE_DETACH, child_.pid(), nullptr, nullptr);
    child_.join();
  }

 private:
  NamedChild child_{[] {
    for (;;) ::pause();
    return 0;
  }};
  bool kept_ = false;
};

}  // namespace forklore::tests
