// cache_compute.cpp - Cache.get_or_compute. A hit costs what a get costs; whoever is to compute calls Python with
// nothing held but a lease, which is no lock.
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <forklore/compute.hpp>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "cache_calls.hpp"
#include "compute.hpp"
#include "errors.hpp"
#include "failing.hpp"
#include "hooks.hpp"
#include "interpreter.hpp"
#include "look.hpp"

namespace forklore::python {
namespace {

// While one lives, this context computes key. What a context (thread, task, greenlet) computes, so that it never waits
// for itself: nested tuples (path, key, [process that is still at it, or 0], those outside of it). In a ContextVar,
// which asyncio and gevent keep for each task. The child of a fork has a copy, and computes none of it.
class Computing {
 public:
  Computing(const Call& call, std::string_view key) {
    PyObject* outer = nullptr;
    if (PyContextVar_Get(interpreter().computing, Py_None, &outer) < 0) return;
    const Reference outside(outer);
    const std::string path = guarded([&] { return call.cache().path(); }, std::string());
    flag_ = Reference(Py_BuildValue("[i]", static_cast<int>(::getpid())));
    const Reference bytes(PyBytes_FromStringAndSize(key.data(), static_cast<Py_ssize_t>(key.size())));
    if (!flag_ || !bytes) return;
    const Reference mine(Py_BuildValue("(sOOO)", path.c_str(), bytes.get(), flag_.get(), outside.get()));
    if (mine) token_ = Reference(PyContextVar_Set(interpreter().computing, mine.get()));
  }
  // Leaves the exception that is set as it is.
  ~Computing() {
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (flag_) PyList_SetItem(flag_.get(), 0, PyLong_FromLong(0));
    if (token_ && PyContextVar_Reset(interpreter().computing, token_.get()) < 0) PyErr_Clear();
    PyErr_Restore(type, value, traceback);
  }
  Computing(const Computing&) = delete;
  Computing& operator=(const Computing&) = delete;
  explicit operator bool() const { return static_cast<bool>(token_); }

 private:
  Reference flag_;
  Reference token_;
};

}  // namespace

bool make_computing(PyObject* module) {
  PyObject*& computing = interpreter().computing;
  computing = PyContextVar_New("forklore.computing", nullptr);
  return computing != nullptr && PyModule_AddObjectRef(module, "_computing", computing) == 0;
}

bool would_wait_for_itself(const Call& call, NamedKey key) {
  PyObject* found = nullptr;
  if (PyContextVar_Get(interpreter().computing, Py_None, &found) < 0) return true;
  Reference chain(found);
  if (chain.get() == Py_None) return false;
  const std::string path = guarded([&] { return call.cache().path(); }, std::string());
  for (PyObject* at = chain.get(); at != Py_None; at = PyTuple_GET_ITEM(at, 3)) {
    char* bytes = nullptr;
    Py_ssize_t size = 0;
    if (PyBytes_AsStringAndSize(PyTuple_GET_ITEM(at, 1), &bytes, &size) < 0) return true;
    if (std::string_view(bytes, static_cast<std::size_t>(size)) == key.bytes &&
        PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(at, 0), path.c_str()) == 0 &&
        PyLong_AsLong(PyList_GET_ITEM(PyTuple_GET_ITEM(at, 2), 0)) == ::getpid()) {
      PyErr_Format(PyExc_RuntimeError, "computing %R asks for %R itself", key.object, key.object);
      return true;
    }
  }
  return false;
}

