#include "numbers.hpp"

#include <cstring>

namespace forklore::python {
namespace {

bool encode_big(Encoded& to, PyObject* value) {
  Reference bits(PyObject_CallMethod(value, "bit_length", nullptr));
  if (!bits) return false;
  Reference method(PyObject_GetAttrString(value, "to_bytes"));
  Reference positional(Py_BuildValue("(ns)", PyLong_AsSsize_t(bits.get()) / 8 + 1, "little"));
  Reference keywords(Py_BuildValue("{sO}", "signed", Py_True));
  if (!method || !positional || !keywords) return false;
  return to.own(kBig, Reference(PyObject_Call(method.get(), positional.get(), keywords.get())));
}

}  // namespace

bool encode_integer(Encoded& to, PyObject* value) {
  int beyond = 0;
  const std::int64_t small = PyLong_AsLongLongAndOverflow(value, &beyond);
  if (beyond != 0) return encode_big(to, value);
  to.copy_word(kInteger, &small);
  return true;
}

PyObject* decode_integer(Decoded& from, const Codec&) {
  std::int64_t integer;
  if (from.size() != sizeof integer) return from.damaged();
  std::memcpy(&integer, from.data(), sizeof integer);
  return PyLong_FromLongLong(integer);
}

PyObject* decode_big(Decoded& from, const Codec&) {
  Reference method(PyObject_GetAttrString(reinterpret_cast<PyObject*>(&PyLong_Type), "from_bytes"));
  const Reference bytes(method ? from.bytes() : Reference());
  if (!bytes) return nullptr;
  Reference positional(Py_BuildValue("(Os)", bytes.get(), "little"));
  Reference keywords(Py_BuildValue("{sO}", "signed", Py_True));
  return positional && keywords ? PyObject_Call(method.get(), positional.get(), keywords.get()) : nullptr;
}

bool encode_real(Encoded& to, PyObject* value) {
  const double real = PyFloat_AS_DOUBLE(value);
  to.copy_word(kReal, &real);
  return true;
}

PyObject* decode_real(Decoded& from, const Codec&) {
  double real;
  if (from.size() != sizeof real) return from.damaged();
  std::memcpy(&real, from.data(), sizeof real);
  return PyFloat_FromDouble(real);
}

}  // namespace forklore::python
