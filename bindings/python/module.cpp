// module.cpp - forklore._core: everything native of the Python package. Multi-phase initialization (PEP 489), plain C
// API: what each interpreter has of it is in interpreter.hpp.
#include <string>

#include "arguments.hpp"
#include "cache_type.hpp"
#include "compute.hpp"
#include "django_calls.hpp"
#include "docstrings.hpp"
#include "errors.hpp"
#include "formats.hpp"
#include "hooks.hpp"
#include "interpreter.hpp"
#include "records.hpp"

namespace forklore::python {
namespace {

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

bool make_default(PyObject* module) {
  // Without the module: DEFAULT holds its type, which the garbage collector does not see, as it is a str.
  const Reference type(PyType_FromSpec(&default_spec));
  const Reference arguments(Py_BuildValue("(s)", "DEFAULT"));
  if (!type || !arguments) return false;
  PyObject*& made = interpreter().default_object;
  made = PyUnicode_Type.tp_new(reinterpret_cast<PyTypeObject*>(type.get()), arguments.get(), nullptr);
  return made != nullptr && PyModule_AddObjectRef(module, "DefaultTtl", type.get()) == 0 &&
         PyModule_AddObjectRef(module, "DEFAULT", made) == 0;
}

PyObject* remove(PyObject*, PyObject* const* given, Py_ssize_t count, PyObject* keywords) {
  static constexpr Parameters<3> kParameters{"remove", 1, 1, {"name", "place", "owner"}};
  std::array<PyObject*, 3> values{};
  std::string name;
  Place place = Place::shm;
  std::optional<::uid_t> owner;
  if (!kParameters.bind(given, count, keywords, values)) return nullptr;
  return guarded(
      [&]() -> PyObject* {
        if (!parse_name(values[0], name) || !parse_owner(values[2], owner)) return nullptr;
        if (values[1] != nullptr && !parse_place(values[1], place)) return nullptr;
        const bool removed = [&] {
          const Unlocked unlocked;
          return remove_segment(name, place, owner);
        }();
        return PyBool_FromLong(removed ? 1 : 0);
      },
      static_cast<PyObject*>(nullptr));
}

PyObject* list_segments(PyObject*, PyObject*) {
  return guarded(
      []() -> PyObject* {
        const std::vector<SegmentInfo> found = [] {
          const Unlocked unlocked;
          return segments();
        }();
        Reference list(PyList_New(0));
        for (const SegmentInfo& info : found) {
          const Reference record(list ? to_python(info) : nullptr);
          if (!record || PyList_Append(list.get(), record.get()) < 0) return nullptr;
        }
        return list.release();
      },
      static_cast<PyObject*>(nullptr));
}

template <class Function>
PyCFunction as_function(Function* function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

PyMethodDef functions[] = {{"remove", as_function(remove), METH_FASTCALL | METH_KEYWORDS, docs::kRemove},
                           {"segments", list_segments, METH_NOARGS, docs::kSegments},
                           {"_reopen", as_function(reopen), METH_FASTCALL, "For pickle alone."},
                           {"_check", as_function(check_arguments), METH_VARARGS | METH_KEYWORDS, docs::kCheck},
                           {"_need", needed_by, METH_VARARGS, docs::kNeed},
                           {"_formats", list_formats, METH_NOARGS, docs::kFormats},
                           {"_register_type", register_type, METH_VARARGS, docs::kRegisterType},
                           {nullptr, nullptr, 0, nullptr}};

int execute(PyObject* module) {
  bool again = false;
  if (!install_hooks() || !enter_interpreter(module, again)) return -1;
  if (again) return 0;
  prepare_formats();
  const bool made = PyModule_AddStringConstant(module, "__version__", FORKLORE_VERSION) == 0 && make_default(module) &&
                    make_errors(module) && add_options(module) && add_counts(module) && make_cache_type(module) &&
                    make_django_type(module) && make_computing(module) && make_computation_type(module) &&
                    make_lease_type(module) && make_memoized_type(module);
  return made ? 0 : -1;
}

PyModuleDef_Slot slots[] = {{Py_mod_exec, reinterpret_cast<void*>(execute)},
#ifdef Py_mod_multiple_interpreters
                            // One with a GIL of its own is refused; before 3.12 there are none.
                            {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_SUPPORTED},
#endif
                            {0, nullptr}};

PyModuleDef definition{PyModuleDef_HEAD_INIT, "forklore._core",  nullptr,         sizeof(Interpreter), functions, slots,
                       traverse_interpreter,  clear_interpreter, free_interpreter};

}  // namespace
}  // namespace forklore::python

PyMODINIT_FUNC PyInit__core() { return PyModuleDef_Init(&forklore::python::definition); }
