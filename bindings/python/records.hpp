// records.hpp - The library's structs as the dataclasses of forklore/stats.py.
#pragma once

#include <Python.h>

#include <forklore/stats.hpp>

namespace forklore::python {

/// A new reference, or nullptr with an exception set.
PyObject* to_python(const Stats& stats);
PyObject* to_python(const SegmentInfo& info);

}  // namespace forklore::python
