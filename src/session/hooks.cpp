#include "forklore/hooks.hpp"

#include <atomic>

#include "base/waiting.hpp"
#include "session/log_line.hpp"

namespace forklore {
namespace {

// Relaxed: set before other threads begin.
std::atomic<void (*)(std::string_view)> log_hook{nullptr};
std::atomic<std::string (*)(Option, std::string_view)> option_hook{&Message::in_cpp};

}  // namespace

void set_hooks(const Hooks& hooks) noexcept {
  base::set_wait_hooks({hooks.before_wait, hooks.after_wait});
  option_hook.store(hooks.option != nullptr ? hooks.option : &Message::in_cpp, std::memory_order_relaxed);
  log_hook.store(hooks.log, std::memory_order_relaxed);
}

void session::log_line(const Message& line) {
  if (auto* hook = log_hook.load(std::memory_order_relaxed)) {
    hook(line.said(option_hook.load(std::memory_order_relaxed)));
  }
}

}  // namespace forklore
