// django_calls.hpp - The native base of the Django backend.
#pragma once

#include <Python.h>

namespace forklore::python {

/// Makes the type and adds it to the module. False with an exception set.
bool make_django_type(PyObject* module);

}  // namespace forklore::python
