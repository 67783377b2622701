#include "django_backend.hpp"

#include <cstring>

#include "arguments.hpp"
#include "cache_type.hpp"
#include "compute.hpp"
#include "hooks.hpp"
#include "interpreter.hpp"

namespace forklore::python {
namespace {

// Which version of a class this is; it changes with any attribute of the class or of its bases. 0: it has none now.
unsigned version_of(PyTypeObject* type) {
#if PY_VERSION_HEX < 0x030C0000
  if (!PyType_HasFeature(type, Py_TPFLAGS_VALID_VERSION_TAG)) return 0;
#endif
  return type->tp_version_tag;
}

bool take_keys(BackendObject* self, PyObject* parts) {
  self->usual = false;
  if (parts == Py_None) return true;
  PyObject *prefix, *head;
  if (!PyArg_ParseTuple(parts, "UU", &prefix, &head)) return false;
  const auto size = static_cast<std::size_t>(PyUnicode_GET_LENGTH(head));
  if (!PyUnicode_IS_COMPACT_ASCII(head) || size > BackendObject::kMostHead) return true;
  std::memcpy(self->head, PyUnicode_1BYTE_DATA(head), size);
  self->prefix_size = static_cast<std::uint8_t>(PyUnicode_GET_LENGTH(prefix));
  self->head_size = static_cast<std::uint8_t>(size);
  self->usual = true;
  return true;
}

bool take_times(BackendObject* self, PyObject* ttl, PyObject* stale_for) {
  ComputeOptions options;
  if (!parse_ttl(ttl, self->ttl) || !parse_compute_options(stale_for, nullptr, nullptr, options)) return false;
  self->stale_for = options.stale_for;
  return true;
}

// Asks the Python half. What it says holds from here on only if nothing has changed meanwhile.
bool ask(BackendObject* self) {
  const unsigned version = version_of(Py_TYPE(self));
  const unsigned changes = self->changes;
  auto* object = reinterpret_cast<PyObject*>(self);
  Reference said(run_python([&] { return PyObject_CallMethod(object, "_usual", nullptr); }));
  PyObject *keys, *none, *ttl, *stale_for;
  int spreads = 0;
  if (!said || !PyArg_ParseTuple(said.get(), "OOOOp", &keys, &none, &ttl, &stale_for, &spreads)) return false;
  if (!take_keys(self, keys) || !take_times(self, ttl, stale_for)) return false;
  self->spreads = spreads != 0;
  Py_XSETREF(self->default_timeout, Py_NewRef(none));
  self->class_version = changes == self->changes && version == version_of(Py_TYPE(self)) ? version : 0;
  return true;
}

}  // namespace

bool know(BackendObject* self) {
  const unsigned version = version_of(Py_TYPE(self));
  return (version != 0 && version == self->class_version) || ask(self);
}

Reference handle_of(BackendObject* self) {
  if (!know(self)) return {};
  if (self->handle != nullptr) return Reference(Py_NewRef(self->handle));
  auto* object = reinterpret_cast<PyObject*>(self);
  Reference handle(run_python([&] { return PyObject_GetAttrString(object, "handle"); }));
  if (handle && !PyObject_TypeCheck(handle.get(), interpreter().cache_type)) {
    PyErr_Format(PyExc_TypeError, "the handle of a backend is a forklore.Cache, not %.200s",
                 Py_TYPE(handle.get())->tp_name);
    return {};
  }
  // A class that makes keys in its own way may choose its handle in its own way as well.
  if (handle && self->usual) Py_XSETREF(self->handle, Py_NewRef(handle.get()));
  return handle;
}

bool take_timeout(BackendObject* self, PyObject* timeout, Ttl& ttl) {
  if (!know(self)) return false;
  if (timeout == self->default_timeout && !self->spreads) {
    ttl = self->ttl;
    return true;
  }
  if (!self->spreads) return parse_ttl(timeout, ttl);
  auto* object = reinterpret_cast<PyObject*>(self);
  const Reference own(run_python([&] { return PyObject_CallMethod(object, "_ttl", "O", timeout); }));
  return own && parse_ttl(own.get(), ttl);
}

int set_attribute(PyObject* self, PyObject* name, PyObject* value) {
  auto* backend = reinterpret_cast<BackendObject*>(self);
  backend->class_version = 0;
  ++backend->changes;
  Py_CLEAR(backend->handle);
  return PyObject_GenericSetAttr(self, name, value);
}

}  // namespace forklore::python
