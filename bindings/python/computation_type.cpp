// computation_type.cpp - _core.Computation: forklore::Computation for those who wait elsewhere, in an executor or a
// hub's pool, and compute in a coroutine. Python code drives it (forklore/compute.py).
#include <memory>
#include <optional>

#include "compute.hpp"
#include "errors.hpp"
#include "hooks.hpp"
#include "interpreter.hpp"
#include "look.hpp"
#include "native_type.hpp"

namespace forklore::python {
namespace {

// Keeps its cache open. For one thread at a time, which its users see to.
struct State {
  Reference cache;
  Reference name;  // what Python calls the key
  Call call;
  Key key;
  std::optional<Computation> computation;

  State(PyObject* self, PyObject* given) : cache(Py_NewRef(self)), name(Py_NewRef(given)), call(self) {}
};

// Of a stale value that cannot be read: Python code counts how long it waits.
constexpr std::chrono::milliseconds kNoMore{std::chrono::hours(24)};

// begin(patience): (turn, value), where it waits for another's value for so many seconds at most.
PyObject* begin_patiently(PyObject* self, PyObject* patience) {
  double seconds = 0;
  if (!parse_seconds("patience is seconds", patience, seconds)) return nullptr;
  State& state = state_of<State>(self);
  if (would_wait_for_itself(state.call, {state.key.view(), state.name.get()})) return nullptr;
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
  Look look(*state.computation, state.call, {state.key.view(), state.name.get()}, kNoMore);
  while (true) {
    const Turn turn = look.begin();
    if (turn == Turn::no_room) return nullptr;
    if (turn == Turn::wait && Clock::now() < end) {
      look.wait();
      if (PyErr_CheckSignals() < 0) return nullptr;
      continue;
    }
    const bool has_value = turn == Turn::fresh || turn == Turn::stale;
    Reference value(has_value ? look.release() : Py_NewRef(Py_None));
    return value ? Py_BuildValue("(iO)", static_cast<int>(turn), value.get()) : nullptr;
  }
}

// store(value, ttl), which also gives the lease back.
PyObject* store(PyObject* self, PyObject* const* given, Py_ssize_t count) {
  Ttl ttl{};
  if (count != 2) return PyErr_Format(PyExc_TypeError, "store() takes a value and a ttl");
  if (!parse_ttl(given[1], ttl)) return nullptr;
  State& state = state_of<State>(self);
  if (store_computed(*state.computation, state.call, state.name.get(), given[0], ttl)) Py_RETURN_NONE;
  if (!swallow_refusal(state.call, state.name.get())) return nullptr;
  Py_RETURN_NONE;
}

PyObject* abandon(PyObject* self, PyObject*) {
  state_of<State>(self).computation->abandon();
  Py_RETURN_NONE;
}

PyObject* make(PyTypeObject* type, PyObject* positional, PyObject*) {
  PyObject *cache, *key, *stale_for, *early, *wait;
  if (!PyArg_ParseTuple(positional, "O!OOOO", interpreter().cache_type, &cache, &key, &stale_for, &early, &wait))
    return nullptr;
  ComputeOptions options;
  if (!parse_compute_options(stale_for, early, wait, options)) return nullptr;
  std::unique_ptr<State> state(new (std::nothrow) State(cache, key));
  if (!state) return PyErr_NoMemory();
  if (!state->call || !state->key.take(key)) return nullptr;
  state->computation.emplace(state->call.cache(), state->key.view(), options);
  return new_object(type, std::move(state));
}

PyMethodDef methods[] = {
    {"begin", begin_patiently, METH_O, nullptr},
    {"store", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(store)), METH_FASTCALL, nullptr},
    {"abandon", abandon, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace

bool make_computation_type(PyObject* module) {
  return add_native_type<State>(module, "forklore._core._Computation", make, methods);
}

}  // namespace forklore::python
