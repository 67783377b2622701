// module.cpp - forklore._core: everything native of the Python package.
#include <pybind11/pybind11.h>

#include <string>

#include "arguments.hpp"
#include "cache_type.hpp"
#include "compute.hpp"
#include "django_calls.hpp"
#include "docstrings.hpp"
#include "errors.hpp"
#include "hooks.hpp"
#include "records.hpp"

namespace forklore::python {
namespace {

namespace py = pybind11;

// The type of DEFAULT: one instance, also after a copy or a pickle. It is a str, since inspect and help() show nothing
// but plain values as defaults.
PyObject* default_repr(PyObject*) { return PyUnicode_FromString("forklore.DEFAULT"); }
PyObject* default_reduce(PyObject*, PyObject*) { return PyUnicode_FromString("DEFAULT"); }
PyMethodDef default_methods[] = {{"__reduce__", default_reduce, METH_NOARGS, nullptr}, {nullptr, nullptr, 0, nullptr}};
PyType_Slot default_slots[] = {{Py_tp_doc, const_cast<char*>(docs::kDefaultTtl)},
                               {Py_tp_base, &PyUnicode_Type},
                               {Py_tp_repr, reinterpret_cast<void*>(default_repr)},
                               {Py_tp_methods, default_methods},
                               {0, nullptr}};
PyType_Spec default_spec{"forklore._core.DefaultTtl", 0, 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                         default_slots};

void add_default(py::module_& module) {
  py::object type = py::reinterpret_steal<py::object>(PyType_FromSpec(&default_spec));
  if (!type) throw py::error_already_set();
  auto* made = reinterpret_cast<PyTypeObject*>(type.ptr());
  default_object = PyUnicode_Type.tp_new(made, py::make_tuple("DEFAULT").ptr(), nullptr);
  if (default_object == nullptr) throw py::error_already_set();
  module.add_object("DefaultTtl", type);
  module.add_object("DEFAULT", default_object);
}

Place place_of(const py::object& name) {
  Place place{};
  if (!parse_place(name.ptr(), place)) throw py::error_already_set();
  return place;
}

template <class Call>
auto without_gil(Call&& call) {
  try {
    const Unlocked unlocked;
    return call();
  } catch (...) {
    // Unlocked has taken the GIL back.
    set_current_exception();
  }
  throw py::error_already_set();
}

bool remove(const std::string& name, const py::object& place_name) {
  const Place place = place_of(place_name);
  return without_gil([&] { return remove_segment(name, place); });
}

py::list list_segments() {
  py::list list;
  for (const SegmentInfo& info : without_gil([] { return segments(); })) {
    py::object record = py::reinterpret_steal<py::object>(to_python(info));
    if (!record) throw py::error_already_set();
    list.append(record);
  }
  return list;
}

PyMethodDef reopen_method{"_reopen", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(reopen)), METH_FASTCALL,
                          "For pickle alone."};
PyMethodDef check_method{"_check", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(check_arguments)),
                         METH_VARARGS | METH_KEYWORDS, docs::kCheck};

void add_function(py::module_& module, PyMethodDef& method) {
  PyObject* function = PyCFunction_NewEx(&method, nullptr, py::str("forklore._core").release().ptr());
  if (function == nullptr) throw py::error_already_set();
  module.add_object(method.ml_name, py::reinterpret_steal<py::object>(function));
}

void fill(py::module_& module) {
  install_hooks();
  add_default(module);
  module.attr("__version__") = FORKLORE_VERSION;
  if (!make_errors(module.ptr()) || !make_cache_type(module.ptr()) || !make_django_type(module.ptr()) ||
      !make_computing(module.ptr()) || !make_computation_type(module.ptr()) || !make_lease_type(module.ptr())) {
    throw py::error_already_set();
  }
  module.def("remove", &remove, py::arg("name"), py::kw_only(), py::arg("place") = "shm", docs::kRemove);
  module.def("segments", &list_segments, docs::kSegments);
  add_function(module, reopen_method);
  add_function(module, check_method);
}

}  // namespace
}  // namespace forklore::python

PYBIND11_MODULE(_core, module) { forklore::python::fill(module); }
