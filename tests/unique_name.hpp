// unique_name.hpp - A segment name that no other test run uses, removed at the end of its scope.
#pragma once

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <forklore/forklore.hpp>
#include <string>

namespace forklore::tests {

/// What the names of a whole run of tests begin with, so that scripts/test.sh finds what they leave; empty unless it
/// runs them. Not FORKLORE_TEST_PREFIX, which the library itself reads.
inline std::string mark_of_the_run() {
  const char* given = std::getenv("FORKLORE_TEST_RUN");
  return given == nullptr ? "" : given;
}

class UniqueName {
 public:
  UniqueName() {
    static std::atomic<int> last{0};
    name_ = mark_of_the_run() + "test-" + std::to_string(::getpid()) + "-" + std::to_string(++last);
  }
  ~UniqueName() {
    if (::getpid() == owner_) remove_segment(name_);
  }
  UniqueName(const UniqueName&) = delete;
  UniqueName& operator=(const UniqueName&) = delete;
  operator const std::string&() const { return name_; }  // NOLINT(google-explicit-constructor)
  [[nodiscard]] const std::string& str() const { return name_; }

 private:
  std::string name_;
  ::pid_t owner_ = ::getpid();
};

}  // namespace forklore::tests
