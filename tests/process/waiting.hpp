// waiting.hpp - Waiting for what another process does, never for ever.
#pragma once

#include <unistd.h>

#include <chrono>

namespace forklore::tests {

/// Whether done() comes true within the time given.
template <class Done>
bool comes_true(Done done, std::chrono::milliseconds within = std::chrono::seconds(10)) {
  const auto until = std::chrono::steady_clock::now() + within;
  while (!done()) {
    if (std::chrono::steady_clock::now() > until) return false;
    ::usleep(500);
  }
  return true;
}

}  // namespace forklore::tests
