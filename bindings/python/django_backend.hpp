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

/// Asks what is not known, or not any more. False with an exception set. May run Python code.
bool know(BackendObject* self);
/// The backend's forklore.Cache, or nothing with an exception set. May run Python code: the first call opens it.
Reference handle_of(BackendObject* self);
/// The time to live of one entry for a timeout as Django has it. False with TypeError or ValueError set. May run Python
/// code.
bool take_timeout(BackendObject* self, PyObject* timeout, Ttl& ttl);
/// The tp_setattro of the type: forgets what is known.
int set_attribute(PyObject* self, PyObject* name, PyObject* value);

}  // namespace forklore::python
