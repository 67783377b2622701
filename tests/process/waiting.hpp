// waiting.hpp - Waiting for what another process does, never for ever.
#pragma once

#include <unistd.h>

#include <chrono>

namespace forklore::tests {

/// Whether done() is true when it is asked that much later, or before: of what a call itself must find out by then,
/// this holds however long this process has no processor.
template <class Done>
bool comes_true(Done done, std::chrono::milliseconds within = std::chrono::seconds(10)) {
  const auto until = std::chrono::steady_clock::now() + within;
  for (;;) {
    const auto asked = std::chrono::steady_clock::now();
    if (done()) return true;
    if (asked > until) return false;
    ::usleep(500);
  }
}

}  // namespace forklore::tests
