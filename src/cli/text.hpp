// text.hpp - Bytes of a segment as text. Whoever may write a segment may put anything into a key or a value, so nothing
// reaches a terminal as it is: an escape sequence would be obeyed, and a change of direction would hide what it says.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace forklore::cli {

using Json = nlohmann::ordered_json;

/// How many bytes the character at the beginning of text takes, and which it is. 0 if it is no sound UTF-8.
std::size_t character(std::string_view text, char32_t& which) noexcept;
bool is_utf8(std::string_view text) noexcept;
void append_utf8(std::string& text, char32_t which);

/// As one line of sound UTF-8 that moves no cursor. What is no UTF-8, and controls below U+0080, become \n, \t, \r or
/// \xHH. Other controls and characters that cannot be seen become \u{H}. A backslash becomes two.
std::string escaped(std::string_view bytes);
/// The same of a whole value: line ends, tabs and backslashes stay as they are.
std::string readable(std::string_view bytes);
/// What escaped() was given. Throws Failure if text is none of its answers.
std::string unescaped(std::string_view text);

/// A string if it is UTF-8, else {"base64": "..."}.
Json json_of(std::string_view bytes);

}  // namespace forklore::cli
