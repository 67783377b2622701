#include "words.hpp"

#include <charconv>
#include <iterator>

#include "hooks.hpp"
#include "interpreter.hpp"

namespace forklore::python {
namespace {

constexpr unsigned kDeepest = 20;  // of tuples in tuples; what is deeper is Python's, which knows where to stop

PyObject* attribute_of(const char* module_name, const char* name) {
  const Reference module(run_python([&] { return PyImport_ImportModule(module_name); }));
  return module ? PyObject_GetAttrString(module.get(), name) : nullptr;
}

bool add_told(Text& text, PyObject* value) {
  const KeyCalls* calls = key_calls();
  const Reference words(calls == nullptr ? nullptr
                                         : run_python([&] { return PyObject_CallOneArg(calls->words_of, value); }));
  return words && add_text(text, words.get());
}

bool add_integer(Text& text, PyObject* value) {
  int beyond = 0;
  const long long small = PyLong_AsLongLongAndOverflow(value, &beyond);
  if (beyond != 0) return add_told(text, value);
  text.add('i');
  text.add_number(small);
  return true;
}

bool add_real(Text& text, PyObject* value) {
  const double real = PyFloat_AS_DOUBLE(value);
  if (real != real) return add_told(text, value);
  char* digits = PyOS_double_to_string(real, 'r', 0, Py_DTSF_ADD_DOT_0, nullptr);  // float.__repr__
  if (digits == nullptr) return false;
  text.add('f');
  text.add(std::string_view(digits));
  PyMem_Free(digits);
  return true;
}

bool add_string(Text& text, PyObject* value) {
  if (PyUnicode_READY(value) < 0) return false;
  text.add('s');
  text.add_number(PyUnicode_GET_LENGTH(value));
  text.add(':');
  return add_text(text, value);
}

void add_bytes(Text& text, PyObject* value) {
  constexpr const char* kDigits = "0123456789abcdef";
  const auto size = static_cast<std::size_t>(PyBytes_GET_SIZE(value));
  const auto* bytes = reinterpret_cast<const unsigned char*>(PyBytes_AS_STRING(value));
  text.add('b');
  text.add_number(static_cast<long long>(size));
  text.add(':');
  char* out = text.room(2 * size);
  for (std::size_t i = 0; i < size; ++i) {
    *out++ = kDigits[bytes[i] >> 4];
    *out++ = kDigits[bytes[i] & 15];
  }
}

bool add_tuple(Text& text, PyObject* value, unsigned depth) {
  text.add('(');
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(value); ++i) {
    if (i != 0) text.add(',');
    if (!add_words(text, PyTuple_GET_ITEM(value, i), depth + 1)) return false;
  }
  text.add(')');
  return true;
}

}  // namespace

void Text::add_number(long long number) {
  char digits[24];
  const auto end = std::to_chars(std::begin(digits), std::end(digits), number).ptr;
  add({digits, static_cast<std::size_t>(end - digits)});
}

char* Text::far_room(std::size_t begin) {
  if (begin <= sizeof near_) far_.assign(near_, begin);
  far_.resize(size_);
  return far_.data() + begin;
}

bool add_text(Text& text, PyObject* words) {
  if (PyUnicode_IS_READY(words) && PyUnicode_IS_COMPACT_ASCII(words)) {
    text.add({reinterpret_cast<const char*>(PyUnicode_1BYTE_DATA(words)),
              static_cast<std::size_t>(PyUnicode_GET_LENGTH(words))});
    return true;
  }
  const Reference bytes(PyUnicode_AsEncodedString(words, "utf-8", "surrogatepass"));
  if (!bytes) return false;
  text.add({PyBytes_AS_STRING(bytes.get()), static_cast<std::size_t>(PyBytes_GET_SIZE(bytes.get()))});
  return true;
}

bool add_words(Text& text, PyObject* value, unsigned depth) {
  if (PyUnicode_CheckExact(value)) return add_string(text, value);
  if (PyLong_CheckExact(value)) return add_integer(text, value);
  if (PyFloat_CheckExact(value)) return add_real(text, value);
  if (PyTuple_CheckExact(value) && depth < kDeepest) return add_tuple(text, value, depth);
  if (PyBytes_CheckExact(value)) {
    add_bytes(text, value);
  } else if (value == Py_None) {
    text.add('N');
  } else if (value == Py_True || value == Py_False) {
    text.add(value == Py_True ? 'T' : 'F');
  } else {
    return add_told(text, value);
  }
  return true;
}

const KeyCalls* key_calls() {
  KeyCalls& calls = interpreter().keys;
  if (calls.digest_of == nullptr) {
    Reference words_of(attribute_of("forklore.words", "words_of"));
    Reference digest_of(words_of ? attribute_of("forklore.keys", "digest_of") : nullptr);
    if (!digest_of) return nullptr;
    Py_XSETREF(calls.words_of, words_of.release());
    Py_XSETREF(calls.digest_of, digest_of.release());
  }
  return &calls;
}

}  // namespace forklore::python
