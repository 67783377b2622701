// records.hpp - The library's structs as the dataclasses of forklore/stats.py.
#pragma once

#include <pybind11/pybind11.h>

#include <forklore/stats.hpp>

namespace forklore::python {

/// Throw pybind11::error_already_set if Python fails.
pybind11::object to_python(const Stats& stats);
pybind11::object to_python(const SegmentInfo& info);

}  // namespace forklore::python
