// checker.hpp - Another process that looks at what a death has left: it opens the segment, reads everything, takes the
// lock, verifies, reads again, writes on, and verifies again. It has a bounded time for that.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <string>

#include "crash/contents.hpp"
#include "crash/scenario.hpp"

namespace forklore::crash {

/// What a checker asks of a segment, in its process. Returns what is wrong, or nothing.
using Examine = std::function<std::string(const std::string& name)>;

/// The examination of a segment in which a call died: each key must be as in before or as in after, and what else is
/// asked of it must hold.
std::string examine(const std::string& name, const Contents& before, const Contents& after, const Also& also = {});

/// Writes 200 entries and reads each back; then no damage may have been met. Returns what is wrong, or nothing.
std::string write_on(Cache& cache);

class Checker {
 public:
  explicit Checker(Examine how) : how_(std::move(how)) {}
  ~Checker() { end(); }
  Checker(const Checker&) = delete;
  Checker& operator=(const Checker&) = delete;

  /// What is wrong with the segment of that name, or nothing. A checker that takes longer than 10 s hangs.
  std::string check(const std::string& name);
  [[nodiscard]] std::chrono::milliseconds slowest() const noexcept { return slowest_; }

 private:
  void begin();
  void end() noexcept;
  [[noreturn]] void serve(int descriptor) const;

  Examine how_;
  ::pid_t pid_ = -1;
  int descriptor_ = -1;
  std::chrono::milliseconds slowest_{0};
};

}  // namespace forklore::crash
