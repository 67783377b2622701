// forklore._core.DjangoCalls: the native base of the Django backend, whose Python methods call these. They take what
// BaseCache's take, all by position.
#include "django_calls.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "cache_calls.hpp"
#include "compute.hpp"
#include "django_keys.hpp"
#include "docstrings.hpp"
#include "errors.hpp"
#include "failing.hpp"
#include "hooks.hpp"

namespace forklore::python {
namespace {

BackendObject* backend_of(PyObject* self) { return reinterpret_cast<BackendObject*>(self); }

// The full key of one call and the handle that it goes to.
class Target {
 public:
  // False after it with an exception set.
  Target(PyObject* self, PyObject* key, PyObject* version) : object_(key) {
    BackendObject* backend = backend_of(self);
    size_ = make_key(backend, key, version, buffer_);
    if (size_ != 0) handle_ = handle_of(backend);
  }
  explicit operator bool() const { return static_cast<bool>(handle_); }
  [[nodiscard]] PyObject* handle() const { return handle_.get(); }
  [[nodiscard]] NamedKey key() const { return {{buffer_.data(), size_}, object_}; }

 private:
  KeyBuffer buffer_;  // size_ bytes of it
  std::size_t size_;
  PyObject* object_;
  Reference handle_;
};

// The keys of one call, made one after the other.
class Targets {
 public:
  // objects: a tuple or a list. False with an exception set.
  bool take(PyObject* self, Reference objects, PyObject* version) {
    BackendObject* backend = backend_of(self);
    objects_ = std::move(objects);
    if (!objects_) return false;
    const auto count = static_cast<std::size_t>(PySequence_Fast_GET_SIZE(objects_.get()));
    Array<std::size_t> ends(&scratch_);
    ends.reserve(count);
    bytes_.reserve(count * kUsualBytes);
    KeyBuffer buffer;
    for (std::size_t i = 0; i < count; ++i) {
      PyObject* key = PySequence_Fast_GET_ITEM(objects_.get(), static_cast<Py_ssize_t>(i));
      const std::size_t size = make_key(backend, key, version, buffer);
      if (size == 0) return false;
      bytes_.append(buffer.data(), size);
      ends.push_back(bytes_.size());
    }
    views_.reserve(count);
    std::size_t begin = 0;
    for (const std::size_t end : ends) {
      views_.emplace_back(bytes_.data() + begin, end - begin);
      begin = end;
    }
    handle_ = handle_of(backend);
    return static_cast<bool>(handle_);
  }
  [[nodiscard]] PyObject* handle() const { return handle_.get(); }
  [[nodiscard]] NamedKeys keys() { return {views_, objects_.get(), &scratch_}; }

 private:
  static constexpr std::size_t kUsualBytes = 32;  // of a key; more are taken as they come

