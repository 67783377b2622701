// look.hpp - One caller's looks at a value that is computed if it is not there, or cannot be read back.
#pragma once

#include <Python.h>

#include <chrono>
#include <forklore/compute.hpp>

#include "cache_calls.hpp"

namespace forklore::python {

/// A value that cannot be read back (Unreadable) is no value here: it is removed, exactly that one, so that of all
/// callers one computes the next. If it is stale already, somebody else computes: then this caller waits.
class Look {
 public:
  Look(Computation& computation, const Call& call, NamedKey key, std::chrono::milliseconds wait)
      : computation_(computation), call_(call), key_(key), wait_(wait) {}

  /// Computation::begin. With fresh and stale there is a value. Turn::no_room with an exception set. May run Python
  /// code.
  Turn begin();
  /// The value, once.
  PyObject* release() { return value_.release(); }
  /// After Turn::refresh: the value that is to be renewed, once. nullptr with an exception set, as of a value that
  /// cannot be read.
  PyObject* old() { return decoded_.decode(call_.codec()); }
  /// After Turn::wait: sleeps until there is reason to begin again, 25 ms at the latest. Without the GIL.
  void wait();

 private:
  bool remove(Version version);

  Computation& computation_;
  const Call& call_;
  const NamedKey key_;
  const std::chrono::milliseconds wait_;
  Decoded decoded_;
  Reference value_;
  int removed_ = 0;
  bool sleeps_ = false;                          // since nobody will say when the stale value is replaced
  std::chrono::steady_clock::time_point end_{};  // of that
};

}  // namespace forklore::python
