// pattern.hpp - Patterns of keys, as Redis has them.
//
//   forklore::Pattern pattern("page:*:[a-c]");
//   cache.scan(cursor, 1000, pattern.prefix(), keys);
//   std::erase_if(keys, [&](const std::string& key) { return !pattern.matches(key); });
//
//   *        any bytes, or none
//   ?        one byte
//   [abc]    one of these; [a-c] one of a range, [^abc] one that is none of them. In it too a \ takes the next as it is
//   \        takes the next byte as it is: \* is a *
//
// A pattern is for the whole key. A [ that is not closed ends with the pattern. No pattern is an error.
#pragma once

#include <forklore/export.hpp>
#include <string>
#include <string_view>

namespace forklore {

/// Any thread may ask; a copy is a pattern of its own.
class FORKLORE_EXPORT Pattern {
 public:
  /// Copies it. May throw std::bad_alloc.
  explicit Pattern(std::string_view pattern);

  /// Whether all of key matches. Takes time by the product of both lengths at worst.
  [[nodiscard]] bool matches(std::string_view key) const noexcept;
  /// What each key that matches begins with: the bytes up to the first that may differ. For Cache::scan.
  [[nodiscard]] const std::string& prefix() const noexcept { return prefix_; }

 private:
  std::string pattern_;
  std::string prefix_;
};

}  // namespace forklore
