// records.hpp - The library's structs as the dataclasses of forklore/stats.py and forklore/rates.py.
#pragma once

#include <Python.h>

#include <forklore/found.hpp>
#include <forklore/lock.hpp>
#include <forklore/rate_limit.hpp>
#include <forklore/stats.hpp>
#include <string>

namespace forklore::python {

/// A new reference, or nullptr with an exception set.
PyObject* to_python(const Stats& stats);
PyObject* to_python(const SegmentInfo& info);
/// format: as users call it.
PyObject* to_python(const EntryInfo& info, const std::string& format);
PyObject* to_python(const LockHolder& holder);
PyObject* to_python(const RateDecision& decision);
PyObject* to_python(const WindowCount& count);

/// Adds _COUNTS, the list of counts.hpp, to the module: (name, kind, unit, help). False with an exception set.
bool add_counts(PyObject* module);

}  // namespace forklore::python
