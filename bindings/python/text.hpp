// text.hpp - The formats of str.
#pragma once

#include "value.hpp"

namespace forklore::python {

bool encode_text(Encoded& to, PyObject* value);
PyObject* decode_ascii(Decoded& from, const Codec& codec);
PyObject* decode_latin(Decoded& from, const Codec& codec);
PyObject* decode_wide(Decoded& from, const Codec& codec);
PyObject* decode_text(Decoded& from, const Codec& codec);

}  // namespace forklore::python
