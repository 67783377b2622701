#include "cli/text.hpp"

#include <array>
#include <charconv>
#include <cstdint>

#include "cli/failure.hpp"

namespace forklore::cli {
namespace {

struct Range {
  char32_t first, last;
};

/// Characters that no glyph shows: controls, marks of direction, line ends of Unicode, fillers and tags.
constexpr std::array kUnseen{
    Range{0x00, 0x1F},     Range{0x7F, 0x9F},      Range{0xAD, 0xAD},     Range{0x34F, 0x34F},   Range{0x61C, 0x61C},
    Range{0x115F, 0x1160}, Range{0x17B4, 0x17B5},  Range{0x180B, 0x180F}, Range{0x200B, 0x200F}, Range{0x2028, 0x202E},
    Range{0x2060, 0x206F}, Range{0x3164, 0x3164},  Range{0xFE00, 0xFE0F}, Range{0xFEFF, 0xFEFF}, Range{0xFFA0, 0xFFA0},
    Range{0xFFF0, 0xFFFB}, Range{0xE0000, 0xE0FFF}};

bool is_unseen(char32_t which) noexcept {
  for (const Range& range : kUnseen) {
    if (which >= range.first && which <= range.last) return true;
  }
  return false;
}

constexpr char kDigits[] = "0123456789abcdef";

void append_byte(std::string& text, unsigned char byte) {
  text += "\\x";
  text += kDigits[byte >> 4];
  text += kDigits[byte & 15];
}

void append_number(std::string& text, char32_t which) {
  std::array<char, 8> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), std::uint32_t{which}, 16);
  text += "\\u{";
  text.append(digits.data(), end.ptr);
  text += '}';
}

std::string shown(std::string_view bytes, bool whole_value) {
  std::string text;
  text.reserve(bytes.size());
  while (!bytes.empty()) {
    char32_t which = 0;
    const std::size_t length = character(bytes, which);
    const char first = bytes.front();
    if (whole_value && (first == '\n' || first == '\t' || first == '\\')) {
      text += first;
    } else if (first == '\n' || first == '\t' || first == '\r' || first == '\\') {
      text += '\\';
      text += first == '\n' ? 'n' : first == '\t' ? 't' : first == '\r' ? 'r' : '\\';
    } else if (length == 0 || (length == 1 && is_unseen(which))) {
      append_byte(text, static_cast<unsigned char>(first));
    } else if (is_unseen(which)) {
      append_number(text, which);
    } else {
      text.append(bytes, 0, length);
    }
    bytes.remove_prefix(length == 0 ? 1 : length);
  }
  return text;
}

[[noreturn]] void refuse(std::string_view text) {
  throw Failure("no escape that keys prints: " + escaped(text.substr(0, 10)), Exit::wrong_words);
}

/// A number of 16 at the beginning of text, in at most digits of them, and what follows it.
std::uint32_t hexadecimal(std::string_view whole, std::string_view& text, std::size_t digits) {
  std::uint32_t number = 0;
  const std::string_view part = text.substr(0, digits);
  const auto end = std::from_chars(part.data(), part.data() + part.size(), number, 16);
  if (end.ec != std::errc{}) refuse(whole);
  text.remove_prefix(static_cast<std::size_t>(end.ptr - part.data()));
  return number;
}

std::string base64(std::string_view bytes) {
  constexpr char kLetters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    std::uint32_t three = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      three = three << 8 | (at + i < bytes.size() ? static_cast<unsigned char>(bytes[at + i]) : 0U);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      text += at + i > bytes.size() ? '=' : kLetters[three >> (18 - 6 * i) & 63];
    }
  }
  return text;
}

}  // namespace

std::size_t character(std::string_view text, char32_t& which) noexcept {
  if (text.empty()) return 0;
  const auto first = static_cast<unsigned char>(text[0]);
  if (first < 0x80) {
    which = first;
    return 1;
  }
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) return 0;
  which = first & (0xFFU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    if ((next & 0xC0) != 0x80) return 0;
    which = which << 6 | (next & 0x3FU);
  }
  const bool is_short = which >= (length == 4 ? 0x10000U : length == 3 ? 0x800U : 0x80U);
  return is_short && which <= 0x10FFFF && (which < 0xD800 || which > 0xDFFF) ? length : 0;
}

bool is_utf8(std::string_view text) noexcept {
  while (!text.empty()) {
    char32_t which = 0;
    const std::size_t length = character(text, which);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

void append_utf8(std::string& text, char32_t which) {
  if (which < 0x80) {
    text += static_cast<char>(which);
    return;
  }
  const int more = which < 0x800 ? 1 : which < 0x10000 ? 2 : 3;  // bytes after the first
  text += static_cast<char>((0xFF00U >> (more + 1) & 0xFFU) | which >> (6 * more));
  for (int i = more - 1; i >= 0; --i) text += static_cast<char>(0x80U | (which >> (6 * i) & 0x3FU));
}

std::string escaped(std::string_view bytes) { return shown(bytes, false); }
std::string readable(std::string_view bytes) { return shown(bytes, true); }

std::string unescaped(std::string_view text) {
  std::string bytes;
  while (!text.empty()) {
    const std::string_view whole = text;
    const char first = text.front();
    text.remove_prefix(1);
    if (first != '\\') {
      bytes += first;
      continue;
    }
    const char kind = text.empty() ? '\0' : text.front();
    text.remove_prefix(text.empty() ? 0 : 1);
    if (kind == '\\' || kind == 'n' || kind == 't' || kind == 'r') {
      bytes += kind == 'n' ? '\n' : kind == 't' ? '\t' : kind == 'r' ? '\r' : '\\';
    } else if (kind == 'x') {
      const std::size_t left = text.size();
      bytes += static_cast<char>(hexadecimal(whole, text, 2));
      if (left - text.size() != 2) refuse(whole);
    } else if (kind == 'u' && text.starts_with('{')) {
      text.remove_prefix(1);
      const std::uint32_t which = hexadecimal(whole, text, 6);
      if (!text.starts_with('}') || which > 0x10FFFF) refuse(whole);
      text.remove_prefix(1);
      append_utf8(bytes, which);
    } else {
      refuse(whole);
    }
  }
  return bytes;
}

Json json_of(std::string_view bytes) {
  if (is_utf8(bytes)) return std::string(bytes);
  return {{"base64", base64(bytes)}};
}

}  // namespace forklore::cli
