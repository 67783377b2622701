// errors.hpp - Forklore's exceptions, and which of them a Code is.
#pragma once

#include <Python.h>

#include <exception>
#include <forklore/code.hpp>
#include <forklore/options.hpp>
#include <string>
#include <string_view>

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

/// What an option is called here: the field without its unit, as "capacity" for capacity_bytes.
std::string_view name_of(Option option);
/// That, or how one that has a value is given: place="file", mode=0o660.
std::string in_python(Option option, std::string_view value);

/// Sets kind with the message in the words of Python. The parts of the message go with it, as the attribute _parts, for
/// whoever calls options otherwise: forklore.django.
void set_error(PyObject* kind, const Message& message);
/// Sets OpenError(EINVAL): an option that nothing could be opened with. May throw std::bad_alloc.
void set_option_error(Reason reason);
/// Sets TypeError: "OPTION is WHAT, not int". Always false. May throw std::bad_alloc.
bool set_option_type_error(Option option, const char* what, PyObject* given);
/// A message as a tuple: a str for each text, (name, value or None) for each option. nullptr with an exception set.
PyObject* parts_of(const Message& message);
/// An object as errors show it: its repr, cut short. May throw std::bad_alloc.
std::string shown(PyObject* object);

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
