// hooks.hpp - Lets an embedding runtime do something around each wait, and log.
#pragma once

#include <forklore/export.hpp>
#include <forklore/option.hpp>
#include <string>
#include <string_view>

namespace forklore {

/// The library calls them with no lock held, in the thread that called the library. Each may be nullptr.
struct Hooks {
  void (*before_wait)() = nullptr;               ///< the thread is about to wait: release an interpreter lock here
  void (*after_wait)() = nullptr;                ///< the wait is over. One for each before_wait
  void (*log)(std::string_view line) = nullptr;  ///< an operator should know this, such as a move to a successor
  /// Says what an option is called in those lines, and how one that has a value is given. nullptr: as in C++.
  std::string (*option)(Option option, std::string_view value) = nullptr;
};

/// Sets the hooks of this process. Call it once, before the first Cache is used by another thread.
FORKLORE_EXPORT void set_hooks(const Hooks& hooks) noexcept;

}  // namespace forklore
