// hooks.hpp - The interpreter lock around waits and long calls, and Forklore's log lines into Python's logging.
#pragma once

#include <Python.h>

namespace forklore::python {

/// Installs the hooks of this process. Once, when the module is loaded.
void install_hooks();

/// Lets other Python threads run for the life of the object. The thread must hold the GIL, and no Python object
/// may be touched meanwhile. The wait hooks see it and leave the GIL alone.
class Unlocked {
 public:
  Unlocked();
  ~Unlocked();
  Unlocked(const Unlocked&) = delete;
  Unlocked& operator=(const Unlocked&) = delete;
};

}  // namespace forklore::python
