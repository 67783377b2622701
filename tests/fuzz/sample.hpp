// sample.hpp - A small segment that has seen every kind of call, kept as it was then, to be used up and put back.
//
// In builds with AddressSanitizer, bytes of the mapping that belong to nothing (padding between columns, the rest
// behind the last chunk) are poisoned: reading them is reported, as reading beyond the mapping is by the pages around
// it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <forklore/forklore.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cache/checked_calls.hpp"
#include "store/geometry.hpp"

namespace forklore::fuzz {

/// A name for a segment of this process alone.
std::string own_name(const char* what);

/// A part of a segment's memory: where it begins and how many bytes it has.
using Part = std::pair<std::size_t, std::size_t>;
/// All that a segment of this geometry uses, in order.
std::vector<Part> parts_of(const store::Geometry& geometry);

/// Poisons what lies between the parts of a mapped segment, for as long as this lives.
class PoisonedGaps {
 public:
  PoisonedGaps(std::span<std::byte> mapped, const store::Geometry& geometry);
  ~PoisonedGaps();
  PoisonedGaps(const PoisonedGaps&) = delete;
  PoisonedGaps& operator=(const PoisonedGaps&) = delete;

 private:
  std::span<std::byte> mapped_;
};

class Sample {
 public:
  /// Makes a segment and so many checked calls on it, the same ones each time.
  Sample(Options options, tests::Room room, tests::Mix mix, unsigned calls);
  ~Sample();
  Sample(const Sample&) = delete;
  Sample& operator=(const Sample&) = delete;

  /// Puts bytes and clock back to what they were when the calls had been made.
  void restore();

  [[nodiscard]] const Options& options() const noexcept { return options_; }
  [[nodiscard]] tests::Room room() const noexcept { return room_; }
  [[nodiscard]] tests::Mix mix() const noexcept { return mix_; }
  [[nodiscard]] Cache& cache() noexcept { return cache_; }
  [[nodiscard]] std::span<std::byte> mapped() const noexcept { return mapped_; }
  [[nodiscard]] std::span<const std::byte> image() const noexcept { return image_; }
  [[nodiscard]] const store::Geometry& geometry() const noexcept { return geometry_; }

 private:
  Options options_;
  tests::Room room_;
  tests::Mix mix_;
  Cache cache_;
  std::span<std::byte> mapped_;
  store::Geometry geometry_;
  std::vector<Part> parts_;
  std::vector<std::byte> image_;
  std::uint64_t restored_ = 0;
  std::uint64_t clock_ = 0;
  std::optional<PoisonedGaps> gaps_;
};

}  // namespace forklore::fuzz
