// value.hpp - A stored value for who reads it: the formats of bindings/python/formats.cpp that need no Python.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cli/text.hpp"

namespace forklore::cli {

inline constexpr std::uint16_t kAscii = 2, kText = 3;  // of a str that set stores

/// What a format is called: "pickle". "format 300" for one of an application.
std::string format_name(std::uint16_t format);

/// A value that can be shown.
struct Shown {
  std::string text;  ///< not escaped
  Json json;
};

/// None if Python, or an application, alone can read it; or if its bytes are none of that format.
std::optional<Shown> show(std::string_view bytes, std::uint16_t format);

}  // namespace forklore::cli
