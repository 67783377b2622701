// django_keys.hpp - The keys of a Django cache backend, made in native code where nobody wants them made otherwise;
// else, and where a key is not a plain one, the backend's make_and_validate_key makes them.
#pragma once

#include <Python.h>

#include <array>
#include <forklore/options.hpp>

#include "django_backend.hpp"

namespace forklore::python {

/// Room for the bytes of any key.
using KeyBuffer = std::array<char, kMaxKeyBytes>;

/// Writes the full key of key and version to buffer. Its size, or 0 with an exception set. May run Python code.
std::size_t make_key(BackendObject* self, PyObject* key, PyObject* version, KeyBuffer& buffer);

}  // namespace forklore::python
