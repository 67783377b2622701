// soundness.hpp - Values that are told apart, and a stripe found whole.
#pragma once

#include <doctest/doctest.h>

#include <string>

#include "store/stripe_box.hpp"

namespace forklore::tests {

/// Differs in nearly every byte from that of another salt.
inline std::string bytes(std::size_t n, std::uint64_t salt = 0) {
  std::string text(n, '\0');
  std::uint64_t x = salt * 2 + 1;
  for (char& c : text) c = static_cast<char>((x = x * 6364136223846793005u + 1442695040888963407u) >> 56);
  return text;
}

inline void check_sound(StripeBox& box) {
  for (const std::string& fault : box.verify()) FAIL_CHECK(fault);
}

}  // namespace forklore::tests
