#include "forklore/hooks.hpp"

#include <atomic>

#include "base/waiting.hpp"
#include "session/log_line.hpp"

namespace forklore {
namespace {

std::atomic<void (*)(std::string_view)> log_hook{nullptr};  // relaxed: set before other threads begin

}  // namespace

void set_hooks(const Hooks& hooks) noexcept {
  base::set_wait_hooks({hooks.before_wait, hooks.after_wait});
  log_hook.store(hooks.log, std::memory_order_relaxed);
}

void session::log_line(std::string_view line) {
  if (auto* hook = log_hook.load(std::memory_order_relaxed)) hook(line);
}

}  // namespace forklore
