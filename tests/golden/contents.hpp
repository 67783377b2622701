// contents.hpp - What a golden segment holds: each kind of entry that the format knows.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <forklore/forklore.hpp>
#include <string>

#include "store/layout.hpp"

namespace forklore::golden {

inline constexpr std::size_t kCapacity = kMinCapacityBytes;
inline constexpr int kKeys = 60;
inline constexpr std::int64_t kCount = 42;
inline constexpr std::size_t kSpilledBytes = 5000;  // more than a chunk of such a segment
inline constexpr std::chrono::hours kLong{24 * 365 * 100};

inline std::string key(int number) { return "key-" + std::to_string(number); }
/// Of 0 to 4 * kKeys bytes.
inline std::string value(int number) {
  return std::string(4 * static_cast<std::size_t>(number), static_cast<char>('a' + number % 26));
}
inline std::string spilled() {
  std::string bytes(kSpilledBytes, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 7 % 251);
  return bytes;
}

inline std::string file_name(std::uint32_t format) { return "format-" + std::to_string(format) + ".segment"; }

inline Options options(const std::filesystem::path& path) { return {.place = Place::file, .path = path}; }

}  // namespace forklore::golden
