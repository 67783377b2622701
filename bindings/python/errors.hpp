// errors.hpp - Forklore's exceptions, and which of them a Code is.
#pragma once

#include <Python.h>

#include <exception>
#include <forklore/code.hpp>
#include <forklore/options.hpp>
#include <string>

namespace forklore::python {

/// The exception classes of one interpreter. Set by make_errors.
struct Errors {
  PyObject* error;             // Error(Exception)
  PyObject* open_error;        // OpenError(Error, OSError)
  PyObject* too_large;         // TooLarge(Error, ValueError)
  PyObject* full;              // Full(Error)
  PyObject* busy;              // Busy(Error, TimeoutError)
  PyObject* read_only;         // ReadOnly(Error)
  PyObject* serializer_error;  // SerializerError(Error, TypeError)
  PyObject* unreadable;        // Unreadable(SerializerError)
};
/// Those of the interpreter that runs now.
Errors& errors();

/// Makes the classes and adds them to the module. False with an exception set if Python fails.
bool make_errors(PyObject* module);

/// Sets OpenError with an errno and the message.
void set_open_error(int number, const char* message);
/// Sets OpenError(EINVAL) about an option whose value is wrong; a PyErr_Format format.
void set_option_error(const char* format, ...);
/// What the library says with its options called as they are here, where they do not end in _bytes.
std::string in_python_words(std::string message);

/// Sets the exception for the C++ exception in flight. Call it in a catch block.
void set_current_exception();
/// Sets kind with the message, chained from the exception that is set now.
void set_error_from(PyObject* kind, const char* message);
/// If Unreadable is set, gives it the key that was read. Any other exception stays as it is.
void name_unreadable(PyObject* key);

/// Runs what may throw; answers failure with a Python exception set if it does.
template <class Call, class Answer>
Answer guarded(Call&& call, Answer failure) {
  try {
    return call();
  } catch (...) {
    set_current_exception();
    return failure;
  }
}

}  // namespace forklore::python
