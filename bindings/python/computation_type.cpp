// computation_type.cpp - _core.Computation: forklore::Computation for callers that wait elsewhere, in an executor or a
// hub's pool, or compute in a coroutine. Python code drives it (forklore/compute.py).
#include <memory>
#include <optional>
#include <utility>

#include "compute.hpp"
#include "errors.hpp"
#include "failing.hpp"
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
  std::optional<Look> look;  // the last

  State(PyObject* self, PyObject* given) : cache(Py_NewRef(self)), name(Py_NewRef(given)), call(self) {}
};

// Of a stale value that cannot be read: Python code counts how long it waits.
constexpr std::chrono::milliseconds kNoMore{std::chrono::hours(24)};

// What there is to say of a turn: the value, what a failed computation said, or an exception that says why nothing can
// be stored.
Reference said_of(Turn turn, State& state) {
  const std::string_view failure = state.computation->failure();
  switch (turn) {
    case Turn::fresh:
    case Turn::stale:
      return Reference(state.look->release());
    case Turn::failed:
      return Reference(PyBytes_FromStringAndSize(failure.data(), static_cast<Py_ssize_t>(failure.size())));
    case Turn::alone: {
      Reference refusal = refusal_of(*state.computation, state.call, state.name.get());
      if (refusal || PyErr_Occurred() != nullptr) return refusal;
      break;
    }
    case Turn::refresh:
    case Turn::compute:
    case Turn::wait:
    case Turn::no_room:
      break;
  }
  return Reference(Py_NewRef(Py_None));
}

// begin(patience): (turn, what there is to say of it), where it waits for another's value for that many seconds at
// most.
PyObject* begin_patiently(PyObject* self, PyObject* patience) {
  double seconds = 0;
  if (!parse_seconds("patience is seconds", patience, seconds)) return nullptr;
  State& state = state_of<State>(self);
  if (would_wait_for_itself(state.call, {state.key.view(), state.name.get()})) return nullptr;
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
  Look& look =
      state.look.emplace(*state.computation, state.call, NamedKey{state.key.view(), state.name.get()}, kNoMore);
  while (true) {
    const Turn turn = look.begin();
    if (turn == Turn::no_room) return nullptr;
    if (turn == Turn::wait && Clock::now() < end) {
      look.wait();
      if (PyErr_CheckSignals() < 0) return nullptr;
      continue;
    }
    const Reference said = said_of(turn, state);
    return said ? Py_BuildValue("(iO)", static_cast<int>(turn), said.get()) : nullptr;
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

// old(): the value that is to be renewed, once. Raises what reading raises.
PyObject* old(PyObject* self, PyObject*) {
  State& state = state_of<State>(self);
  if (!state.look) return PyErr_Format(PyExc_RuntimeError, "old() comes after begin()");
  PyObject* value = state.look->old();
  if (value == nullptr) name_unreadable(state.name.get());
  return value;
}

// fail(words), in place of store().
PyObject* fail(PyObject* self, PyObject* words) {
  if (!PyBytes_Check(words)) return PyErr_Format(PyExc_TypeError, "fail() takes bytes");
  state_of<State>(self).computation->fail(
      {PyBytes_AS_STRING(words), static_cast<std::size_t>(PyBytes_GET_SIZE(words))});
  Py_RETURN_NONE;
}

PyObject* abandon(PyObject* self, PyObject*) {
  state_of<State>(self).computation->abandon();
  Py_RETURN_NONE;
}

PyObject* make(PyTypeObject* type, PyObject* positional, PyObject*) {
  PyObject *cache, *key, *stale_for, *early, *wait;
  PyObject* four[4];
  if (!PyArg_ParseTuple(positional, "O!OOOOOOOO", interpreter().cache_type, &cache, &key, &stale_for, &early, &wait,
                        &four[0], &four[1], &four[2], &four[3])) {
    return nullptr;
  }
  Wanted wanted{};
  ComputeOptions& options = wanted.options;
  if (!parse_compute_options(stale_for, early, wait, options) || !parse_failing(four, wanted)) return nullptr;
  std::unique_ptr<State> state(new (std::nothrow) State(cache, key));
  if (!state) return PyErr_NoMemory();
  if (!state->call || !state->key.take(key)) return nullptr;
  state->computation.emplace(state->call.cache(), state->key.view(), options);
  return new_object(type, std::move(state));
}

PyMethodDef methods[] = {
    {"begin", begin_patiently, METH_O, nullptr},
    {"store", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(store)), METH_FASTCALL, nullptr},
    {"old", old, METH_NOARGS, nullptr},
    {"fail", fail, METH_O, nullptr},
    {"abandon", abandon, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace

// The numbers that begin() answers, for forklore/compute.py.
constexpr std::pair<const char*, Turn> kTurns[] = {
    {"_FRESH", Turn::fresh}, {"_STALE", Turn::stale}, {"_REFRESH", Turn::refresh}, {"_COMPUTE", Turn::compute},
    {"_ALONE", Turn::alone}, {"_WAIT", Turn::wait},   {"_FAILED", Turn::failed}};

bool make_computation_type(PyObject* module) {
  for (const auto& [name, turn] : kTurns) {
    if (PyModule_AddIntConstant(module, name, static_cast<long>(turn)) < 0) return false;
  }
  return add_native_type<State>(module, "forklore._core._Computation", make, methods);
}

}  // namespace forklore::python
