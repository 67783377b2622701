// words.hpp - Arguments in words, as forklore/words.py has them: that module says what they are, and makes those of the
// types that are not made here. Both make the same words of the same value.
#pragma once

#include <Python.h>

#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>

namespace forklore::python {

/// A text that grows at its end. On the stack as long as it is short. Adding may throw std::bad_alloc.
class Text {
 public:
  Text() = default;
  Text(const Text&) = delete;
  Text& operator=(const Text&) = delete;

  void add(std::string_view more) { std::memcpy(room(more.size()), more.data(), more.size()); }
  void add(char one) { *room(1) = one; }
  /// A number in decimal digits.
  void add_number(long long number);
  /// So many characters more, to be written.
  char* room(std::size_t more) {
    const std::size_t begin = size_;
    size_ += more;
    if (size_ > sizeof near_) return far_room(begin);
    return near_ + begin;
  }
  void clear() { size_ = 0; }
  [[nodiscard]] std::string_view view() const { return {size_ > sizeof near_ ? far_.data() : near_, size_}; }

 private:
  char* far_room(std::size_t begin);

  std::size_t size_ = 0;
  std::string far_;  // all of it, once it is longer than near_
  char near_[256];
};

/// Adds the words of value: int, float, str, bytes, bool, None, ... and tuples of these here, any other by words_of.
/// May run Python code. False with an exception set, such as names.Unknown.
bool add_words(Text& text, PyObject* value, unsigned depth = 0);
/// A str as UTF-8, lone surrogates among it. False with an exception set.
bool add_text(Text& text, PyObject* words);

/// Where the texts of interpreter.hpp's key functions come from: forklore.words.words_of and forklore.keys.digest_of.
struct KeyCalls {
  PyObject* words_of;
  PyObject* digest_of;
};
/// Those of this interpreter, imported with their first use. nullptr with an exception set.
const KeyCalls* key_calls();

}  // namespace forklore::python
