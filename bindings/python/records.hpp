// records.hpp - The library's structs as the dataclasses of forklore/stats.py and forklore/rates.py.
#pragma once

#include <Python.h>

#include <forklore/rate_limit.hpp>
#include <forklore/stats.hpp>

namespace forklore::python {

/// A new reference, or nullptr with an exception set.
PyObject* to_python(const Stats& stats);
PyObject* to_python(const SegmentInfo& info);
PyObject* to_python(const RateDecision& decision);
PyObject* to_python(const WindowCount& count);

}  // namespace forklore::python
