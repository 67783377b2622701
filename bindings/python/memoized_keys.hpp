// memoized_keys.hpp - How the calls of one memoized function become keys, which forklore/keys.py describes.
//
// The common calls are read here. Python (forklore/memoize.py) does the others: arguments that do not fit the
// parameters or cannot be told, and **words where any are given. It also has the words of errors.
#pragma once

#include <Python.h>

#include <cstddef>
#include <string>
#include <vector>

#include "reference.hpp"
#include "words.hpp"

namespace forklore::python {

/// The arguments of one vectorcall. Borrowed.
struct Given {
  PyObject* const* values;
  std::size_t count;   // by position
  PyObject* keywords;  // the names of those behind them, or nullptr

  [[nodiscard]] std::size_t named() const {
    return keywords == nullptr ? 0 : static_cast<std::size_t>(PyTuple_GET_SIZE(keywords));
  }
};

/// Calls function with them. nullptr with an exception set.
PyObject* call_with(PyObject* function, const Given& given);
/// functools.partial of function and them.
PyObject* bind_to(PyObject* function, const Given& given);

/// The keys of one function. What it holds is visited and cleared with the object that it is in.
struct MemoizedKeys {
  std::string begin;  // "name("
  std::string brief;  // "name#", before a digest
  PyObject* key;      // the caller's function of the same arguments, or nullptr
  PyObject* behind;   // Python's half: key(*args, **kwargs), key_of(answer)
  // Of the parameters. Those by position first, then those by name alone, in the order of their names.
  PyObject* names;     // tuple of str
  PyObject* defaults;  // tuple, as long
  PyObject* required;  // stands there for a parameter that has none
  std::size_t by_position;
  std::size_t by_position_alone;
  bool more;                       // *args
  std::vector<std::string> words;  // "4:name=", of those by name alone

  /// Writes the key of a call. May run Python code. False with an exception set.
  bool make(const Given& given, Text& text) const;

 private:
  enum class Written { yes, python, failed };
  Written write(const Given& given, Text& text) const;
  bool place(const Given& given, PyObject** values) const;
  bool finish(Text& text) const;
};

}  // namespace forklore::python
