// checked_value.hpp - Values that tell what they are: every byte follows from key, counter and size, so one wrong byte
// anywhere is seen, and so is a value under another's key.
//
//    63        48 47              24 23               0
//   +------------+------------------+------------------+
//   |    key     |     counter      |     checksum     |   the first 8 bytes; then a stream that these three seed
//   +------------+------------------+------------------+
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "base/hash.hpp"

namespace forklore::crash {

/// A small generator: the same seed gives the same run.
class Random {
 public:
  explicit Random(std::uint64_t seed) noexcept : state_(base::mix(seed + 0x9e3779b97f4a7c15u)) {}
  std::uint64_t next() noexcept { return base::mix(state_ += 0x9e3779b97f4a7c15u); }
  /// From 0 to below - 1.
  std::uint32_t below(std::uint32_t bound) noexcept { return static_cast<std::uint32_t>((next() >> 32) * bound >> 32); }
  bool one_in(std::uint32_t n) noexcept { return below(n) == 0; }

 private:
  std::uint64_t state_;
};

/// "k7" of "k" and 7.
inline std::string numbered(const char* prefix, std::uint64_t number) {
  std::string name = prefix;
  name += std::to_string(number);
  return name;
}

inline constexpr std::size_t kSmallestChecked = 8;
inline constexpr std::uint32_t kCounterMask = (1u << 24) - 1;

/// size: kSmallestChecked at least.
inline void make_checked(std::uint16_t key, std::uint32_t counter, std::size_t size, std::string& value) {
  const std::uint64_t what = std::uint64_t{key} << 48 | std::uint64_t{counter & kCounterMask} << 24;
  const std::uint64_t seed = base::mix(what ^ base::mix(size));
  const std::uint64_t first = what | (seed & kCounterMask);
  value.resize(size);
  std::memcpy(value.data(), &first, sizeof first);
  for (std::size_t at = sizeof first; at < size; at += sizeof(std::uint64_t)) {
    const std::uint64_t word = base::mix(seed + at);
    std::memcpy(value.data() + at, &word, std::min(sizeof word, size - at));
  }
}

/// The counter of a value made for this key; none if any byte is not what it should be.
inline std::optional<std::uint32_t> read_checked(std::uint16_t key, std::string_view value) {
  if (value.size() < kSmallestChecked) return {};
  std::uint64_t first = 0;
  std::memcpy(&first, value.data(), sizeof first);
  const auto counter = static_cast<std::uint32_t>(first >> 24) & kCounterMask;
  thread_local std::string expected;
  make_checked(key, counter, value.size(), expected);
  if (value != expected) return {};
  return counter;
}

}  // namespace forklore::crash