bool parse_compute_options(PyObject* stale_for, PyObject* early, PyObject* wait, ComputeOptions& options) {
  constexpr double kMostStale = 49 * 86400.0;
  constexpr double kMostWait = 1e9;
  double seconds = 0;
  if (stale_for != nullptr && stale_for != Py_None) {
    if (!parse_seconds("stale_for is seconds (int, float, timedelta) or None", stale_for, seconds)) return false;
    if (!(seconds >= 0 && seconds <= kMostStale)) {
      PyErr_Format(PyExc_ValueError, "stale_for is from 0 to 49 days, not %R", stale_for);
      return false;
    }
    options.stale_for = Ttl{static_cast<Ttl::rep>(std::ceil(seconds * 1000))};
  }
  if (early != nullptr && early != Py_None) {
    options.early = PyFloat_AsDouble(early);
    if (options.early == -1 && PyErr_Occurred() != nullptr) {
      if (PyErr_ExceptionMatches(PyExc_TypeError) != 0) {
        PyErr_Format(PyExc_TypeError, "early is a number, not %.200s", Py_TYPE(early)->tp_name);
      }
      return false;
    }
    if (!(options.early >= 0 && options.early <= 1000)) {
      PyErr_Format(PyExc_ValueError, "early is a number from 0 to 1000, not %R", early);
      return false;
    }
  }
  if (wait != nullptr && wait != Py_None) {
    if (!parse_seconds("wait is seconds (int, float, timedelta)", wait, seconds)) return false;
    if (std::isnan(seconds)) {
      PyErr_SetString(PyExc_ValueError, "wait must be a number of seconds, not nan");
      return false;
    }
    seconds = std::fmin(std::fmax(seconds, 0), kMostWait);
    options.wait = std::chrono::milliseconds(static_cast<std::int64_t>(std::ceil(seconds * 1000)));
  }
  return true;
}

namespace {

// Counts a value that was computed and not stored, and says of how many the log is to be told: 0 if it has heard of
// this kind of error and this segment within a minute.
unsigned due_to_be_said(PyObject* kind, const std::string& path) {
  struct Said {
    std::chrono::steady_clock::time_point at;
    unsigned since = 0;
  };
  static std::map<std::pair<PyObject*, std::string>, Said> all;  // guarded by the GIL
  const auto now = std::chrono::steady_clock::now();
  const auto [place, is_new] = all.try_emplace({kind, path});
  Said& said = place->second;
  ++said.since;
  if (!is_new && now - said.at < std::chrono::minutes(1)) return 0;
  said.at = now;
  return std::exchange(said.since, 0);
}

}  // namespace

// Says the exception that is set in the log, after those words and the key. Once a minute for each kind of error and
// segment. No exception is set afterwards.
static void say_instead(const char* what, const Call& call, PyObject* key) {
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  PyErr_NormalizeException(&type, &value, &traceback);
  const Reference kind(type), error(value), trace(traceback);
  const unsigned since = guarded([&] { return due_to_be_said(type, call.cache().path()); }, 0u);
  if (since == 0) return;
  const Reference line(since == 1
                           ? PyUnicode_FromFormat("%s: %R: %S", what, key, value)
                           : PyUnicode_FromFormat("%s: %R: %S (%u since the last such line)", what, key, value, since));
  const char* text = line ? PyUnicode_AsUTF8(line.get()) : nullptr;
  PyErr_Clear();  // of words that cannot be said
  if (text != nullptr) warn(text);
}

bool swallow_refusal(const Call& call, PyObject* key) {
  if (PyErr_ExceptionMatches(errors().too_large) == 0 && PyErr_ExceptionMatches(errors().full) == 0 &&
      PyErr_ExceptionMatches(errors().busy) == 0 && PyErr_ExceptionMatches(errors().read_only) == 0) {
    return false;
  }
  say_instead("computed and not stored", call, key);
  return true;
}

bool swallow_unreadable(const Call& call, PyObject* key) {
  if (PyErr_ExceptionMatches(errors().unreadable) == 0) return false;
  say_instead("cannot be read back and is computed again", call, key);
  return true;
}

bool store_computed(Computation& computation, const Call& call, PyObject* key, PyObject* value, Ttl ttl) {
  Encoded encoded;
  if (!encoded.take(value, call.codec())) return false;
  const Code code = computation.store(encoded.view(), ttl, encoded.format());
  if (code == Code::ok || code == Code::not_held) return true;
  raise_code(code, call, key, encoded.view().size());
  return false;
}

