#include "hooks.hpp"

#include <unistd.h>

#include <forklore/hooks.hpp>
#include <string_view>
#include <utility>

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

// The state that this thread gave up with the GIL; nullptr while it holds the GIL. A thread enters the library
// only through this module, so it holds the GIL unless this says otherwise. (PyGILState_Check cannot tell: it
// always says yes once a subinterpreter has been made.)
thread_local PyThreadState* given_up = nullptr;
// Whether the wait that is on now gave up the GIL, and not an Unlocked around it.
thread_local bool wait_gave_up = false;

void give_up() { given_up = PyEval_SaveThread(); }

void take_back() {
  PyThreadState* state = std::exchange(given_up, nullptr);
  run_python([&] { PyEval_RestoreThread(state); });
}

void before_wait() {
  if (given_up != nullptr) return;
  give_up();
  wait_gave_up = true;
}

void after_wait() {
  if (!std::exchange(wait_gave_up, false)) return;
  take_back();
}

void log(std::string_view line) {
  if (Py_IsInitialized() == 0) return;
  const bool outside = given_up != nullptr;
  const bool waiting = std::exchange(wait_gave_up, false);  // a handler may call the library and wait itself
  if (outside) take_back();
  warn(line);
  if (outside) give_up();
  wait_gave_up = waiting;
}

}  // namespace

void sleep_for_good() {
  while (true) ::pause();
}

void install_hooks() { set_hooks({before_wait, after_wait, log}); }

Unlocked::Unlocked() { give_up(); }

Unlocked::~Unlocked() { take_back(); }

}  // namespace forklore::python
