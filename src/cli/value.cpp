#include "cli/value.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <forklore/found.hpp>

namespace forklore::cli {
namespace {

using Value = std::string_view;
using Answer = std::optional<Shown>;

Shown text_of(std::string bytes) {
  Json json = json_of(bytes);
  return {std::move(bytes), std::move(json)};
}

Answer as_it_is(Value bytes) { return text_of(std::string(bytes)); }

Answer latin(Value bytes) {
  std::string text;
  for (const char byte : bytes) append_utf8(text, static_cast<unsigned char>(byte));
  return text_of(std::move(text));
}

Answer wide(Value bytes) {
  std::string text;
  if (bytes.size() % 2 != 0) return {};
  for (std::size_t at = 0; at < bytes.size(); at += 2) {
    std::uint16_t which = 0;
    std::memcpy(&which, bytes.data() + at, sizeof which);
    append_utf8(text, which);
  }
  return text_of(std::move(text));
}

Answer integer(Value bytes) {
  std::int64_t number = 0;
  if (bytes.size() != sizeof number) return {};
  std::memcpy(&number, bytes.data(), sizeof number);
  return Shown{std::to_string(number), number};
}

Answer real(Value bytes) {
  double number = 0;
  if (bytes.size() != sizeof number) return {};
  std::memcpy(&number, bytes.data(), sizeof number);
  std::array<char, 32> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number);
  std::string text(digits.data(), end.ptr);
  Json json = std::isfinite(number) ? Json(number) : Json(text);  // JSON knows no infinity
  return Shown{std::move(text), std::move(json)};
}

/// In hexadecimal, as that takes time by its length alone.
Answer big(Value bytes) {
  if (bytes.empty()) return {};
  const bool negative = (static_cast<unsigned char>(bytes.back()) & 0x80) != 0;
  std::string digits;  // from the lowest on
  unsigned carry = negative ? 1 : 0;
  for (const char byte : bytes) {
    const unsigned flipped =
        (negative ? ~static_cast<unsigned>(byte) & 0xFF : static_cast<unsigned char>(byte)) + carry;
    carry = flipped >> 8;
    for (const unsigned digit : {flipped & 15, flipped >> 4 & 15}) digits += "0123456789abcdef"[digit];
  }
  if (carry != 0) digits += '1';
  while (digits.size() > 1 && digits.back() == '0') digits.pop_back();
  std::string text = (negative ? "-0x" : "0x") + std::string(digits.rbegin(), digits.rend());
  Json json = text;
  return Shown{std::move(text), std::move(json)};
}

Answer yes(Value) { return Shown{"True", true}; }
Answer no(Value) { return Shown{"False", false}; }
Answer none(Value) { return Shown{"None", nullptr}; }

struct Format {
  std::uint16_t number;
  const char* name;
  Answer (*show)(Value);  // nullptr: Python alone reads it
};

constexpr std::array kFormats{Format{kBytes, "bytes", as_it_is},
                              Format{kInteger, "integer", integer},
                              Format{kAscii, "ascii", as_it_is},
                              Format{kText, "text", as_it_is},
                              Format{4, "real", real},
                              Format{5, "true", yes},
                              Format{6, "false", no},
                              Format{7, "none", none},
                              Format{8, "big", big},
                              Format{9, "latin", latin},
                              Format{10, "wide", wide},
                              Format{16, "pickle", nullptr},
                              Format{17, "json", as_it_is},
                              Format{18, "msgpack", nullptr},
                              Format{34, "safe", as_it_is},
                              Format{35, "safe", as_it_is},
                              Format{41, "safe", latin},
                              Format{42, "safe", wide},
                              Format{64, "zlib", nullptr},
                              Format{65, "zstd", nullptr},
                              Format{66, "lz4", nullptr}};

const Format* format_of(std::uint16_t number) {
  for (const Format& format : kFormats) {
    if (format.number == number) return &format;
  }
  return nullptr;
}

}  // namespace

std::string format_name(std::uint16_t number) {
  const Format* format = format_of(number);
  return format == nullptr ? "format " + std::to_string(number) : format->name;
}

std::optional<Shown> show(std::string_view bytes, std::uint16_t number) {
  const Format* format = format_of(number);
  return format == nullptr || format->show == nullptr ? std::nullopt : format->show(bytes);
}

}  // namespace forklore::cli
