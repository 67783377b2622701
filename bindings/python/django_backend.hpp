// django_backend.hpp - What the native half of a Django cache backend knows of the other.
//
// The object is the native base of the backend. It asks the Python half (_usual), which answers a
// forklore.contract.Usual: how keys begin, what a timeout is that is not given, and so on. It asks again when an
// attribute of the backend has been set or deleted, or its class or a base of that has changed.
#pragma once

#include <Python.h>

#include <chrono>
#include <forklore/options.hpp>

#include "reference.hpp"

namespace forklore::python {

/// The native half of a backend. Zeroed: nothing is known yet. Guarded by the GIL.
struct BackendObject {
  static constexpr std::size_t kMostHead = 200;

  PyObject_HEAD PyObject* handle;  // the forklore.Cache that the backend's calls go to; owned; nullptr: ask for it
  PyObject* default_timeout;       // what callers have for a timeout that is not given; owned
  unsigned class_version;          // of the class that was asked; 0: ask again
  unsigned changes;                // of attributes, so far
  Ttl ttl;                         // where no timeout is given
  Ttl stale_for;                   // default; so are the next four fields
  std::chrono::milliseconds error_ttl;
  std::chrono::milliseconds compute_timeout;
  bool stale_if_error;
  bool background;
  bool spreads;              // times to live (TTL_JITTER)
  bool usual;                // head is what keys begin with
  std::uint8_t prefix_size;  // of "prefix:", with which head begins
  std::uint8_t head_size;    // of "prefix:version:" with the backend's own version
  char head[kMostHead];
};

/// Which version of a class this is. It changes with any attribute of the class or of its bases. 0: it has none now.
inline unsigned version_of(PyTypeObject* type) {
#if PY_VERSION_HEX < 0x030C0000
  if (!PyType_HasFeature(type, Py_TPFLAGS_VALID_VERSION_TAG)) return 0;
#endif
  return type->tp_version_tag;
}
/// Asks the Python half. What it says holds from then on only if nothing has changed meanwhile. False with an exception
/// set.
bool ask(BackendObject* self);
/// Asks what is not known, or not any more. False with an exception set. May run Python code.
inline bool know(BackendObject* self) {
  const unsigned version = version_of(Py_TYPE(self));
  return (version != 0 && version == self->class_version) || ask(self);
}

/// Asks for the backend's forklore.Cache. The first call opens it.
Reference ask_for_handle(BackendObject* self);
/// The backend's forklore.Cache, or nothing with an exception set. May run Python code.
inline Reference handle_of(BackendObject* self) {
  if (!know(self)) return {};
  return self->handle != nullptr ? Reference(Py_NewRef(self->handle)) : ask_for_handle(self);
}

/// The time to live of one entry for a timeout as Django has it. False with TypeError or ValueError set. May run Python
/// code.
bool take_timeout(BackendObject* self, PyObject* timeout, Ttl& ttl);
/// The tp_setattro of the type: forgets what is known.
int set_attribute(PyObject* self, PyObject* name, PyObject* value);

}  // namespace forklore::python
