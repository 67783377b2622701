// formats.hpp - The registry of value formats: one row for each way in which a Python value lies in an entry.
//
// Writing, reading, the names in errors, `_core._formats()` and the table of docs/python.md follow from the rows, which
// are in formats.cpp. A format's number is kept with the value and never changes its meaning.
//
//   numbers     what they are
//    0 to  15   values of exactly one type, without a serializer. 0 and 1 are the library's own: C++ shares them.
//   16 to  31   what a serializer made. A handle with that serializer alone reads it.
//   32 to  47   the str formats 32 lower, of a type that was registered: today Django's SafeString
//   64 to  79   a value of another format, compressed
#pragma once

#include <Python.h>

#include <cstddef>
#include <cstdint>
#include <forklore/found.hpp>
#include <span>

namespace forklore::python {

class Encoded;
class Decoded;
struct Codec;

inline constexpr std::uint16_t kAscii = 2;
inline constexpr std::uint16_t kText = 3;
inline constexpr std::uint16_t kReal = 4;
inline constexpr std::uint16_t kTrue = 5;
inline constexpr std::uint16_t kFalse = 6;
inline constexpr std::uint16_t kNone = 7;
inline constexpr std::uint16_t kBig = 8;
inline constexpr std::uint16_t kLatin = 9;
inline constexpr std::uint16_t kWide = 10;
inline constexpr std::uint16_t kPickle = 16;
inline constexpr std::uint16_t kJson = 17;
inline constexpr std::uint16_t kMsgpack = 18;
inline constexpr std::uint16_t kSafe = 32;  // and the number of a str format
inline constexpr std::uint16_t kZlib = 64;
inline constexpr std::uint16_t kZstd = 65;
inline constexpr std::uint16_t kLz4 = 66;

struct Format {
  std::uint16_t number;
  const char* name;   // in errors
  const char* type;   // whose values it has, and
  const char* bytes;  // what their bytes are, for docs
  /// The type whose values the row's encode writes, in this format or in another of the type; nullptr: none.
  PyTypeObject* (*written)();
  /// False with an exception set.
  bool (*encode)(Encoded& to, PyObject* value);
  /// The value as a new reference, nullptr with Unreadable or MemoryError set.
  PyObject* (*decode)(Decoded& from, const Codec& codec);
  /// 0: the value is read into bytes. Otherwise into a str of characters up to this one, as Python has it in memory.
  Py_UCS4 widest;
  /// What makes that str, if it is not PyUnicode_New.
  PyObject* (*make)(Py_ssize_t length, Py_UCS4 widest) = nullptr;
};

/// All rows.
std::span<const Format> formats();
/// The row of that number, nullptr if this build has none.
const Format* format_of(std::uint16_t number);
/// The row that writes values of exactly this type, nullptr if they go through a serializer.
const Format* writer_of(PyTypeObject* type);
/// Looks up what the rows of built-in types need of the interpreter. When the module is loaded.
void prepare_formats();

/// The module function: [(number, name, type, bytes)] of all rows.
PyObject* list_formats(PyObject* module, PyObject*);
/// The module function: (name, type). Values of exactly type, a subclass of str, are stored in the formats of that name
/// in this interpreter, and come back as type.
PyObject* register_type(PyObject* module, PyObject* given);

}  // namespace forklore::python
