// arguments.hpp - What callers pass: fast-call arguments by name, keys, times to live, sizes.
#pragma once

#include <Python.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <forklore/options.hpp>
#include <string_view>

#include "reference.hpp"

namespace forklore::python {

/// The parameters of one METH_FASTCALL | METH_KEYWORDS method: the first `required` must be given, the first
/// `positional` may be given by position, all may be given by name.
template <std::size_t N>
struct Parameters {
  const char* method;
  std::size_t required;
  std::size_t positional;
  std::array<std::string_view, N> names;  // of literals

  /// Puts the arguments, borrowed, in their places; those not given stay as they are. False with TypeError set.
  bool bind(PyObject* const* given, Py_ssize_t count, PyObject* keywords, std::array<PyObject*, N>& values) const {
    const auto by_position = static_cast<std::size_t>(count);
    if (by_position > positional) return too_many(by_position);
    for (std::size_t i = 0; i < by_position; ++i) values[i] = given[i];
    std::size_t first_unknown = by_position;
    if (keywords != nullptr && !bind_keywords(given + count, by_position, keywords, values)) return false;
    for (; first_unknown < required; ++first_unknown) {
      if (values[first_unknown] == nullptr) return missing(names[first_unknown].data());
    }
    return true;
  }

 private:
  static bool is(PyObject* name, std::string_view wanted) {
    return PyUnicode_IS_COMPACT_ASCII(name) && static_cast<std::size_t>(PyUnicode_GET_LENGTH(name)) == wanted.size() &&
           std::memcmp(PyUnicode_1BYTE_DATA(name), wanted.data(), wanted.size()) == 0;
  }
  bool bind_keywords(PyObject* const* given, std::size_t by_position, PyObject* keywords,
                     std::array<PyObject*, N>& values) const {
    for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(keywords); ++k) {
      PyObject* name = PyTuple_GET_ITEM(keywords, k);
      std::size_t i = 0;
      while (i < N && !is(name, names[i])) ++i;
      if (i == N) {
        PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'", method, name);
        return false;
      }
      if (i < by_position) {
        PyErr_Format(PyExc_TypeError, "%s() got multiple values for argument '%U'", method, name);
        return false;
      }
      values[i] = given[k];
    }
    return true;
  }
  bool too_many(std::size_t count) const {
    PyErr_Format(PyExc_TypeError, "%s() takes at most %zu positional arguments (%zu given)", method, positional, count);
    return false;
  }
  bool missing(const char* name) const {
    PyErr_Format(PyExc_TypeError, "%s() missing required argument: '%s'", method, name);
    return false;
  }
};

/// The 64 bits that an earlier call answered, as an int. False with TypeError or ValueError set.
bool parse_word(const char* parameter, const char* giver, PyObject* object, std::uint64_t& word);

/// A key as bytes: a str as UTF-8 (lone surrogates as "surrogateescape"), bytes as they are.
/// The view holds as long as the object that was taken and the Key.
class Key {
 public:
  /// False with TypeError (not str or bytes) or ValueError (empty, over kMaxKeyBytes) set. Runs no Python code.
  bool take(PyObject* key) {
    if (PyUnicode_Check(key) && PyUnicode_IS_READY(key) && PyUnicode_IS_COMPACT_ASCII(key)) {
      view_ = {reinterpret_cast<const char*>(PyUnicode_1BYTE_DATA(key)),
               static_cast<std::size_t>(PyUnicode_GET_LENGTH(key))};
    } else if (PyBytes_Check(key)) {
      view_ = {PyBytes_AS_STRING(key), static_cast<std::size_t>(PyBytes_GET_SIZE(key))};
    } else if (!encode(key)) {
      return false;
    }
    return (!view_.empty() && view_.size() <= kMaxKeyBytes) || out_of_bounds();
  }
  /// The same without the bounds, for a prefix.
  bool take_prefix(PyObject* key);
  [[nodiscard]] std::string_view view() const { return view_; }

 private:
  bool encode(PyObject* key);
  bool out_of_bounds() const;

  std::string_view view_;
  Reference encoded_;
};

/// Seconds as an int, a float, a timedelta or what has __float__. False with TypeError set, which begins with what.
bool parse_seconds(const char* what, PyObject* object, double& seconds);
/// Whether it is DEFAULT: "what the handle was opened with".
bool is_default(PyObject* object);
/// Seconds (int, float, timedelta or what has __float__), None (never) or DEFAULT as a Ttl. More than zero is at
/// least a millisecond; what is beyond 292 million years never expires. False with TypeError or ValueError set.
bool parse_ttl(PyObject* object, Ttl& ttl);
/// A Ttl as seconds, None for kForever.
PyObject* to_seconds(Ttl ttl);
/// An int of bytes, or a str such as "64MB", "1.5 GiB" or "4096", in powers of 1024. False with OpenError or
/// TypeError set, which name the option. May throw std::bad_alloc.
bool parse_size(Option option, PyObject* object, std::size_t& size);
/// A signed 64-bit integer. False with TypeError or OverflowError set.
bool parse_integer(PyObject* object, std::int64_t& integer);

}  // namespace forklore::python
