// native_type.hpp - The types of _core that the package's own Python modules drive: each object owns one State.
#pragma once

#include <Python.h>

#include <memory>

namespace forklore::python {

template <typename State>
struct NativeObject {
  PyObject_HEAD State* state;
};

template <typename State>
State& state_of(PyObject* self) {
  return *reinterpret_cast<NativeObject<State>*>(self)->state;
}

/// A new object of that type; nullptr with MemoryError set.
template <typename State>
PyObject* new_object(PyTypeObject* type, std::unique_ptr<State> state) {
  PyObject* self = type->tp_alloc(type, 0);
  if (self != nullptr) reinterpret_cast<NativeObject<State>*>(self)->state = state.release();
  return self;
}

template <typename State>
void delete_object(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  delete reinterpret_cast<NativeObject<State>*>(self)->state;
  type->tp_free(self);
  Py_DECREF(type);
}

/// Adds to the module a type that make makes objects of. name: a literal, as "forklore._core._Lease".
template <typename State>
bool add_native_type(PyObject* module, const char* name, ::newfunc make, PyMethodDef* methods) {
  PyType_Slot slots[] = {{Py_tp_new, reinterpret_cast<void*>(make)},
                         {Py_tp_dealloc, reinterpret_cast<void*>(delete_object<State>)},
                         {Py_tp_methods, methods},
                         {0, nullptr}};
  PyType_Spec spec{name, sizeof(NativeObject<State>), 0, Py_TPFLAGS_DEFAULT, slots};
  PyObject* type = PyType_FromModuleAndSpec(module, &spec, nullptr);
  const bool added = type != nullptr && PyModule_AddType(module, reinterpret_cast<PyTypeObject*>(type)) == 0;
  Py_XDECREF(type);
  return added;
}

}  // namespace forklore::python
