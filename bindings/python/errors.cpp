#include "errors.hpp"

#include <initializer_list>
#include <new>
#include <string>
#include <system_error>
#include <utility>

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

// Errors that are made by Python code have None there.
bool have_nothing(PyObject* kind, std::initializer_list<const char*> attributes) {
  for (const char* attribute : attributes) {
    if (PyObject_SetAttrString(kind, attribute, Py_None) != 0) return false;
  }
  return true;
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
         have_nothing(errors.unreadable, {"key"}) &&
         have_nothing(errors.open_error, {"option", "bound", "remedy", "path"}) &&
         have_nothing(errors.error, {"_parts"});
}

std::string_view name_of(Option option) {
  std::string_view name = option.word;
  if (name.ends_with("_bytes")) name.remove_suffix(std::string_view("_bytes").size());
  return name;
}

namespace {

// A value as it is written in Python, where C++ has a word or an octal number.
std::string literal_of(Option option, std::string_view value) {
  std::string text(value);
  if (option == Option::place || option == Option::when_full) return '"' + text + '"';
  if (option == Option::mode && text.starts_with('0') && text.size() > 1) return "0o" + text.substr(1);
  return text;
}

// Text of the library. A path in it may have any bytes.
PyObject* to_str(std::string_view text) {
  return PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "backslashreplace");
}

// None if there is nothing.
PyObject* to_str_or_none(std::string_view text) { return text.empty() ? Py_NewRef(Py_None) : to_str(text); }

bool give(PyObject* error, const char* name, PyObject* value) {
  const Reference held(value);
  return held && PyObject_SetAttrString(error, name, held.get()) == 0;
}

// The reason's parts as attributes of an OpenError.
bool give_reason(PyObject* error, const Reason& reason) {
  return give(error, "option", to_str_or_none(name_of(reason.option))) &&
         give(error, "bound", to_str_or_none(reason.bound)) &&
         give(error, "remedy", to_str_or_none(reason.remedy.said(in_python))) &&
         give(error, "path", reason.path.empty() ? Py_NewRef(Py_None) : PyUnicode_DecodeFSDefault(reason.path.c_str()));
}

void set_open_error(const OpenError& error) {
  const Message message = error.message();
  const Reference text(to_str(message.said(in_python)));
  const Reference made(text ? PyObject_CallFunction(errors().open_error, "iO", error.code().value(), text.get())
                            : nullptr);
  if (made && give(made.get(), "_parts", parts_of(message)) && give_reason(made.get(), error.reason())) {
    PyErr_SetObject(errors().open_error, made.get());
  }
}

}  // namespace

std::string in_python(Option option, std::string_view value) {
  const std::string name(name_of(option));
  return value.empty() ? name : name + "=" + literal_of(option, value);
}

PyObject* parts_of(const Message& message) {
  Reference parts(PyTuple_New(static_cast<Py_ssize_t>(message.parts().size())));
  Py_ssize_t i = 0;
  for (const auto& [option, text] : message.parts()) {
    if (!parts) return nullptr;
    const Reference value(option ? to_str_or_none(text.empty() ? text : literal_of(option, text)) : nullptr);
    PyObject* part = option ? Py_BuildValue("(NO)", to_str(name_of(option)), value.get()) : to_str(text);
    if (part == nullptr) return nullptr;
    PyTuple_SET_ITEM(parts.get(), i++, part);
  }
  return parts.release();
}

void set_error(PyObject* kind, const Message& message) {
  const Reference text(to_str(message.said(in_python)));
  const Reference made(text ? PyObject_CallOneArg(kind, text.get()) : nullptr);
  if (made && give(made.get(), "_parts", parts_of(message))) PyErr_SetObject(kind, made.get());
}

void set_option_error(Reason reason) {
  set_open_error(OpenError(std::make_error_code(std::errc::invalid_argument), std::move(reason)));
}

bool set_option_type_error(Option option, const char* what, PyObject* given) {
  set_error(PyExc_TypeError, Message(option) + " is " + what + ", not " + Py_TYPE(given)->tp_name);
  return false;
}

std::string shown(PyObject* object) {
  constexpr Py_ssize_t kMost = 60;
  const Reference whole(object == nullptr ? nullptr : PyObject_Repr(object));
  const bool is_long = whole && PyUnicode_GET_LENGTH(whole.get()) > kMost;
  const Reference begin(is_long ? PyUnicode_Substring(whole.get(), 0, kMost - 3) : nullptr);
  const Reference& cut = is_long ? begin : whole;
  const char* text = cut ? PyUnicode_AsUTF8(cut.get()) : nullptr;
  if (text == nullptr) PyErr_Clear();  // what is to be said is worth more than what it is said of
  if (text == nullptr) return object == nullptr ? "?" : Py_TYPE(object)->tp_name;
  return is_long ? std::string(text) + "..." : text;
}

void set_current_exception() {
  try {
    throw;
  } catch (const OpenError& error) {
    guarded(
        [&] {
          set_open_error(error);
          return 0;
        },
        0);
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
