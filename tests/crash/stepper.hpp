// stepper.hpp - One call in a child process, an instruction at a time.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>

namespace forklore::crash {

class Stepper {
 public:
  /// Forks a child that runs prepare() and comes to a stop, call() yet to be made. Throws std::runtime_error if it does
  /// not get there.
  Stepper(const std::function<void()>& prepare, const std::function<void()>& call);
  /// Kills the child, if it has not ended.
  ~Stepper();
  Stepper(const Stepper&) = delete;
  Stepper& operator=(const Stepper&) = delete;

  /// Runs one instruction of the call; false if the call has come to its end.
  bool step();
  /// Runs to where the next system call begins or, if it stands there, ends; false if the call has come to its end.
  bool run_to_system_call();
  /// Runs at full speed to the end of the call.
  void run_to_end();
  /// Runs at full speed until the child is about to execute the instruction at address for the visits-th time. False if
  /// that cannot be had (then it stands where it stood) or the call came to its end before.
  bool run_to(std::uint64_t address, unsigned visits);
  /// Kills the child where it stands, as kill -9 does, and waits until it is gone.
  void kill() noexcept;

  [[nodiscard]] ::pid_t pid() const noexcept { return pid_; }
  /// The address of the next instruction; 0 where this program does not know the processor.
  [[nodiscard]] std::uint64_t address() const noexcept;
  /// Whether the next instruction enters the kernel.
  [[nodiscard]] bool at_system_call() const noexcept;
  /// Whether the child's robust list has a lock pending: one that the kernel would look at if it died here.
  [[nodiscard]] bool has_pending_lock() const noexcept;

 private:
  /// Waits for the child's next stop; whether it is that of a trap.
  bool trapped();

  ::pid_t pid_ = -1;
  std::uint64_t robust_head_ = 0;
};

}  // namespace forklore::crash
