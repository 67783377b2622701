// memoized_type.cpp - forklore.memoize.Memoized: a memoized function. A hit is one call of it, all of which happens
// here: the key, the look, the value. What else there is to do is compute_value's, or that of forklore/memoize.py.
#include <Python.h>
#include <structmember.h>

#include <cstddef>
#include <new>

#include "compute.hpp"
#include "docstrings.hpp"
#include "errors.hpp"
#include "failing.hpp"
#include "hooks.hpp"
#include "interpreter.hpp"
#include "memoized_keys.hpp"

namespace forklore::python {
namespace {

struct MemoizedObject {
  PyObject_HEAD PyObject* attributes;
  PyObject* weak_references;
  ::vectorcallfunc vectorcall;
  PyObject* function;
  PyObject* cache;  // the forklore.Cache of the results; nullptr: they are where Python's half puts them
  Ttl ttl;
  ComputeOptions options;
  bool stale_if_error, background;  // as of Wanted
  MemoizedKeys keys;  // its behind is Python's half: also compute(key, fn), delete(key), bound(self, instance), said
};

MemoizedObject& memoized(PyObject* self) { return *reinterpret_cast<MemoizedObject*>(self); }

// All that it owns.
template <class Do>
int each_owned(MemoizedObject& object, Do&& visit) {
  MemoizedKeys& keys = object.keys;
  for (PyObject** owned : {&object.attributes, &object.function, &object.cache, &keys.key, &keys.behind, &keys.names,
                           &keys.defaults, &keys.required}) {
    if (const int stop = *owned == nullptr ? 0 : visit(*owned); stop != 0) return stop;
  }
  return 0;
}

int traverse(PyObject* self, ::visitproc visit, void* context) {
  if (const int stop = visit(reinterpret_cast<PyObject*>(Py_TYPE(self)), context); stop != 0) return stop;
  return each_owned(memoized(self), [&](PyObject* owned) { return visit(owned, context); });
}

int clear(PyObject* self) {
  return each_owned(memoized(self), [](PyObject*& owned) {
    Py_CLEAR(owned);
    return 0;
  });
}

void deallocate(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  if (memoized(self).weak_references != nullptr) PyObject_ClearWeakRefs(self);
  clear(self);
  memoized(self).keys.~MemoizedKeys();
  type->tp_free(self);
  Py_DECREF(type);
}

// A call that came to no hit: its function, and what its key is called.
struct Pending : Wanted {
  PyObject* wrapped;
  Given given;
  Reference bound, name;