namespace {

bool is_kept(PyObject* value) {
  PyObject*& kept_type = interpreter().kept_type;
  if (kept_type == nullptr) {
    Reference module(run_python([] { return PyImport_ImportModule("forklore.kept"); }));
    kept_type = module ? PyObject_GetAttrString(module.get(), "Kept") : nullptr;
    if (kept_type == nullptr) PyErr_Clear();
  }
  return reinterpret_cast<PyObject*>(Py_TYPE(value)) == kept_type;
}

// What the caller gets of a value that was computed, and what cannot be stored is said to the log.
PyObject* keep(Computation& computation, const Call& call, NamedKey key, Reference value, Ttl ttl) {
  if (is_kept(value.get())) {
    Reference given(PyObject_GetAttrString(value.get(), "ttl"));
    Reference inner(PyObject_GetAttrString(value.get(), "value"));
    if (!given || !inner || !parse_ttl(given.get(), ttl)) return nullptr;
    value = std::move(inner);
  }
  if (store_computed(computation, call, key.object, value.get(), ttl) || swallow_refusal(call, key.object)) {
    return value.release();
  }
  return nullptr;
}

// What the function answers. A coroutine cannot be kept, and whoever gave a coroutine function meant the other call.
Reference run(PyObject* function) {
  Reference value(run_python([&] { return PyObject_CallNoArgs(function); }));
  if (!value || PyCoro_CheckExact(value.get()) == 0) return value;
  const Reference closed(run_python([&] { return PyObject_CallMethod(value.get(), "close", nullptr); }));
  if (closed) {
    PyErr_SetString(PyExc_TypeError,
                    "fn answered a coroutine, which cannot be kept; aget_or_compute (Django: aget_or_set) awaits it");
  }
  return {};
}

// Tells the log, or Django's backend, why what is computed is not stored, if there is anything to blame. False with an
// exception set.
bool say_refusal(const Computation& computation, const Call& call, NamedKey key, const Wanted& wanted) {
  const Reference error = refusal_of(computation, call, key.object);
  if (!error) return PyErr_Occurred() == nullptr;
  if (wanted.backend != nullptr) {
    const auto tell = [&] { return PyObject_CallMethod(wanted.backend, "_not_stored", "O", error.get()); };
    return static_cast<bool>(Reference(run_python(tell)));
  }
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(error.get())), error.get());
  return swallow_refusal(call, key.object);
}

// For a caller that has the old value, and need not wait for the next. Nothing, with no exception set, if it cannot be
// read.
PyObject* renew_later(Computation& computation, Look& look, const Call& call, PyObject* cache, NamedKey key,
                      const Wanted& wanted) {
  Reference old(look.old());
  if (!old) {
    name_unreadable(key.object);
    swallow_unreadable(call, key.object);
    return nullptr;
  }
  computation.abandon();
  const Reference begun(call_with_all("forklore.refresher", "later", cache, key, wanted));
  return begun ? old.release() : nullptr;
}

PyObject* compute(Computation& computation, Turn turn, Look& look, const Call& call, PyObject* cache, NamedKey key,
                  const Wanted& wanted) {
  Reference value;
  if (turn == Turn::failed) return raise_failed(computation, key);
  if (turn == Turn::refresh && wanted.background) {
    PyObject* old = renew_later(computation, look, call, cache, key, wanted);
    if (old != nullptr || PyErr_Occurred() != nullptr) return old;
  }
  if (turn == Turn::alone) {
    if (!say_refusal(computation, call, key, wanted)) return nullptr;
    value = run(wanted.function);
    return value && is_kept(value.get()) ? PyObject_GetAttrString(value.get(), "value") : value.release();
  }
  {
    const Computing now(call, key.bytes);
    if (!now) return nullptr;
    value = run(wanted.function);
  }
  return value ? keep(computation, call, key, std::move(value), wanted.ttl)
               : answer_failure(computation, turn, look, call, key, wanted);
}

// Whether a hub may run in this process, gevent's or eventlet's, whose greenlets a wait of this thread would all stop.
bool may_be_greenlet() {
  PyObject* modules = PyImport_GetModuleDict();
  return modules != nullptr && (PyDict_GetItemString(modules, "gevent._hub_local") != nullptr ||
                                PyDict_GetItemString(modules, "eventlet.hubs") != nullptr);
}