  Reference objects_;
  Scratch scratch_;
  std::pmr::string bytes_{&scratch_};
  Array<std::string_view> views_{&scratch_};
  Reference handle_;
};

bool has(Py_ssize_t wanted, Py_ssize_t count) {
  if (count == wanted) return true;
  PyErr_Format(PyExc_TypeError, "takes %zd arguments, all by position (%zd given)", wanted, count);
  return false;
}

// (key, default, version)
PyObject* get(PyObject* self, PyObject* const* given, Py_ssize_t count) {
  if (!has(3, count)) return nullptr;
  const Target target(self, given[0], given[2]);
  if (!target) return nullptr;
  const Call call(target.handle());
  return call ? read_value(call, target.key(), given[1]) : nullptr;
}

// given: (key, value, timeout, version)
PyObject* store(PyObject* self, PyObject* const* given, Store how) {
  Ttl ttl{};
  if (!take_timeout(backend_of(self), given[2], ttl)) return nullptr;
  const Target target(self, given[0], given[3]);
  if (!target) return nullptr;
  const Call call(target.handle());
  if (!call) return nullptr;
  const std::optional<Code> code = store_value(call, how, target.key(), given[1], ttl);
  if (!code) return nullptr;
  return Py_NewRef(how == Store::set ? Py_None : code == Code::ok ? Py_True : Py_False);
}

// (key, value, timeout, version)
PyObject* add(PyObject* self, PyObject* const* given, Py_ssize_t count) {
  return has(4, count) ? store(self, given, Store::add) : nullptr;
}

// What set() does with nx and xx. False with an exception set.
bool take_condition(PyObject* nx, PyObject* xx, Store& how) {
  const int absent = PyObject_IsTrue(nx);
  const int present = absent < 0 ? -1 : PyObject_IsTrue(xx);
  if (present < 0) return false;
  if (absent > 0 && present > 0) {
    PyErr_SetString(PyExc_TypeError,
                    "set() takes nx or xx, not both: one stores what is absent, the other what is there");
    return false;
  }
  how = absent > 0 ? Store::add : present > 0 ? Store::replace : Store::set;
  return true;
}

// (key, value, timeout, version, nx, xx)
PyObject* set(PyObject* self, PyObject* const* given, Py_ssize_t count) {
  if (!has(6, count)) return nullptr;
  if (given[4] == Py_False && given[5] == Py_False) return store(self, given, Store::set);
  Store how{};
  return take_condition(given[4], given[5], how) ? store(self, given, how) : nullptr;
}

// (key, default, timeout, version, stale_for, early, wait, stale_if_error, error_ttl, compute_timeout, refresh)
PyObject* get_or_set(PyObject* self, PyObject* const* given, Py_ssize_t count) {
  if (!has(11, count)) return nullptr;
  if (!PyCallable_Check(given[1])) {
    return run_python(
        [&] { return PyObject_CallMethod(self, "_get_or_add", "OOOO", given[0], given[1], given[2], given[3]); });
  }
  Wanted wanted{given[1]};
  if (!take_timeout(backend_of(self), given[2], wanted.ttl)) return nullptr;
  const BackendObject& usual = *backend_of(self);
  wanted.options.stale_for = usual.stale_for;
  wanted.options.error_ttl = usual.error_ttl;
  wanted.options.compute_timeout = usual.compute_timeout;
  wanted.stale_if_error = usual.stale_if_error;
  wanted.background = usual.background;
  wanted.backend = self;
  const bool says_more = std::any_of(given + 4, given + 11, [](PyObject* one) { return one != Py_None; });
  if (says_more &&
      (!parse_compute_options(given[4], given[5], given[6], wanted.options) || !parse_failing(given + 7, wanted))) {
    return nullptr;
  }
  const Target target(self, given[0], given[3]);
  if (!target) return nullptr;
  const Call call(target.handle());
  return call ? compute_value(call, target.handle(), target.key(), wanted) : nullptr;
}

// (key, timeout, version)
PyObject* touch(PyObject* self, PyObject* const* given, Py_ssize_t count) {
  Ttl ttl{};
  if (!has(3, count) || !take_timeout(backend_of(self), given[1], ttl)) return nullptr;
  const Target target(self, given[0], given[2]);
  if (!target) return nullptr;
  const Call call(target.handle());
  return call ? touch_key(call, target.key(), ttl) : nullptr;
}

// (key, version)
PyObject* remove(PyObject* self, PyObject* const* given, Py_ssize_t count) {
  if (!has(2, count)) return nullptr;
  const Target target(self, given[0], given[1]);
  if (!target) return nullptr;
  const Call call(target.handle());
  return call ? delete_key(call, target.key()) : nullptr;
}

// (key, version)
PyObject* has_key(PyObject* self, PyObject* const* given, Py_ssize_t count) {
  if (!has(2, count)) return nullptr;
  const Target target(self, given[0], given[1]);
  if (!target) return nullptr;
  const Call call(target.handle());
  const int answer = call ? is_there(call, target.key()) : -1;
  return answer < 0 ? nullptr : PyBool_FromLong(answer);
}

// (key, delta, version)
PyObject* incr(PyObject* self, PyObject* const* given, Py_ssize_t count) {
  std::int64_t delta = 0;
  if (!has(3, count) || !parse_integer(given[1], delta)) return nullptr;
  const Target target(self, given[0], given[2]);
  if (!target) return nullptr;
  const Call call(target.handle());
  return call ? add_number(call, target.key(), delta, {}, kDefaultTtl) : nullptr;
}

// The keys of an iterable, for as long as they are used.
Reference tuple_of(PyObject* iterable) {
  return Reference(run_python([&] { return PySequence_Tuple(iterable); }));
}

// (keys, version)
PyObject* remove_all(PyObject* self, PyObject* const* given, Py_ssize_t count) {
  if (!has(2, count)) return nullptr;
  return guarded(
      [&]() -> PyObject* {
        Targets targets;
        if (!targets.take(self, tuple_of(given[0]), given[1])) return nullptr;
        const Call call(targets.handle());
        return call ? remove_many(call, targets.keys()) : nullptr;
      },
      static_cast<PyObject*>(nullptr));
}

// (keys, version, unreadable): a list that receives an Unreadable for each value that is left out
PyObject* get_many(PyObject* self, PyObject* const* given, Py_ssize_t count) {
  if (!has(3, count)) return nullptr;
  if (!PyList_Check(given[2])) return PyErr_Format(PyExc_TypeError, "unreadable is a list");
  return guarded(
      [&]() -> PyObject* {
        Targets targets;
        if (!targets.take(self, tuple_of(given[0]), given[1])) return nullptr;
        const Call call(targets.handle());
        return call ? read_many(call, targets.keys(), given[2]) : nullptr;
      },
      static_cast<PyObject*>(nullptr));
}

// (mapping, timeout, version): one time to live for all
PyObject* set_many(PyObject* self, PyObject* const* given, Py_ssize_t count) {
  Ttl ttl{};
  if (!has(3, count) || !take_timeout(backend_of(self), given[1], ttl)) return nullptr;
  return guarded(
      [&]() -> PyObject* {
        Reference names(run_python([&] { return PyMapping_Keys(given[0]); }));
        Reference values(names ? run_python([&] { return PyMapping_Values(given[0]); }) : nullptr);
        Targets targets;
        if (!values || !targets.take(self, std::move(names), given[2])) return nullptr;
        const Call call(targets.handle());
        return call ? store_many(call, targets.keys(), values.get(), ttl) : nullptr;
      },
      static_cast<PyObject*>(nullptr));
}

void dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  Py_CLEAR(backend_of(self)->handle);
  Py_CLEAR(backend_of(self)->default_timeout);
  type->tp_free(self);
  Py_DECREF(type);
}

using Positional = PyObject*(PyObject* self, PyObject* const* given, Py_ssize_t count);
PyCFunction as_method(Positional* function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

PyMethodDef methods[] = {{"_get", as_method(get), METH_FASTCALL, nullptr},
                         {"_set", as_method(set), METH_FASTCALL, nullptr},
                         {"_add", as_method(add), METH_FASTCALL, nullptr},
                         {"_get_or_set", as_method(get_or_set), METH_FASTCALL, nullptr},
                         {"_touch", as_method(touch), METH_FASTCALL, nullptr},
                         {"_delete", as_method(remove), METH_FASTCALL, nullptr},
                         {"_has_key", as_method(has_key), METH_FASTCALL, nullptr},
                         {"_incr", as_method(incr), METH_FASTCALL, nullptr},
                         {"_get_many", as_method(get_many), METH_FASTCALL, nullptr},
                         {"_set_many", as_method(set_many), METH_FASTCALL, nullptr},
                         {"_delete_many", as_method(remove_all), METH_FASTCALL, nullptr},
                         {nullptr, nullptr, 0, nullptr}};

PyType_Slot slots[] = {{Py_tp_doc, const_cast<char*>(docs::kDjangoCalls)},
                       {Py_tp_new, reinterpret_cast<void*>(PyType_GenericNew)},
                       {Py_tp_dealloc, reinterpret_cast<void*>(dealloc)},
                       {Py_tp_setattro, reinterpret_cast<void*>(set_attribute)},
                       {Py_tp_methods, methods},
                       {0, nullptr}};

PyType_Spec spec{"forklore._core.DjangoCalls", sizeof(BackendObject), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
                 slots};

}  // namespace

bool make_django_type(PyObject* module) {
  Reference type(PyType_FromModuleAndSpec(module, &spec, nullptr));
  return type && PyModule_AddObjectRef(module, "DjangoCalls", type.get()) == 0;
}

}  // namespace forklore::python
