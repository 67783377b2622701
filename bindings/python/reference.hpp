// reference.hpp - A reference to a Python object that is given back at the end of the scope. The GIL must be held.
#pragma once

#include <pybind11/pytypes.h>

namespace forklore::python {

/// pybind11's, which counts, with the words of the C API that the binding is written in: no call of it throws.
class Reference : public pybind11::object {
 public:
  Reference() = default;
  /// Takes over one reference, or nullptr.
  explicit Reference(PyObject* object) : pybind11::object(object, stolen_t{}) {}

  [[nodiscard]] PyObject* get() const { return ptr(); }
  [[nodiscard]] PyObject* release() { return pybind11::object::release().ptr(); }
};

}  // namespace forklore::python
