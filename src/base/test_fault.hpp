// test_fault.hpp - Places where a test build can break the protocol on purpose, to show that a test notices.
//
// In a build with FORKLORE_TEST_FAULTS, the environment variable FORKLORE_BROKEN names the one place that is broken. In
// every other build broken() is false when it is compiled, and nothing of it is left.
// tests/crash/broken_protocol.sh breaks each place in turn.
#pragma once

#ifdef FORKLORE_TEST_FAULTS
#include <cstdlib>
#include <string_view>
#endif

namespace forklore::base {

#ifdef FORKLORE_TEST_FAULTS

inline const char* broken_place = std::getenv("FORKLORE_BROKEN");
inline bool broken(std::string_view place) noexcept { return broken_place != nullptr && place == broken_place; }

/// While one lives nothing is broken, in this process and its forks. Not for use by several threads.
class Unbroken {
 public:
  Unbroken() noexcept { broken_place = nullptr; }
  ~Unbroken() { broken_place = before_; }
  Unbroken(const Unbroken&) = delete;
  Unbroken& operator=(const Unbroken&) = delete;

 private:
  const char* before_ = broken_place;
};

#else

constexpr bool broken(const char* /*place*/) noexcept { return false; }
struct Unbroken {};

#endif

}  // namespace forklore::base
