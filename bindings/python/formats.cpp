#include "formats.hpp"

#include <array>
#include <string_view>

#include "compression.hpp"
#include "numbers.hpp"
#include "safe_text.hpp"
#include "serializers.hpp"
#include "text.hpp"
#include "value.hpp"

namespace forklore::python {
namespace {

template <PyTypeObject* kType>
PyTypeObject* builtin() {
  return kType;
}
PyTypeObject* type_of_none() { return Py_TYPE(Py_None); }

PyObject* decode_true(Decoded&, const Codec&) { return Py_NewRef(Py_True); }
PyObject* decode_false(Decoded&, const Codec&) { return Py_NewRef(Py_False); }
PyObject* decode_none(Decoded&, const Codec&) { return Py_NewRef(Py_None); }
PyObject* decode_bytes(Decoded& from, const Codec&) { return from.bytes().release(); }

bool encode_bytes(Encoded& to, PyObject* value) {
  to.point_to(kBytes, PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value));
  return true;
}
bool encode_bool(Encoded& to, PyObject* value) {
  to.point_to(value == Py_True ? kTrue : kFalse, "", 0);
  return true;
}
bool encode_none(Encoded& to, PyObject*) {
  to.point_to(kNone, "", 0);
  return true;
}

constexpr Py_UCS4 kBytesAlone = 0;

// Strings of one or two bytes a character are copied as Python has them in memory; UTF-8 is decoded at each read. The
// types that are written most often come first.
constexpr Format kFormats[] = {
    {kAscii, "ascii", "str, all ASCII", "one a character", builtin<&PyUnicode_Type>, encode_text, decode_ascii, 0x7F},
    {kBytes, "bytes", "bytes", "themselves", builtin<&PyBytes_Type>, encode_bytes, decode_bytes, kBytesAlone},
    {kInteger, "integer", "int, 64 bits", "the 8 bytes of an int64; `incr` works on it in place", builtin<&PyLong_Type>,
     encode_integer, decode_integer, kBytesAlone},
    {kReal, "real", "float", "the 8 bytes of a double", builtin<&PyFloat_Type>, encode_real, decode_real, kBytesAlone},
    {kTrue, "true", "True", "none", builtin<&PyBool_Type>, encode_bool, decode_true, kBytesAlone},
    {kNone, "none", "None", "none", type_of_none, encode_none, decode_none, kBytesAlone},
    {kFalse, "false", "False", "none", nullptr, nullptr, decode_false, kBytesAlone},
    {kLatin, "latin", "str, all Latin-1", "one a character", nullptr, nullptr, decode_latin, 0xFF},
    {kWide, "wide", "str, all below U+10000, where UTF-8 would take no less",
     "two a character, in this machine's order", nullptr, nullptr, decode_wide, 0xFFFF},
    {kText, "text", "str, any other", "UTF-8; lone surrogates as Python's `surrogatepass`", nullptr, nullptr,
     decode_text, kBytesAlone},
    {kBig, "big", "int beyond 64 bits", "two's complement, lowest byte first", nullptr, nullptr, decode_big,
     kBytesAlone},
    {kPickle, "pickle", "other, `serializer=\"pickle\"`", "pickle, newest protocol", nullptr, nullptr,
     decode_serialized, kBytesAlone},
    {kJson, "json", "other, `serializer=\"json\"`",
     "JSON; what JSON has no type for (a tuple, an int as a key) comes back as what it has", nullptr, nullptr,
     decode_serialized, kBytesAlone},
    {kMsgpack, "msgpack", "other, `serializer=\"msgpack\"`", "msgpack, by the package `msgpack`", nullptr, nullptr,
     decode_serialized, kBytesAlone},
    {kSafe + kAscii, "safe", "SafeString, all ASCII", "as format 2", safe_type, encode_safe, decode_safe, 0x7F,
     make_safe},
    {kSafe + kLatin, "safe", "SafeString, all Latin-1", "as format 9", nullptr, nullptr, decode_safe, 0xFF, make_safe},
    {kSafe + kWide, "safe", "SafeString, as format 10", "as format 10", nullptr, nullptr, decode_safe, 0xFFFF,
     make_safe},
    {kSafe + kText, "safe", "SafeString, any other", "as format 3", nullptr, nullptr, decode_safe, kBytesAlone},
    {kZlib, "zlib", "any but a number, `compression=\"zlib\"`", "size 4, format 2, and what zlib made of it", nullptr,
     nullptr, decode_compressed, kBytesAlone},
    {kZstd, "zstd", "any but a number, `compression=\"zstd\"`", "size 4, format 2, a Zstandard frame", nullptr, nullptr,
     decode_compressed, kBytesAlone},
    {kLz4, "lz4", "any but a number, `compression=\"lz4\"`", "size 4, format 2, an LZ4 block", nullptr, nullptr,
     decode_compressed, kBytesAlone},
};

constexpr std::size_t kNumbers = 128;  // beyond which there is no format
constexpr std::uint8_t kNowhere = 0xFF;
constexpr auto kRows = [] {  // of each number
  std::array<std::uint8_t, kNumbers> rows{};
  rows.fill(kNowhere);
  for (std::uint8_t row = 0; row < std::size(kFormats); ++row) rows[kFormats[row].number] = row;
  return rows;
}();

// The built-in types that have rows, which are the same in every interpreter. Written with the GIL held.
constexpr std::size_t kBuiltin = 6;
std::array<PyTypeObject*, kBuiltin> builtin_types;

}  // namespace

void prepare_formats() {
  for (std::size_t row = 0; row < kBuiltin; ++row) builtin_types[row] = kFormats[row].written();
}

std::span<const Format> formats() { return kFormats; }

const Format* format_of(std::uint16_t number) {
  const std::uint8_t row = number < kNumbers ? kRows[number] : kNowhere;
  return row == kNowhere ? nullptr : &kFormats[row];
}

const Format* writer_of(PyTypeObject* type) {
  for (std::size_t row = 0; row < kBuiltin; ++row) {
    if (builtin_types[row] == type) return &kFormats[row];
  }
  return type == safe_type() && type != nullptr ? format_of(kSafe + kAscii) : nullptr;
}

PyObject* list_formats(PyObject*, PyObject*) {
  Reference list(PyList_New(0));
  for (const Format& one : kFormats) {
    const Reference row(list ? Py_BuildValue("(isss)", int{one.number}, one.name, one.type, one.bytes) : nullptr);
    if (!row || PyList_Append(list.get(), row.get()) < 0) return nullptr;
  }
  return list.release();
}

PyObject* register_type(PyObject*, PyObject* given) {
  const char* name = nullptr;
  PyObject* type = nullptr;
  if (!PyArg_ParseTuple(given, "sO!:_register_type", &name, &PyType_Type, &type)) return nullptr;
  if (std::string_view(name) != format_of(kSafe + kAscii)->name) {
    return PyErr_Format(PyExc_ValueError, "no format %s takes a type", name);
  }
  if (type == reinterpret_cast<PyObject*>(&PyUnicode_Type) ||
      PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(type), &PyUnicode_Type) == 0) {
    return PyErr_Format(PyExc_TypeError, "format %s is for a subclass of str, not %R", name, type);
  }
  return set_safe_type(reinterpret_cast<PyTypeObject*>(type)) ? Py_NewRef(Py_None) : nullptr;
}

}  // namespace forklore::python
