// safe_text.hpp - The formats of the type that is a str with a promise: Django's SafeString.
#pragma once

#include "value.hpp"

namespace forklore::python {

/// The type that register_type was told of in this interpreter, nullptr if none.
PyTypeObject* safe_type();
/// False with an exception set.
bool set_safe_type(PyTypeObject* type);

bool encode_safe(Encoded& to, PyObject* value);
/// A str where no type was registered: it is the same text, and loses its promise only.
PyObject* decode_safe(Decoded& from, const Codec& codec);
/// What a value of that format is read into: an object of the type, or a str. nullptr with MemoryError set.
PyObject* make_safe(Py_ssize_t length, Py_UCS4 widest);

}  // namespace forklore::python
