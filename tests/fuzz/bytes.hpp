// bytes.hpp - A fuzzer's input as choices: each takes the next few bytes, as many as its bound has, the lowest first,
// as a fuzzer's own tables of numbers have them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "cache/checked_calls.hpp"

namespace forklore::fuzz {

class Bytes : public tests::Choices {
 public:
  explicit Bytes(std::span<const std::uint8_t> input) noexcept : left_(input) {}

  std::size_t below(std::size_t bound) override {
    std::size_t number = 0;
    unsigned shift = 0;
    for (std::size_t most = bound - 1; most != 0; most >>= 8, shift += 8) number |= std::size_t{next()} << shift;
    return number % bound;
  }
  /// Whether there are bytes left. Without, every choice is 0.
  [[nodiscard]] bool more() const noexcept { return !left_.empty(); }

 private:
  std::uint8_t next() noexcept {
    if (left_.empty()) return 0;
    const std::uint8_t byte = left_.front();
    left_ = left_.subspan(1);
    return byte;
  }
  std::span<const std::uint8_t> left_;
};

}  // namespace forklore::fuzz
