// unique_name.hpp - A segment name that no other test run uses, removed at the end of its scope.
#pragma once

#include <unistd.h>

#include <atomic>
#include <forklore/forklore.hpp>
#include <string>

namespace forklore::tests {

class UniqueName {
 public:
  UniqueName() {
    static std::atomic<int> last{0};
    name_ = "test-" + std::to_string(::getpid()) + "-" + std::to_string(++last);
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
