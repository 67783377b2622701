#include "forklore/pattern.hpp"

#include <algorithm>

namespace forklore {
namespace {

/// Whether c is in the class that begins at pattern[i], which is a [. Moves i behind it.
bool in_class(std::string_view pattern, std::size_t& i, unsigned char c) noexcept {
  const auto at = [&](std::size_t place) { return static_cast<unsigned char>(pattern[place]); };
  ++i;
  const bool inverted = i < pattern.size() && pattern[i] == '^';
  if (inverted) ++i;
  bool found = false;
  for (; i < pattern.size() && pattern[i] != ']'; ++i) {
    if (pattern[i] == '\\' && i + 1 < pattern.size()) {
      ++i;
      found |= at(i) == c;
    } else if (i + 2 < pattern.size() && pattern[i + 1] == '-') {
      const auto [first, last] = std::minmax({at(i), at(i + 2)});
      found |= first <= c && c <= last;
      i += 2;
    } else {
      found |= at(i) == c;
    }
  }
  if (i < pattern.size()) ++i;
  return found != inverted;
}

/// Whether c is what stands at pattern[i], which is no *. Moves i behind that.
bool is_one(std::string_view pattern, std::size_t& i, char c) noexcept {
  if (pattern[i] == '[') return in_class(pattern, i, static_cast<unsigned char>(c));
  if (pattern[i] == '\\' && i + 1 < pattern.size()) {
    i += 2;
    return pattern[i - 1] == c;
  }
  ++i;
  return pattern[i - 1] == '?' || pattern[i - 1] == c;
}

}  // namespace

Pattern::Pattern(std::string_view pattern) : pattern_(pattern) {
  constexpr std::string_view kSpecial = "*?[";
  for (std::size_t i = 0; i < pattern.size() && kSpecial.find(pattern[i]) == std::string_view::npos; ++i) {
    if (pattern[i] == '\\' && i + 1 < pattern.size()) ++i;
    prefix_ += pattern[i];
  }
}

bool Pattern::matches(std::string_view key) const noexcept {
  const std::string_view pattern = pattern_;
  std::size_t i = 0;                            // in the pattern
  std::size_t behind = std::string_view::npos;  // the last * so far
  std::size_t taken = 0;                        // up to where that has the key
  for (std::size_t j = 0; j < key.size();) {
    if (i < pattern.size() && pattern[i] == '*') {
      behind = ++i;
      taken = j;
    } else if (i < pattern.size() && is_one(pattern, i, key[j])) {
      ++j;
    } else if (behind == std::string_view::npos) {
      return false;
    } else {  // the * takes one byte more
      i = behind;
      j = ++taken;
    }
  }
  return pattern.find_first_not_of('*', i) == std::string_view::npos;
}

}  // namespace forklore
