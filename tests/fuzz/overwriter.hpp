// overwriter.hpp - Damages a segment a word at a time. Words are chosen by what they are (a chunk's state, a slot in
// use, an entry's header), and so are most values, so that little of it is refused at the first look.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "cache/checked_calls.hpp"
#include "sample.hpp"
#include "store/geometry.hpp"

namespace forklore::fuzz {

/// 64 bits of choice.
std::uint64_t any_word(tests::Choices& choices);

class Overwriter {
 public:
  explicit Overwriter(const Sample& sample);

  /// Writes over one word in the sample's bytes or a copy of them, in one store; at times leads a slot to where its
  /// entry's first bytes are put as well.
  void write_over(std::span<std::byte> segment, tests::Choices& choices) const;

 private:
  /// Words of one kind: where the first lies in the segment, how far apart they are, how many, and how wide.
  struct Field {
    std::size_t at, apart, count, bytes;
  };
  struct Word {
    std::size_t at, bytes, number;  ///< number: of its kind, a chunk's in the columns of the chunk table
  };
  struct Entry {
    std::size_t slot, at, stripe;  ///< where they begin in the segment
  };

  void add_stripe(std::span<const std::byte> image, std::size_t stripe);
  [[nodiscard]] Word choose_word(tests::Choices& choices) const;
  [[nodiscard]] std::uint64_t choose_value(std::span<const std::byte> segment, Word word,
                                           tests::Choices& choices) const;
  [[nodiscard]] const Entry& choose_entry(tests::Choices& choices) const;
  /// A location in a stripe where an entry might begin.
  [[nodiscard]] std::uint64_t choose_location(tests::Choices& choices) const;
  [[nodiscard]] std::uint64_t location_mask() const { return (std::uint64_t{1} << geometry_.location_bits) - 1; }
  void transplant(std::span<std::byte> segment, tests::Choices& choices) const;

  store::Geometry geometry_;
  std::vector<Field> fields_;
  std::vector<Entry> entries_;  // that slots led to when the sample was made, those in the last chunk last
  std::size_t in_last_chunk_ = 0;
};

}  // namespace forklore::fuzz
