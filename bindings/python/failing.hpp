// failing.hpp - Computing that fails, takes long, or is somebody else's: what a call wants then, and what is answered.
#pragma once

#include <Python.h>

#include "compute.hpp"
#include "look.hpp"

namespace forklore::python {

/// The rarer part of parse_failing().
bool parse_given(PyObject* const* four, Wanted& wanted);
/// stale_if_error, error_ttl, compute_timeout and refresh, as Python has them; nullptr or None: as it is. False with
/// TypeError or ValueError set.
inline bool parse_failing(PyObject* const* four, Wanted& wanted) {
  const auto given = [](PyObject* one) { return one != nullptr && one != Py_None; };
  if (!given(four[0]) && !given(four[1]) && !given(four[2]) && !given(four[3])) return true;
  return parse_given(four, wanted);
}
/// Calls a function of forklore.MODULE with (cache, key, fn, ttl, stale_for, early, wait, stale_if_error, error_ttl,
/// compute_timeout, refresh).
PyObject* call_with_all(const char* module, const char* function, PyObject* cache, NamedKey key, const Wanted& wanted);
/// After Turn::failed: sets ComputeFailed, and answers nullptr.
PyObject* raise_failed(const Computation& computation, NamedKey key);
/// fn has raised what is set now: it is remembered, and the old value answered in its place if there is one and the
/// call wants that; else nullptr with the exception set.
PyObject* answer_failure(Computation& computation, Turn turn, Look& look, const Call& call, NamedKey key,
                         const Wanted& wanted);
/// After Turn::alone: the exception that explains why the value cannot be stored. Nothing, and none set, if nothing is
/// to blame.
Reference refusal_of(const Computation& computation, const Call& call, PyObject* key);

}  // namespace forklore::python
