// reading.hpp - What a read and a scan are asked, and what a read answers.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "forklore/found.hpp"
#include "forklore/options.hpp"
#include "store/layout.hpp"

namespace forklore::store {

/// A key with its hash, which is computed once a call.
struct HashedKey {
  std::string_view bytes;  ///< 1 to kMaxKeyBytes
  std::uint64_t hash;
};

/// What a read found.
struct Reading {
  Found found;
  std::uint64_t expiry = kNever;  ///< until when it is fresh, in ms since birth
  Timing timing;                  ///< if the entry is timed
};

/// Given to Stripe::read in place of memory: the value itself is not wanted.
struct NoValue {};

/// Which entries a read finds.
enum class Age : std::uint8_t {
  fresh,  ///< only fresh ones
  stale,  ///< also those that may still be served stale
};

/// The logs in the order in which a scan walks them. No entry and no chunk goes back from a later one to an earlier.
inline constexpr std::array kScanned = {Kind::small, Kind::large, Kind::main};

/// How far a scan of a stripe has come. It walks one log after the other, each in the order of writing.
struct ScanPosition {
  std::optional<Kind> log = kScanned.front();  ///< none: the scan is at its end
  std::uint64_t sequence = 0;
  std::uint32_t offset = 0;
};

}  // namespace forklore::store
