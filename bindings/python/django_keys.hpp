// django_keys.hpp - The keys of a Django cache backend, made in native code where nobody wants them made otherwise.
//
// The object is the native base of the backend. It asks the Python half (_usual_keys) how keys begin, which says None
// if anything about making or checking them is not Django's default, and asks again when an attribute of the backend
// has been set or deleted, or its class or a base of that has changed. Where the answer is None, or a key is not a
// plain one, the backend's make_and_validate_key makes it.
#pragma once

#include <Python.h>

#include <array>
#include <forklore/options.hpp>

#include "reference.hpp"

namespace forklore::python {

/// The native half of a backend. Zeroed: nothing is known yet. Guarded by the GIL.
struct BackendObject {
  static constexpr std::size_t kMostHead = 200;

  PyObject_HEAD PyObject* handle;  // the forklore.Cache that the backend's calls go to; owned; nullptr: ask for it
  unsigned class_version;          // of the class that was asked; 0: ask again
  unsigned changes;                // of attributes, so far
  bool usual;
  std::uint8_t prefix_size;  // of "prefix:", with which head begins
  std::uint8_t head_size;    // of "prefix:version:" with the backend's own version
  char head[kMostHead];
};

/// Room for the bytes of any key.
using KeyBuffer = std::array<char, kMaxKeyBytes>;

/// Writes the full key of key and version to buffer. Its size, or 0 with an exception set. May run Python code.
std::size_t make_key(BackendObject* self, PyObject* key, PyObject* version, KeyBuffer& buffer);
/// The backend's forklore.Cache, or nothing with an exception set. May run Python code: the first call opens it.
Reference handle_of(BackendObject* self);
/// The tp_setattro of the type: forgets what is known.
int set_attribute(PyObject* self, PyObject* name, PyObject* value);

}  // namespace forklore::python
