// seed.hpp - The seed of a random test: FORKLORE_SEED if that is set, so that a run can be repeated. Tests print it.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <random>

namespace forklore::tests {

inline std::uint64_t seed() {
  const char* given = std::getenv("FORKLORE_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
}

}  // namespace forklore::tests
