// hooks.hpp - Lets an embedding runtime do something around each wait, and log.
#pragma once

#include <forklore/export.hpp>
#include <string_view>

namespace forklore {

/// The library calls them with no lock held, in the thread that called the library. Each may be nullptr.
struct Hooks {
  void (*before_wait)() = nullptr;               ///< the thread is about to wait: release an interpreter lock here
  void (*after_wait)() = nullptr;                ///< the wait is over. One for each before_wait
  void (*log)(std::string_view line) = nullptr;  ///< an operator should know this, such as a move to a successor
};

/// Sets the hooks of this process. Call it once, before the first Cache is used by another thread.
FORKLORE_EXPORT void set_hooks(const Hooks& hooks) noexcept;

}  // namespace forklore
