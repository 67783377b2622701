#include "text.hpp"

#include <cstring>

#include "errors.hpp"

namespace forklore::python {
namespace {

// Whether a str that Python holds as two bytes a character takes no more so than it would as UTF-8.
bool wide_is_small(const Py_UCS2* data, Py_ssize_t size) {
  Py_ssize_t more = 0;  // bytes beyond one a character that UTF-8 would take; 3 for a lone surrogate too
  for (Py_ssize_t i = 0; i < size; ++i) more += (data[i] >= 0x80) + (data[i] >= 0x800);
  return more >= size;
}

// Whether some character is beyond Latin-1, as Python wants it of a str of two bytes a character.
bool is_wide(const char* data, std::size_t size) {
  for (std::size_t i = 0; i + 2 <= size; i += 2) {
    Py_UCS2 one;
    std::memcpy(&one, data + i, 2);
    if (one > 0xFF) return true;
  }
  return false;
}

}  // namespace

bool encode_text(Encoded& to, PyObject* value) {
  if (PyUnicode_READY(value) < 0) return false;
  const Py_ssize_t size = PyUnicode_GET_LENGTH(value);
  if (PyUnicode_KIND(value) == PyUnicode_1BYTE_KIND) {
    to.point_to(PyUnicode_IS_ASCII(value) ? kAscii : kLatin, PyUnicode_1BYTE_DATA(value), size);
    return true;
  }
  if (PyUnicode_KIND(value) == PyUnicode_2BYTE_KIND && wide_is_small(PyUnicode_2BYTE_DATA(value), size)) {
    to.point_to(kWide, PyUnicode_2BYTE_DATA(value), size * 2);
    return true;
  }
  return to.own(kText, Reference(PyUnicode_AsEncodedString(value, "utf-8", "surrogatepass")));
}

PyObject* decode_ascii(Decoded& from, const Codec&) {
  if (!from.is_ascii()) return from.damaged();
  if (PyObject* whole = from.release()) return whole;
  return PyUnicode_DecodeASCII(from.data(), static_cast<Py_ssize_t>(from.size()), nullptr);
}

PyObject* decode_latin(Decoded& from, const Codec&) {
  if (is_ascii(from.data(), from.size())) return from.damaged();  // one of the first bytes is not
  if (PyObject* whole = from.release()) return whole;
  return PyUnicode_FromKindAndData(PyUnicode_1BYTE_KIND, from.data(), static_cast<Py_ssize_t>(from.size()));
}

PyObject* decode_wide(Decoded& from, const Codec&) {
  if (from.size() % 2 != 0 || !is_wide(from.data(), from.size())) return from.damaged();
  if (PyObject* whole = from.release()) return whole;
  return PyUnicode_FromKindAndData(PyUnicode_2BYTE_KIND, from.data(), static_cast<Py_ssize_t>(from.size()) / 2);
}

PyObject* decode_text(Decoded& from, const Codec&) {
  PyObject* text = PyUnicode_DecodeUTF8(from.data(), static_cast<Py_ssize_t>(from.size()), "surrogatepass");
  if (text == nullptr && PyErr_ExceptionMatches(PyExc_UnicodeError)) {
    set_error_from(errors().unreadable, "the stored value is damaged");
  }
  return text;
}

}  // namespace forklore::python
