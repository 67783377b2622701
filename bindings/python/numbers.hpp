// numbers.hpp - The formats of int and float.
#pragma once

#include "value.hpp"

namespace forklore::python {

/// As 8 bytes, or as many as it takes.
bool encode_integer(Encoded& to, PyObject* value);
PyObject* decode_integer(Decoded& from, const Codec& codec);
PyObject* decode_big(Decoded& from, const Codec& codec);

bool encode_real(Encoded& to, PyObject* value);
PyObject* decode_real(Decoded& from, const Codec& codec);

}  // namespace forklore::python
