// Copies of a handle: by copy, by pickle.
#include "argument_list.hpp"
#include "cache_type.hpp"
#include "compression.hpp"
#include "errors.hpp"
#include "hooks.hpp"
#include "interpreter.hpp"
#include "serializers.hpp"

namespace forklore::python {
namespace {

// The arguments of attach() for a handle like this one, a value for each of the list.
Reference arguments_again(const Options& options, const Codec& codec) {
  const Reference place(PyUnicode_FromString(to_string(options.place)));
  const Reference path(options.path.empty() ? Py_NewRef(Py_None) : PyUnicode_DecodeFSDefault(options.path.c_str()));
  const Reference default_ttl(to_seconds(options.default_ttl));
  const Reference lock_timeout(PyFloat_FromDouble(static_cast<double>(options.lock_timeout.count()) / 1000));
  const Reference mode(PyLong_FromUnsignedLong(options.mode));
  const Reference owner(options.owner ? PyLong_FromUnsignedLong(*options.owner) : Py_NewRef(Py_None));
  const Reference serializer(PyUnicode_FromString(name_of(codec.serializer)));
  const bool compresses = codec.compression != nullptr;
  const Reference compress_above(compresses ? PyLong_FromSize_t(codec.compress_above) : Py_NewRef(Py_None));
  const Reference compression(compresses ? PyUnicode_FromString(name_of(*codec.compression)) : Py_NewRef(Py_None));
  const Reference read_only(PyBool_FromLong(options.read_only ? 1 : 0));
  Reference made(PyDict_New());
#define FORKLORE_SET(argument) \
  if (!made || !argument || PyDict_SetItemString(made.get(), #argument, argument.get()) < 0) return {};
  FORKLORE_OF_HANDLE(FORKLORE_SET)
#undef FORKLORE_SET
  return made;
}

// How to attach to the same segment once more: (_reopen, (type, name, arguments)).
Reference recipe(PyObject* self, const Call& call) {
  const Reference module(PyImport_ImportModule("forklore._core"));
  const Reference function(module ? PyObject_GetAttrString(module.get(), "_reopen") : nullptr);
  const Reference arguments(function ? arguments_again(call.options(), call.codec()) : Reference());
  if (!arguments) return {};
  return Reference(
      Py_BuildValue("O(OsO)", function.get(), Py_TYPE(self), call.options().name.c_str(), arguments.get()));
}

// The attributes that an object of a subclass has; None of a plain one.
Reference attributes_of(PyObject* self) {
  Reference attributes(PyObject_GetAttrString(self, "__dict__"));
  if (attributes || PyErr_ExceptionMatches(PyExc_AttributeError) == 0) return attributes;
  PyErr_Clear();
  return Reference(Py_NewRef(Py_None));
}

// A handle of this process to the same segment, in anonymous memory too.
PyObject* copy(PyObject* self, PyObject* attributes) {
  const Call call(self);
  const Reference made(call ? recipe(self, call) : Reference());
  if (!made || attributes == nullptr) return nullptr;
  Reference again(run_python(
      [&] { return PyObject_CallObject(PyTuple_GET_ITEM(made.get(), 0), PyTuple_GET_ITEM(made.get(), 1)); }));
  if (!again || attributes == Py_None) return again.release();
  const Reference own(PyObject_GetAttrString(again.get(), "__dict__"));
  return own && PyDict_Update(own.get(), attributes) == 0 ? again.release() : nullptr;
}

}  // namespace

PyObject* cache_reduce(PyObject* self, PyObject*) {
  const Call call(self);
  if (!call) return nullptr;
  if (call.options().place == Place::anonymous) {
    PyErr_SetString(errors().error,
                    "a Cache in anonymous memory is shared by fork alone and cannot be pickled; place=\"shm\" can");
    return nullptr;
  }
  const Reference made = recipe(self, call);
  const Reference attributes(made ? attributes_of(self) : Reference());
  if (!attributes) return nullptr;
  return PyTuple_Pack(3, PyTuple_GET_ITEM(made.get(), 0), PyTuple_GET_ITEM(made.get(), 1), attributes.get());
}

PyObject* cache_copy(PyObject* self, PyObject*) { return copy(self, attributes_of(self).get()); }

PyObject* cache_deepcopy(PyObject* self, PyObject* memo) {
  const Reference attributes = attributes_of(self);
  const Reference module(attributes ? PyImport_ImportModule("copy") : nullptr);
  const Reference deep(
      module ? run_python([&] { return PyObject_CallMethod(module.get(), "deepcopy", "OO", attributes.get(), memo); })
             : nullptr);
  return copy(self, deep.get());
}

PyObject* reopen(PyObject*, PyObject* const* given, Py_ssize_t count) {
  if (count != 3 || !PyType_Check(given[0]) || !PyDict_Check(given[2]) ||
      PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(given[0]), interpreter().cache_type) == 0) {
    PyErr_SetString(PyExc_TypeError, "_reopen(type, name, options) is for pickle alone");
    return nullptr;
  }
  Reference positional(PyTuple_Pack(1, given[1]));
  return positional ? cache_attach(given[0], positional.get(), given[2]) : nullptr;
}

}  // namespace forklore::python
