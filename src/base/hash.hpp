// hash.hpp - The one hash of the library: XXH3, 64 bits (Yann Collet), of the key's bytes.
#pragma once

#include <cstdint>
#include <string_view>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace forklore::base {

/// It is part of the segment's format: all processes must agree on it.
inline std::uint64_t hash(std::string_view bytes) noexcept { return XXH3_64bits(bytes.data(), bytes.size()); }

/// Mixes 64 bits (Steele, Lea, Flood: SplitMix64): each bit of the input changes each bit of the result.
inline std::uint64_t mix(std::uint64_t x) noexcept {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

}  // namespace forklore::base
