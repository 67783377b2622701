#include "errors.hpp"

#include <cerrno>
#include <cstdarg>
#include <new>
#include <string>

#include "docstrings.hpp"
#include "interpreter.hpp"
#include "reference.hpp"

namespace forklore::python {

namespace {

PyObject* make(PyObject* module, const char* name, const char* doc, PyObject* first, PyObject* second = nullptr) {
  const std::string full = std::string("forklore.") + name;
  Reference bases(second == nullptr ? PyTuple_Pack(1, first) : PyTuple_Pack(2, first, second));
  if (!bases) return nullptr;
  PyObject* made = PyErr_NewExceptionWithDoc(full.c_str(), doc, bases.get(), nullptr);
  if (made == nullptr || PyModule_AddObjectRef(module, name, made) < 0) return nullptr;
  return made;
}

}  // namespace

Errors& errors() { return interpreter().errors; }

bool make_errors(PyObject* module) {
  Errors& errors = interpreter().errors;
  return (errors.error = make(module, "Error", docs::kError, PyExc_Exception)) != nullptr &&
         (errors.open_error = make(module, "OpenError", docs::kOpenError, errors.error, PyExc_OSError)) != nullptr &&
         (errors.too_large = make(module, "TooLarge", docs::kTooLarge, errors.error, PyExc_ValueError)) != nullptr &&
         (errors.full = make(module, "Full", docs::kFull, errors.error)) != nullptr &&
         (errors.busy = make(module, "Busy", docs::kBusy, errors.error, PyExc_TimeoutError)) != nullptr &&
         (errors.read_only = make(module, "ReadOnly", docs::kReadOnly, errors.error)) != nullptr &&
         (errors.serializer_error =
              make(module, "SerializerError", docs::kSerializerError, errors.error, PyExc_TypeError)) != nullptr &&
         (errors.unreadable = make(module, "Unreadable", docs::kUnreadable, errors.serializer_error)) != nullptr &&
         PyObject_SetAttrString(errors.unreadable, "key", Py_None) == 0;
}

void set_open_error(int number, const char* message) {
  Reference arguments(Py_BuildValue("(is)", number, message));
  if (arguments) PyErr_SetObject(errors().open_error, arguments.get());
}

void set_option_error(const char* format, ...) {
  va_list list;
  va_start(list, format);
  Reference message(PyUnicode_FromFormatV(format, list));
  va_end(list);
  if (!message) return;
  Reference arguments(Py_BuildValue("(iO)", EINVAL, message.get()));
  if (arguments) PyErr_SetObject(errors().open_error, arguments.get());
}

std::string in_python_words(std::string message) {
  for (const std::string name : {"capacity", "max_value"}) {
    const std::string wordy = name + "_bytes";
    for (std::size_t at; (at = message.find(wordy)) != std::string::npos;) message.replace(at, wordy.size(), name);
  }
  return message;
}

namespace {

// The library's message in Python's words. The system's own words, which Python's OSError has as a number, are left out
// where a remedy follows.
std::string message_of(const OpenError& error) {
  std::string message = error.what();
  const std::string prefix = "forklore: ";
  const std::string suffix = ": " + error.code().message();
  if (message.starts_with(prefix)) message.erase(0, prefix.size());
  const bool needs_no_more = error.code() == std::errc::invalid_argument || message.find("; ") != std::string::npos;
  if (needs_no_more && message.ends_with(suffix)) message.resize(message.size() - suffix.size());
  return in_python_words(std::move(message));
}

}  // namespace

void set_current_exception() {
  try {
    throw;
  } catch (const OpenError& error) {
    set_open_error(error.code().value(), message_of(error).c_str());
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::exception& error) {
    PyErr_SetString(errors().error, error.what());
  }
}

void set_error_from(PyObject* kind, const char* message) {
  PyObject *type, *cause, *traceback;
  PyErr_Fetch(&type, &cause, &traceback);
  if (type != nullptr) {
    PyErr_NormalizeException(&type, &cause, &traceback);
    if (traceback != nullptr) PyException_SetTraceback(cause, traceback);
  }
  if (cause == nullptr) {
    PyErr_SetString(kind, message);
  } else {
    PyErr_Format(kind, "%s: %s: %S", message, Py_TYPE(cause)->tp_name, cause);
    PyObject *outer_type, *outer, *outer_traceback;
    PyErr_Fetch(&outer_type, &outer, &outer_traceback);
    PyErr_NormalizeException(&outer_type, &outer, &outer_traceback);
    PyException_SetCause(outer, Py_NewRef(cause));
    PyException_SetContext(outer, Py_NewRef(cause));
    PyErr_Restore(outer_type, outer, outer_traceback);
  }
  Py_XDECREF(type);
  Py_XDECREF(cause);
  Py_XDECREF(traceback);
}

void name_unreadable(PyObject* key) {
  if (PyErr_ExceptionMatches(errors().unreadable) == 0) return;
  PyObject *type, *error, *traceback;
  PyErr_Fetch(&type, &error, &traceback);
  PyErr_NormalizeException(&type, &error, &traceback);
  if (PyObject_SetAttrString(error, "key", key) < 0) PyErr_Clear();  // the error is worth more than its key
  PyErr_Restore(type, error, traceback);
}

}  // namespace forklore::python
