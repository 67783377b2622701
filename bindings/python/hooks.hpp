// hooks.hpp - The interpreter lock around waits and long calls, and Forklore's log lines into Python's logging.
#pragma once

#include <Python.h>

#include <exception>
#include <string_view>

namespace forklore::python {

/// Never returns: the process is about to end.
[[noreturn]] void sleep_for_good();

/// Calls what may run Python code, or wait for the GIL. When the interpreter goes down, Python ends a daemon thread
/// there by pthread_exit. That would unwind our frames without the GIL, and end the process at a noexcept call. So such
/// a thread sleeps here until the process is gone, as it does in Python 3.14. What call makes holds no reference.
template <class Call>
auto run_python(Call&& call) {
  try {
    return call();
  } catch (...) {
    if (std::current_exception() == nullptr) sleep_for_good();  // no C++ exception, so pthread_exit
    throw;
  }
}

/// Installs the hooks of this process. Whenever an interpreter loads the module: they are the same for all. False with
/// ImportError set.
bool install_hooks();

/// One warning of the logger "forklore". The GIL must be held; the exception that is set stays.
void warn(std::string_view line);

/// Lets other Python threads run for the life of the object. The thread must hold the GIL, and no Python object
/// may be touched meanwhile. The wait hooks see it and leave the GIL alone.
class Unlocked {
 public:
  Unlocked();
  ~Unlocked();
  Unlocked(const Unlocked&) = delete;
  Unlocked& operator=(const Unlocked&) = delete;

 private:
  bool gave_up_;
};

}  // namespace forklore::python