// Whether the caller that computes the key cannot go on while this thread waits for it (forklore/waiting.py): 1, 0, or
// -1 with an exception set.
int holds_up(const Call& call, NamedKey key) {
  PyObject* modules = PyImport_GetModuleDict();
  if (modules == nullptr || PyDict_GetItemString(modules, "forklore.waiting") == nullptr) return 0;
  const std::string path = guarded([&] { return call.cache().path(); }, std::string());
  const Reference bytes(PyBytes_FromStringAndSize(key.bytes.data(), static_cast<Py_ssize_t>(key.bytes.size())));
  const Reference module(bytes ? run_python([] { return PyImport_ImportModule("forklore.waiting"); }) : nullptr);
  const auto ask = [&] { return PyObject_CallMethod(module.get(), "holds_up", "((sO))", path.c_str(), bytes.get()); };
  const Reference answer(module ? run_python(ask) : nullptr);
  return answer ? PyObject_IsTrue(answer.get()) : -1;
}

}  // namespace

PyObject* compute_value(const Call& call, PyObject* cache, NamedKey key, Wanted& wanted) {
  Computation computation(call.cache(), key.bytes, wanted.options);
  Look look(computation, call, key, wanted.options.wait);
  while (true) {
    const Turn turn = look.begin();
    if (turn == Turn::fresh || turn == Turn::stale) return look.release();
    if (turn == Turn::no_room) return nullptr;
    if (wanted.function == nullptr && !wanted.complete(wanted, key)) return nullptr;
    if (turn != Turn::wait) return compute(computation, turn, look, call, cache, key, wanted);
    if (would_wait_for_itself(call, key)) return nullptr;
    if (may_be_greenlet()) return call_with_all("forklore.compute", "get_or_compute", cache, key, wanted);
    const int stuck = holds_up(call, key);
    if (stuck < 0) return nullptr;
    if (stuck > 0) return compute(computation, Turn::alone, look, call, cache, key, wanted);
    look.wait();
    if (PyErr_CheckSignals() < 0) return nullptr;
  }
}

PyObject* cache_get_or_compute(PyObject* self, PyObject* const* given, Py_ssize_t count, PyObject* keywords) {
  static constexpr Parameters<10> kParameters{
      "get_or_compute",
      2,
      3,
      {"key", "fn", "ttl", "stale_for", "early", "wait", "stale_if_error", "error_ttl", "compute_timeout", "refresh"}};
  std::array<PyObject*, 10> values{};
  if (!kParameters.bind(given, count, keywords, values)) return nullptr;
  Wanted wanted{values[1]};
  if (!parse_ttl(values[2], wanted.ttl) || !parse_compute_options(values[3], values[4], values[5], wanted.options) ||
      !parse_failing(values.data() + 6, wanted)) {
    return nullptr;
  }
  const Call call(self);
  Key key;
  if (!call || !key.take(values[0])) return nullptr;
  return compute_value(call, self, {key.view(), values[0]}, wanted);
}

namespace {

PyObject* forward(const char* module_name, const char* name, PyObject* self, PyObject* const* given, Py_ssize_t count,
                  PyObject* keywords) {
  Reference module(run_python([&] { return PyImport_ImportModule(module_name); }));
  Reference function(module ? PyObject_GetAttrString(module.get(), name) : nullptr);
  if (!function) return nullptr;
  std::vector<PyObject*> all{self};
  const Py_ssize_t named = keywords == nullptr ? 0 : PyTuple_GET_SIZE(keywords);
  all.insert(all.end(), given, given + count + named);
  return run_python(
      [&] { return PyObject_Vectorcall(function.get(), all.data(), static_cast<std::size_t>(count) + 1, keywords); });
}

}  // namespace

PyObject* cache_aget_or_compute(PyObject* self, PyObject* const* given, Py_ssize_t count, PyObject* keywords) {
  return forward("forklore.compute", "aget_or_compute", self, given, count, keywords);
}

PyObject* cache_lock(PyObject* self, PyObject* const* given, Py_ssize_t count, PyObject* keywords) {
  return forward("forklore.locks", "Lock", self, given, count, keywords);
}

}  // namespace forklore::python