  Pending(const MemoizedObject& object, const Given& arguments) : wrapped(object.function), given(arguments) {
    function = nullptr;
    ttl = object.ttl;
    options = object.options;
    stale_if_error = object.stale_if_error;
    background = object.background;
    complete = [](Wanted& wanted, NamedKey& key) { return static_cast<Pending&>(wanted).make(key); };
  }
  bool make(NamedKey& key) {
    bound = Reference(bind_to(wrapped, given));
    name = Reference(bound ? as_str(key.bytes) : nullptr);
    function = bound.get();
    key.object = name.get();
    return static_cast<bool>(name);
  }
  static PyObject* as_str(std::string_view key) {
    return PyUnicode_DecodeUTF8(key.data(), static_cast<Py_ssize_t>(key.size()), nullptr);
  }
};

PyObject* compute_elsewhere(const MemoizedObject& object, const Given& given, std::string_view key) {
  const Reference bound(bind_to(object.function, given));
  const Reference name(bound ? Pending::as_str(key) : nullptr);
  if (!name) return nullptr;
  return run_python([&] { return PyObject_CallMethod(object.keys.behind, "compute", "OO", name.get(), bound.get()); });
}

PyObject* call_memoized(PyObject* self, PyObject* const* values, std::size_t count, PyObject* keywords) {
  const MemoizedObject& object = memoized(self);
  const Given given{values, static_cast<std::size_t>(PyVectorcall_NARGS(count)), keywords};
  Text key;
  if (!object.keys.make(given, key)) return nullptr;
  if (object.cache == nullptr) return compute_elsewhere(object, given, key.view());
  const Call call(object.cache);
  if (!call) return nullptr;
  Pending pending(object, given);
  return compute_value(call, object.cache, {key.view(), nullptr}, pending);
}

PyObject* cache_key(PyObject* self, PyObject* const* values, Py_ssize_t count, PyObject* keywords) {
  Text key;
  const bool made = memoized(self).keys.make({values, static_cast<std::size_t>(count), keywords}, key);
  return made ? Pending::as_str(key.view()) : nullptr;
}

PyObject* forget(PyObject* self, PyObject* const* values, Py_ssize_t count, PyObject* keywords) {
  const Reference key(cache_key(self, values, count, keywords));
  if (!key) return nullptr;
  return run_python([&] { return PyObject_CallMethod(memoized(self).keys.behind, "delete", "O", key.get()); });
}

PyObject* bind_to_instance(PyObject* self, PyObject* instance, PyObject*) {
  if (instance == nullptr || instance == Py_None) return Py_NewRef(self);
  return run_python([&] { return PyObject_CallMethod(memoized(self).keys.behind, "bound", "OO", self, instance); });
}

PyObject* represent(PyObject* self) {
  const Reference said(PyObject_GetAttrString(memoized(self).keys.behind, "said"));
  return said ? PyUnicode_FromFormat("<memoized %U>", said.get()) : nullptr;
}

// By its name, as functions are pickled. A copy is the same object.
PyObject* reduce(PyObject* self, PyObject*) { return PyObject_GetAttrString(self, "__qualname__"); }

// From Python's half: (function, behind, begin, brief, key, cache, ttl, stale_for, early, stale_if_error, error_ttl,
// compute_timeout, refresh) and of the parameters (names, defaults, required, by_position, by_position_alone, more,
// words).
struct Arguments {
  PyObject *function, *behind, *begin, *brief, *key, *cache, *ttl, *stale_for, *early;
  PyObject* four[4];  // for parse_failing
  PyObject *names, *defaults, *required, *words;
  Py_ssize_t by_position, by_position_alone;
  int more;

  bool take(PyObject* positional) {
    return PyArg_ParseTuple(positional, "OOSSOOOOOOOOOO!O!OnnpO!", &function, &behind, &begin, &brief, &key, &cache,
                            &ttl, &stale_for, &early, &four[0], &four[1], &four[2], &four[3], &PyTuple_Type, &names,
                            &PyTuple_Type, &defaults, &required, &by_position, &by_position_alone, &more, &PyTuple_Type,
                            &words) != 0;
  }
};

// Whether the parameters are as MemoizedKeys relies on. False with TypeError set.
bool is_sound(const Arguments& given) {
  const Py_ssize_t all = PyTuple_GET_SIZE(given.names);
  bool sound = PyTuple_GET_SIZE(given.defaults) == all && given.by_position_alone >= 0 &&
               given.by_position_alone <= given.by_position &&
               given.by_position + PyTuple_GET_SIZE(given.words) == all &&
               (given.cache == Py_None || PyObject_TypeCheck(given.cache, interpreter().cache_type) != 0);
  for (Py_ssize_t i = 0; i < all; ++i) sound = sound && PyUnicode_Check(PyTuple_GET_ITEM(given.names, i)) != 0;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(given.words); ++i) {
    sound = sound && PyUnicode_Check(PyTuple_GET_ITEM(given.words, i)) != 0;
  }
  if (!sound) PyErr_SetString(PyExc_TypeError, "Memoized() is called by forklore.memoize alone");
  return sound;
}

bool fill(MemoizedKeys& keys, const Arguments& given) {
  const auto bytes = [](PyObject* object) {
    return std::string_view(PyBytes_AS_STRING(object), static_cast<std::size_t>(PyBytes_GET_SIZE(object)));
  };
  keys.begin = bytes(given.begin);
  keys.brief = bytes(given.brief);
  keys.key = given.key == Py_None ? nullptr : Py_NewRef(given.key);
  keys.behind = Py_NewRef(given.behind);
  keys.names = Py_NewRef(given.names);
  keys.defaults = Py_NewRef(given.defaults);
  keys.required = Py_NewRef(given.required);
  keys.by_position = static_cast<std::size_t>(given.by_position);
  keys.by_position_alone = static_cast<std::size_t>(given.by_position_alone);
  keys.more = given.more != 0;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(given.words); ++i) {
    Text word;
    if (!add_text(word, PyTuple_GET_ITEM(given.words, i))) return false;
    keys.words.emplace_back(word.view());
  }
  return true;
}

