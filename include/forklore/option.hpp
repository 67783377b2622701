// option.hpp - The list of options, and sentences that name options without saying what they are called.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// The list: each field of Options, in their order. tests/python/test_lists.py holds Options, the Python package,
// Django's OPTIONS and the pages to it.
#define FORKLORE_OPTIONS(X) \
  X(name)                   \
  X(place)                  \
  X(path)                   \
  X(capacity_bytes)         \
  X(default_ttl)            \
  X(when_full)              \
  X(mode)                   \
  X(owner)                  \
  X(read_only)              \
  X(max_value_bytes)        \
  X(stripes)                \
  X(lock_timeout)

namespace forklore {

/// An option, known by the name of its field in Options: Option::capacity_bytes. A client may have options of its own.
struct Option {
  std::string_view word = {};  ///< the name of the field, of static storage; empty: none
  [[nodiscard]] constexpr explicit operator bool() const noexcept { return !word.empty(); }
  friend constexpr bool operator==(Option, Option) noexcept = default;

#define FORKLORE_OPTION(field) static const Option field;
  FORKLORE_OPTIONS(FORKLORE_OPTION)
#undef FORKLORE_OPTION
};

#define FORKLORE_OPTION(field) inline constexpr Option Option::field{#field};
FORKLORE_OPTIONS(FORKLORE_OPTION)
#undef FORKLORE_OPTION

#define FORKLORE_OPTION(field) Option::field,
inline constexpr std::array kOptions{FORKLORE_OPTIONS(FORKLORE_OPTION)};
#undef FORKLORE_OPTION

/// A sentence in which options stand as such. Whoever shows it says what they are called: "place = file" in C++,
/// place="file" in Python, PLACE in Django.
class Message {
 public:
  struct Part {
    Option option = {};
    std::string text;  ///< for an option: the value to set; empty if it is only mentioned
  };

  Message() = default;
  Message(std::string text) { add({{}, std::move(text)}); }  // NOLINT: a text is a sentence
  Message(const char* text) : Message(std::string(text)) {}  // NOLINT: as above
  Message(Option option) : Message(option, {}) {}            // NOLINT: and so is a name
  Message(Option option, std::string value) { add({option, std::move(value)}); }

  Message& operator+=(const Message& more) {
    for (const Part& part : more.parts_) add(part);
    return *this;
  }

  [[nodiscard]] bool empty() const noexcept { return parts_.empty(); }
  [[nodiscard]] const std::vector<Part>& parts() const noexcept { return parts_; }

  /// The text, where name(option, value) says what an option is called; value is empty if none is to be said.
  template <class Name>
  [[nodiscard]] std::string said(const Name& name) const {
    std::string text;
    for (const Part& part : parts_) text += part.option ? std::string(name(part.option, part.text)) : part.text;
    return text;
  }
  /// The text in the words of C++.
  [[nodiscard]] std::string said() const { return said(in_cpp); }
  static std::string in_cpp(Option option, std::string_view value) {
    return std::string(option.word) + (value.empty() ? "" : " = ") + std::string(value);
  }

 private:
  void add(Part part) {
    if (part.option || !part.text.empty()) parts_.push_back(std::move(part));
  }

  std::vector<Part> parts_;
};
inline Message operator+(Message first, const Message& second) { return std::move(first += second); }

}  // namespace forklore
