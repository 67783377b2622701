// lease_type.cpp - _core.Lease: forklore::Lock, which is one lease by name. forklore.locks makes of it what users see.
// Dropping the object gives nothing back: release() does.
#include <cmath>
#include <forklore/lock.hpp>
#include <memory>
#include <optional>

#include "compute.hpp"
#include "errors.hpp"
#include "hooks.hpp"
#include "interpreter.hpp"
#include "native_type.hpp"

namespace forklore::python {
namespace {

// Keeps its cache open. For one thread at a time.
struct State {
  Reference cache;
  Call call;
  Key name;
  std::optional<Lock> lock;
  bool lacking = false;  // the last that was asked for found no line left

  explicit State(PyObject* self) : cache(Py_NewRef(self)), call(self) {}
  ~State() {
    if (lock) lock->detach();
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
};

PyObject* answer(PyObject* self, Code code, Code no) {
  if (code == Code::ok) Py_RETURN_TRUE;
  if (code == no) Py_RETURN_FALSE;
  return raise_code(code, state_of<State>(self).call, nullptr);
}

// acquire(seconds) -> bool
PyObject* acquire(PyObject* self, PyObject* given) {
  double seconds = 0;
  if (!parse_seconds("wait is seconds", given, seconds)) return nullptr;
  const auto most = std::chrono::milliseconds(static_cast<std::int64_t>(std::ceil(std::fmin(seconds, 1e9) * 1000)));
  const Code code = state_of<State>(self).lock->acquire(most);
  state_of<State>(self).lacking = code == Code::no_line;
  return answer(self, code, code == Code::no_line ? Code::no_line : Code::busy);
}

// A lock's time: not what is over already.
bool parse_lock_ttl(PyObject* given, Ttl& ttl) {
  if (!parse_ttl(given, ttl)) return false;
  if (ttl == kDefaultTtl || ttl == kForever || ttl.count() > 0) return true;
  PyErr_Format(PyExc_ValueError, "a lock's ttl is seconds, more than 0, or None, not %R", given);
  return false;
}

// How many may hold one name: as many as a stripe has lines.
bool parse_limit(PyObject* given, const Call& call, unsigned& limit) {
  std::int64_t number = 0;
  if (!parse_integer(given, number)) return false;
  if (number == 1) return true;
  const Stats stats = guarded([&] { return call.cache().stats(); }, Stats());
  const unsigned most = std::max(stats.lock_lines / std::max(stats.stripes, 1u), 1u);
  if (number < 1 || number > most) {
    PyErr_Format(PyExc_ValueError, "limit is from 1 to %u, the lines for locks of a stripe of this segment, not %R",
                 most, given);
    return false;
  }
  limit = static_cast<unsigned>(number);
  return true;
}

// extend(ttl) -> bool
PyObject* extend(PyObject* self, PyObject* given) {
  Ttl ttl{};
  if (!parse_lock_ttl(given, ttl)) return nullptr;
  return answer(self, state_of<State>(self).lock->extend(ttl), Code::not_held);
}

PyObject* release(PyObject* self, PyObject*) { return PyBool_FromLong(state_of<State>(self).lock->release() ? 1 : 0); }
PyObject* held(PyObject* self, PyObject*) { return PyBool_FromLong(state_of<State>(self).lock->held() ? 1 : 0); }
PyObject* locked(PyObject* self, PyObject*) { return PyBool_FromLong(state_of<State>(self).lock->locked() ? 1 : 0); }
PyObject* holders(PyObject* self, PyObject*) {
  std::vector<LockHolder> found;
  const bool done = guarded(
      [&] {
        found = state_of<State>(self).lock->holders();
        return true;
      },
      false);
  return done ? holders_to_python(found) : nullptr;
}
PyObject* lacking(PyObject* self, PyObject*) { return PyBool_FromLong(state_of<State>(self).lacking ? 1 : 0); }
PyObject* token(PyObject* self, PyObject*) { return PyLong_FromUnsignedLongLong(state_of<State>(self).lock->token()); }

// Lease(cache, name, ttl, limit)
PyObject* make(PyTypeObject* type, PyObject* positional, PyObject*) {
  PyObject *cache, *name, *ttl, *limit;
  if (!PyArg_ParseTuple(positional, "O!OOO", interpreter().cache_type, &cache, &name, &ttl, &limit)) return nullptr;
  LockOptions options;
  if (!parse_lock_ttl(ttl, options.ttl)) return nullptr;
  std::unique_ptr<State> state(new (std::nothrow) State(cache));
  if (!state) return PyErr_NoMemory();
  if (!state->call || !parse_limit(limit, state->call, options.limit) || !state->name.take(name)) return nullptr;
  state->lock.emplace(state->call.cache(), state->name.view(), options);
  return new_object(type, std::move(state));
}

PyMethodDef methods[] = {{"acquire", acquire, METH_O, nullptr},
                         {"extend", extend, METH_O, nullptr},
                         {"release", release, METH_NOARGS, nullptr},
                         {"held", held, METH_NOARGS, nullptr},
                         {"locked", locked, METH_NOARGS, nullptr},
                         {"token", token, METH_NOARGS, nullptr},
                         {"lacking", lacking, METH_NOARGS, nullptr},
                         {"holders", holders, METH_NOARGS, nullptr},
                         {nullptr, nullptr, 0, nullptr}};

}  // namespace

bool make_lease_type(PyObject* module) {
  return add_native_type<State>(module, "forklore._core._Lease", make, methods);
}

}  // namespace forklore::python
