// reference.hpp - A reference to a Python object that is given back at the end of the scope. The GIL must be held.
#pragma once

#include <Python.h>

#include <utility>

namespace forklore::python {

class Reference {
 public:
  Reference() = default;
  /// Takes over one reference, or nullptr.
  explicit Reference(PyObject* object) : object_(object) {}
  Reference(Reference&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Reference& operator=(Reference&& other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Reference() { Py_XDECREF(object_); }

  [[nodiscard]] PyObject* get() const { return object_; }
  [[nodiscard]] PyObject* release() { return std::exchange(object_, nullptr); }
  explicit operator bool() const { return object_ != nullptr; }

 private:
  PyObject* object_ = nullptr;
};

}  // namespace forklore::python
