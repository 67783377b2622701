// checked_value.hpp - Values that show by themselves whether they are whole, and whose.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "base/hash.hpp"

namespace forklore::tests {

/// A value for a key: a number, bytes that follow from key and number, and a checksum of it all. At least 24 bytes.
inline std::string checked_value(std::string_view key, std::uint64_t number, std::size_t size) {
  std::string value(size, '\0');
  std::uint64_t x = base::hash(key) ^ base::mix(number + 1);
  for (std::size_t at = 8; at + 8 < size; at += 8) {
    x = base::mix(x + at);
    std::memcpy(value.data() + at, &x, std::min<std::size_t>(8, size - 8 - at));
  }
  std::memcpy(value.data(), &number, 8);
  const std::uint64_t sum = base::hash({value.data(), size - 8}) ^ base::hash(key);
  std::memcpy(value.data() + size - 8, &sum, 8);
  return value;
}

/// The number of a value that is whole and this key's.
inline std::optional<std::uint64_t> number_of(std::string_view key, std::string_view value) {
  if (value.size() < 24) return std::nullopt;
  std::uint64_t number = 0, sum = 0;
  std::memcpy(&number, value.data(), 8);
  std::memcpy(&sum, value.data() + value.size() - 8, 8);
  if ((base::hash(value.substr(0, value.size() - 8)) ^ base::hash(key)) != sum) return std::nullopt;
  return number;
}

}  // namespace forklore::tests
