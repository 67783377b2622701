#include "cache_type.hpp"

#include <structmember.h>

#include <cstddef>

#include "docstrings.hpp"
#include "errors.hpp"
#include "hooks.hpp"
#include "interpreter.hpp"
#include "serializers.hpp"

namespace forklore::python {

void delete_handle(Handle* handle) {
  const Unlocked unlocked;
  delete handle;
}

void Call::refuse() {
  PyErr_SetString(errors().error, self_->closed ? "this Cache is closed" : "this Cache has not been opened");
  self_ = nullptr;
}

void Call::finish() { delete_handle(std::exchange(self_->handle, nullptr)); }

namespace {

// The exception for a code, and what it says. May throw std::bad_alloc.
void set_code(Code code, const Call& call, PyObject* key, std::size_t size) {
  switch (code) {
    case Code::not_found:
      PyErr_SetObject(PyExc_KeyError, key);
      break;
    case Code::too_large: {
      const std::size_t most = call.cache().stats().max_value_bytes;
      set_error(errors().too_large, std::to_string(size) + " bytes under " + shown(key) +
                                        ": this segment takes values of up to " + std::to_string(most) + "; " +
                                        Option::max_value_bytes + " raises it");
      break;
    }
    case Code::invalid_key:
      PyErr_Format(PyExc_ValueError, "a key is 1 to %zu bytes long", kMaxKeyBytes);
      break;
    case Code::not_a_number:
      set_error(PyExc_TypeError, "the value under " + shown(key) + " is not an int of 64 bits");
      break;
    case Code::invalid_argument:
      PyErr_SetString(PyExc_ValueError, "a count, a limit, a period or a time to live that makes no sense");
      break;
    case Code::no_memory:
      PyErr_NoMemory();
      break;
    case Code::full:
      set_error(errors().full, Message("no room left, and ") + Message(Option::when_full, "reject") +
                                   " keeps what is there; a larger " + Option::capacity_bytes + " has more");
      break;
    case Code::busy:
      set_error(errors().busy, Message("another process held the lock for all of ") + Option::lock_timeout + " (" +
                                   std::to_string(call.options().lock_timeout.count()) + " ms)");
      break;
    case Code::read_only:
      set_error(errors().read_only, call.options().read_only
                                        ? Message("this Cache was opened with ") + Message(Option::read_only, "True")
                                        : "this process may not write the segment: it was removed and could not be "
                                          "made anew here (the log says why), or is of another pid namespace");
      break;
    default:
      PyErr_Format(errors().error, "unexpected answer: %s", to_string(code).data());
      break;
  }
}

}  // namespace

PyObject* raise_code(Code code, const Call& call, PyObject* key, std::size_t size) {
  guarded(
      [&] {
        set_code(code, call, key, size);
        return 0;
      },
      0);
  return nullptr;
}

namespace {

PyObject* cache_close(PyObject* self, PyObject*) {
  auto* object = reinterpret_cast<CacheObject*>(self);
  object->closed = true;
  if (object->calls == 0 && object->handle != nullptr) delete_handle(std::exchange(object->handle, nullptr));
  Py_RETURN_NONE;
}

PyObject* cache_enter(PyObject* self, PyObject*) { return Py_NewRef(self); }
PyObject* cache_exit(PyObject* self, PyObject* const*, Py_ssize_t) { return cache_close(self, nullptr); }

PyObject* cache_name(PyObject* self, void*) {
  const Call call(self);
  return call ? PyUnicode_FromString(call.options().name.c_str()) : nullptr;
}

PyObject* cache_path(PyObject* self, void*) {
  const Call call(self);
  if (!call) return nullptr;
  return guarded([&] { return PyUnicode_DecodeFSDefault(call.cache().path().c_str()); },
                 static_cast<PyObject*>(nullptr));
}

PyObject* cache_serializer(PyObject* self, void*) {
  return PyUnicode_FromString(name_of(reinterpret_cast<CacheObject*>(self)->codec.serializer));
}

PyObject* cache_closed(PyObject* self, void*) {
  return PyBool_FromLong(reinterpret_cast<CacheObject*>(self)->closed ? 1 : 0);
}

PyObject* cache_repr(PyObject* self) {
  const auto* object = reinterpret_cast<CacheObject*>(self);
  if (object->handle == nullptr || object->closed) return PyUnicode_FromString("<forklore.Cache, closed>");
  Reference path(cache_path(self, nullptr));
  return path ? PyUnicode_FromFormat("<forklore.Cache %S>", path.get()) : nullptr;
}

void cache_dealloc(PyObject* self) {
  auto* object = reinterpret_cast<CacheObject*>(self);
  PyTypeObject* type = Py_TYPE(self);
  if (object->weak_references != nullptr) PyObject_ClearWeakRefs(self);
  if (object->handle != nullptr) delete_handle(std::exchange(object->handle, nullptr));
  type->tp_free(self);
  Py_DECREF(type);
}

template <class Function>
PyCFunction as_method(Function* function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

constexpr int kFast = METH_FASTCALL | METH_KEYWORDS;

PyMethodDef methods[] = {{"attach", as_method(cache_attach), METH_VARARGS | METH_KEYWORDS | METH_CLASS, docs::kAttach},
                         {"get", as_method(cache_get), kFast, docs::kGet},
                         {"set", as_method(cache_set), kFast, docs::kSet},
                         {"add", as_method(cache_add), kFast, docs::kAdd},
                         {"replace", as_method(cache_replace), kFast, docs::kReplace},
                         {"touch", as_method(cache_touch), kFast, docs::kTouch},
                         {"delete", as_method(cache_delete), kFast, docs::kDelete},
                         {"incr", as_method(cache_incr), kFast, docs::kIncr},
                         {"decr", as_method(cache_decr), kFast, docs::kDecr},
                         {"ttl", as_method(cache_ttl), kFast, docs::kTtl},
                         {"gets", as_method(cache_gets), kFast, docs::kGets},
                         {"cas", as_method(cache_cas), kFast, docs::kCas},
                         {"info", as_method(cache_info), kFast, docs::kInfo},
                         {"locks", cache_locks, METH_NOARGS, docs::kLocks},
                         {"break_lock", as_method(cache_break_lock), kFast, docs::kBreakLock},
                         {"get_or_compute", as_method(cache_get_or_compute), kFast, docs::kGetOrCompute},
                         {"aget_or_compute", as_method(cache_aget_or_compute), kFast, docs::kAgetOrCompute},
                         {"lock", as_method(cache_lock), kFast, docs::kLock},
                         {"rate_limit", as_method(cache_rate_limit), kFast, docs::kRateLimit},
                         {"count_in_window", as_method(cache_count_in_window), kFast, docs::kCountInWindow},
                         {"get_many", as_method(cache_get_many), kFast, docs::kGetMany},
                         {"set_many", as_method(cache_set_many), kFast, docs::kSetMany},
                         {"delete_many", as_method(cache_delete_many), kFast, docs::kDeleteMany},
                         {"delete_pattern", as_method(cache_delete_pattern), kFast, docs::kDeletePattern},
                         {"keys", as_method(cache_keys), kFast, docs::kKeys},
                         {"scan", as_method(cache_scan), kFast, docs::kScan},
                         {"clear", cache_clear, METH_NOARGS, docs::kClear},
                         {"stats", cache_stats, METH_NOARGS, docs::kStats},
                         {"verify", cache_verify, METH_NOARGS, docs::kVerify},
                         {"close", cache_close, METH_NOARGS, docs::kClose},
                         {"__enter__", cache_enter, METH_NOARGS, docs::kEnter},
                         {"__exit__", as_method(cache_exit), METH_FASTCALL, docs::kExit},
                         {"__reduce__", cache_reduce, METH_NOARGS, docs::kReduce},
                         {"__copy__", cache_copy, METH_NOARGS, docs::kCopy},
                         {"__deepcopy__", cache_deepcopy, METH_O, docs::kDeepcopy},
                         {nullptr, nullptr, 0, nullptr}};

PyGetSetDef properties[] = {{"name", cache_name, nullptr, docs::kName, nullptr},
                            {"path", cache_path, nullptr, docs::kPath, nullptr},
                            {"serializer", cache_serializer, nullptr, docs::kSerializer, nullptr},
                            {"closed", cache_closed, nullptr, docs::kClosed, nullptr},
                            {nullptr, nullptr, nullptr, nullptr, nullptr}};

PyMemberDef members[] = {{"__weaklistoffset__", T_PYSSIZET, offsetof(CacheObject, weak_references), READONLY, nullptr},
                         {nullptr, 0, 0, 0, nullptr}};

PyType_Slot slots[] = {{Py_tp_doc, const_cast<char*>(docs::kCache)},
                       {Py_tp_new, reinterpret_cast<void*>(PyType_GenericNew)},
                       {Py_tp_init, reinterpret_cast<void*>(cache_init)},
                       {Py_tp_dealloc, reinterpret_cast<void*>(cache_dealloc)},
                       {Py_tp_repr, reinterpret_cast<void*>(cache_repr)},
                       {Py_tp_methods, methods},
                       {Py_tp_getset, properties},
                       {Py_tp_members, members},
                       {Py_sq_contains, reinterpret_cast<void*>(cache_contains)},
                       {0, nullptr}};

PyType_Spec spec{"forklore.Cache", sizeof(CacheObject), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};

}  // namespace

bool make_cache_type(PyObject* module) {
  PyTypeObject*& type = interpreter().cache_type;
  type = reinterpret_cast<PyTypeObject*>(PyType_FromModuleAndSpec(module, &spec, nullptr));
  return type != nullptr && PyModule_AddType(module, type) == 0 && make_keys_type(module);
}

}  // namespace forklore::python