PyObject* make(PyTypeObject* type, PyObject* positional, PyObject*) {
  Arguments given{};
  Wanted wanted{};
  if (!given.take(positional) || !is_sound(given) || !parse_ttl(given.ttl, wanted.ttl) ||
      !parse_compute_options(given.stale_for, given.early, nullptr, wanted.options) ||
      !parse_failing(given.four, wanted)) {
    return nullptr;
  }
  Reference self(type->tp_alloc(type, 0));
  if (!self) return nullptr;
  MemoizedObject& object = memoized(self.get());
  new (&object.keys) MemoizedKeys{};
  object.vectorcall = call_memoized;
  object.function = Py_NewRef(given.function);
  object.cache = given.cache == Py_None ? nullptr : Py_NewRef(given.cache);
  object.ttl = wanted.ttl;
  object.options = wanted.options;
  object.stale_if_error = wanted.stale_if_error;
  object.background = wanted.background;
  return guarded([&] { return fill(object.keys, given); }, false) ? self.release() : nullptr;
}

template <class Function>
PyCFunction as_fast(Function* function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

PyMethodDef methods[] = {{"cache_key", as_fast(cache_key), METH_FASTCALL | METH_KEYWORDS, docs::kCacheKey},
                         {"forget", as_fast(forget), METH_FASTCALL | METH_KEYWORDS, docs::kForget},
                         {"__reduce__", reduce, METH_NOARGS, nullptr},
                         {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, nullptr},
                         {nullptr, nullptr, 0, nullptr}};

PyMemberDef members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(MemoizedObject, attributes), READONLY, nullptr},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(MemoizedObject, weak_references), READONLY, nullptr},
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(MemoizedObject, vectorcall), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr}};

PyGetSetDef properties[] = {{"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
                            {nullptr, nullptr, nullptr, nullptr, nullptr}};

PyType_Slot slots[] = {{Py_tp_doc, const_cast<char*>(docs::kMemoized)},
                       {Py_tp_new, reinterpret_cast<void*>(make)},
                       {Py_tp_dealloc, reinterpret_cast<void*>(deallocate)},
                       {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
                       {Py_tp_clear, reinterpret_cast<void*>(clear)},
                       {Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
                       {Py_tp_descr_get, reinterpret_cast<void*>(bind_to_instance)},
                       {Py_tp_repr, reinterpret_cast<void*>(represent)},
                       {Py_tp_methods, methods},
                       {Py_tp_members, members},
                       {Py_tp_getset, properties},
                       {0, nullptr}};

// A method of it that is called at once is never bound (METHOD_DESCRIPTOR). Both that and vectorcall are for types that
// nobody changes.
PyType_Spec spec{"forklore._core.Memoized", sizeof(MemoizedObject), 0,
                 Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
                     Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR,
                 slots};

}  // namespace

bool make_memoized_type(PyObject* module) {
  const Reference type(PyType_FromModuleAndSpec(module, &spec, nullptr));
  return type && PyModule_AddType(module, reinterpret_cast<PyTypeObject*>(type.get())) == 0;
}

}  // namespace forklore::python
