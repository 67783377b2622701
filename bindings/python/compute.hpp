// compute.hpp - What Cache.get_or_compute and the Computation object that its asynchronous twin uses have in common.
#pragma once

#include <Python.h>

#include <forklore/compute.hpp>

#include "cache_calls.hpp"

namespace forklore::python {

/// Adds to the module the ContextVar that knows what a context computes.
bool make_computing(PyObject* module);
/// Whether this context itself computes the key that it is about to wait for. True with RuntimeError set.
bool would_wait_for_itself(const Call& call, NamedKey key);
/// stale_for, early and wait as Python has them; nullptr or None: not given. False with TypeError or ValueError set.
bool parse_compute_options(PyObject* stale_for, PyObject* early, PyObject* wait, ComputeOptions& options);
/// Stores a computed value, unless its key was written to meanwhile, and gives the lease back. False with
/// SerializerError, TooLarge, Full, Busy or Error set; the lease is then the computation's to give back.
bool store_computed(Computation& computation, const Call& call, PyObject* key, PyObject* value, Ttl ttl);
/// Of TooLarge, Full or Busy: says in the log that what was computed is not stored, and true. False with any other
/// exception left set.
bool swallow_refusal(const Call& call, PyObject* key);
/// Of Unreadable: says in the log that the value is computed again, and true. False with any other exception left set.
bool swallow_unreadable(const Call& call, PyObject* key);
/// What a call wants computed, and how.
struct Wanted {
  PyObject* function;  // borrowed; nullptr until complete has made it
  Ttl ttl{};
  ComputeOptions options{};
  bool stale_if_error = true;   // fn that raises answers the old value, if there is one
  bool background = false;      // the caller that is to renew an old value takes it, and a thread renews it
  PyObject* backend = nullptr;  // borrowed; Django's backend: its _not_stored gets the reason why a value is not stored
  /// If given: makes function and the key's object, which a hit has no use for. False with an exception set.
  bool (*complete)(Wanted& wanted, NamedKey& key) = nullptr;
};
/// The value that is there, or that fn computes, or another caller. cache: the forklore.Cache that call is on.
PyObject* compute_value(const Call& call, PyObject* cache, NamedKey key, Wanted& wanted);

/// _core.Computation, _core.Lease and _core.Memoized, which the Python modules use.
bool make_computation_type(PyObject* module);
bool make_lease_type(PyObject* module);
bool make_memoized_type(PyObject* module);

}  // namespace forklore::python
