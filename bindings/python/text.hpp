// text.hpp - The formats of str, and of the type that is str with a promise: Django's SafeString.
#pragma once

#include "value.hpp"

namespace forklore::python {

bool encode_text(Encoded& to, PyObject* value);
PyObject* decode_ascii(Decoded& from, const Codec& codec);
PyObject* decode_latin(Decoded& from, const Codec& codec);
PyObject* decode_wide(Decoded& from, const Codec& codec);
PyObject* decode_text(Decoded& from, const Codec& codec);

/// The type that register_type was told of in this interpreter, nullptr if none.
PyTypeObject* safe_type();
void set_safe_type(PyTypeObject* type);
bool encode_safe(Encoded& to, PyObject* value);
/// A str where no type was registered: it is the same text, and loses its promise only.
PyObject* decode_safe(Decoded& from, const Codec& codec);

}  // namespace forklore::python
