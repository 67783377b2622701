// hooks.hpp - What an embedding runtime may want to do around a wait, and where it logs.
#pragma once

#include <forklore/export.hpp>
#include <string_view>

namespace forklore {

/// Called by the library with no lock held, from the thread that made the call. Each may be nullptr.
struct Hooks {
  void (*before_wait)() = nullptr;               ///< about to wait for a lock (release an interpreter lock here)
  void (*after_wait)() = nullptr;                ///< the wait is over; pairs with before_wait
  void (*log)(std::string_view line) = nullptr;  ///< a thing an operator wants to know: moved to a successor
};

/// Sets the hooks of this process. Call it once, before the first Cache is used by another thread.
FORKLORE_EXPORT void set_hooks(const Hooks& hooks) noexcept;

}  // namespace forklore
