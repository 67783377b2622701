#include "django_backend.hpp"

#include <cstring>

#include "arguments.hpp"
#include "cache_type.hpp"
#include "compute.hpp"
#include "failing.hpp"
#include "hooks.hpp"
#include "interpreter.hpp"

namespace forklore::python {
namespace {

// A class of forklore.contract.
Reference contract_of(const char* name) {
  const Reference module(run_python([] { return PyImport_ImportModule("forklore.contract"); }));
  return Reference(module ? PyObject_GetAttrString(module.get(), name) : nullptr);
}

// Whether what is said is an instance of that class of the contract. False with TypeError set.
bool is_contract(PyObject* said, const char* name) {
  const Reference wanted = contract_of(name);
  const int is = wanted ? PyObject_IsInstance(said, wanted.get()) : -1;
  if (is == 0) {
    PyErr_Format(PyExc_TypeError, "a forklore.contract.%s is wanted, not %.200s", name, Py_TYPE(said)->tp_name);
  }
  return is == 1;
}

// A field of the contract, which must be of the type if one is given. Nothing with an exception set.
Reference field_of(PyObject* said, const char* name, PyTypeObject* type = nullptr) {
  Reference field(PyObject_GetAttrString(said, name));
  if (!field || type == nullptr || PyObject_TypeCheck(field.get(), type)) return field;
  PyErr_Format(PyExc_TypeError, "%s.%s is a %s, not %.200s", Py_TYPE(said)->tp_name, name, type->tp_name,
               Py_TYPE(field.get())->tp_name);
  return {};
}

bool take_heads(BackendObject* self, PyObject* heads) {
  self->usual = false;
  if (heads == Py_None) return true;
  if (!is_contract(heads, "KeyHeads")) return false;
  const Reference held_prefix = field_of(heads, "prefix", &PyUnicode_Type);
  const Reference held_head = held_prefix ? field_of(heads, "own_version", &PyUnicode_Type) : Reference();
  if (!held_head) return false;
  PyObject *const prefix = held_prefix.get(), *const head = held_head.get();
  if (PyUnicode_Tailmatch(head, prefix, 0, PyUnicode_GET_LENGTH(head), -1) != 1) {
    PyErr_SetString(PyExc_ValueError, "KeyHeads.own_version begins with KeyHeads.prefix");
    return false;
  }
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

bool take_failing(BackendObject* self, PyObject* said) {
  const Reference fields[] = {field_of(said, "stale_if_error"), field_of(said, "error_ttl"),
                              field_of(said, "compute_timeout"), field_of(said, "refresh")};
  PyObject* four[4];
  for (std::size_t i = 0; i < 4; ++i) {
    if (!fields[i]) return false;
    four[i] = fields[i].get();
  }
  Wanted wanted{};
  if (!parse_failing(four, wanted)) return false;
  self->error_ttl = wanted.options.error_ttl;
  self->compute_timeout = wanted.options.compute_timeout;
  self->stale_if_error = wanted.stale_if_error;
  self->background = wanted.background;
  return true;
}

}  // namespace

bool ask(BackendObject* self) {
  const unsigned version = version_of(Py_TYPE(self));
  const unsigned changes = self->changes;
  auto* object = reinterpret_cast<PyObject*>(self);
  Reference said(run_python([&] { return PyObject_CallMethod(object, "_usual", nullptr); }));
  if (!said || !is_contract(said.get(), "Usual")) return false;
  const Reference heads = field_of(said.get(), "heads");
  const Reference no_timeout = field_of(said.get(), "no_timeout");
  const Reference ttl = field_of(said.get(), "ttl");
  const Reference stale_for = field_of(said.get(), "stale_for");
  const Reference spreads = field_of(said.get(), "spreads", &PyBool_Type);
  if (!heads || !no_timeout || !ttl || !stale_for || !spreads) return false;
  if (!take_heads(self, heads.get()) || !take_times(self, ttl.get(), stale_for.get())) return false;
  if (!take_failing(self, said.get())) return false;
  self->spreads = spreads.get() == Py_True;
  Py_XSETREF(self->default_timeout, Py_NewRef(no_timeout.get()));
  self->class_version = changes == self->changes && version == version_of(Py_TYPE(self)) ? version : 0;
  return true;
}

Reference ask_for_handle(BackendObject* self) {
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
