#include "hooks.hpp"

#include <unistd.h>

#include <forklore/hooks.hpp>
#include <string>
#include <string_view>

#include "errors.hpp"
#include "reference.hpp"

namespace forklore::python {

// What the handlers raise is reported as unraisable and goes no further.
void warn(std::string_view line) {
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  Reference logging(run_python([] { return PyImport_ImportModule("logging"); }));
  Reference logger(
      logging ? run_python([&] { return PyObject_CallMethod(logging.get(), "getLogger", "s", "forklore"); }) : nullptr);
  Reference text(logger ? PyUnicode_DecodeUTF8(line.data(), static_cast<Py_ssize_t>(line.size()), "replace") : nullptr);
  Reference done(text ? run_python([&] { return PyObject_CallMethod(logger.get(), "warning", "sO", "%s", text.get()); })
                      : nullptr);
  if (!done) PyErr_WriteUnraisable(nullptr);
  PyErr_Restore(type, value, traceback);
}

namespace {

// The state that this thread gave up with the GIL; null while it holds the GIL. A thread enters the library only
// through this module, so it holds the GIL unless this says otherwise. (PyGILState_Check cannot tell: it always says
// yes once a subinterpreter has been made.) Of any interpreter, as whatever the thread does next is in that one. In
// storage that Python asks the system for: a module that is loaded late finds little thread-local storage left.
Py_tss_t given_up = Py_tss_NEEDS_INIT;
// Whether the wait that is on now gave up the GIL, and not an Unlocked around it. Null if not.
Py_tss_t wait_gave_up = Py_tss_NEEDS_INIT;

bool is_outside() { return PyThread_tss_get(&given_up) != nullptr; }

// False, with the GIL still held, if there is no memory to remember that.
bool give_up() {
  if (PyThread_tss_set(&given_up, PyThreadState_Get()) != 0) return false;
  PyEval_SaveThread();
  return true;
}

void take_back() {
  auto* state = static_cast<PyThreadState*>(PyThread_tss_get(&given_up));
  run_python([&] { PyEval_RestoreThread(state); });
  PyThread_tss_set(&given_up, nullptr);
}

void before_wait() {
  if (is_outside() || PyThread_tss_set(&wait_gave_up, &wait_gave_up) != 0) return;
  if (!give_up()) PyThread_tss_set(&wait_gave_up, nullptr);
}

void after_wait() {
  if (PyThread_tss_get(&wait_gave_up) == nullptr) return;
  PyThread_tss_set(&wait_gave_up, nullptr);
  take_back();
}

// In the interpreter that made the call, whose state the thread holds or gave up.
void log(std::string_view line) {
  if (Py_IsInitialized() == 0) return;
  const bool outside = is_outside();
  void* const waiting = PyThread_tss_get(&wait_gave_up);
  PyThread_tss_set(&wait_gave_up, nullptr);  // a handler may call the library and wait itself
  if (outside) take_back();
  warn(line);
  if (outside) give_up();
  PyThread_tss_set(&wait_gave_up, waiting);
}

}  // namespace

namespace {

// In the log: a process of Python may have its options from Django's settings.
std::string in_log(Option option, std::string_view value) {
  const std::string said = in_python(option, value);
  if (option == Option::owner && !value.empty()) return said + " (Django: OWNER)";
  return said;
}

}  // namespace

void sleep_for_good() {
  while (true) ::pause();
}

bool install_hooks() {
  if (PyThread_tss_create(&given_up) != 0 || PyThread_tss_create(&wait_gave_up) != 0) {
    PyErr_SetString(PyExc_ImportError, "no key for thread-specific storage is left in this process");
    return false;
  }
  set_hooks({before_wait, after_wait, log, in_log});
  return true;
}

Unlocked::Unlocked() : gave_up_(give_up()) {}

Unlocked::~Unlocked() {
  if (gave_up_) take_back();
}

}  // namespace forklore::python
