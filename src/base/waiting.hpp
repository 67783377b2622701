// waiting.hpp - Sleeps on a word that processes share, and calls the embedding runtime before and after.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace forklore::base {

/// What is called before and after a wait, with no lock held, by the thread that waits. For the whole process. Each may
/// be nullptr.
struct WaitHooks {
  void (*before)() = nullptr;
  void (*after)() = nullptr;
};
/// Set them before other threads wait. A wait that begins meanwhile may see an old one and a new one.
void set_wait_hooks(WaitHooks hooks) noexcept;

/// While one lives, the thread waits. It calls the hooks.
class Waiting {
 public:
  Waiting() noexcept;
  ~Waiting();
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;

 private:
  void (*after_)();
};

/// The bits of all waiters. A wake reaches a waiter if they have a bit in common.
inline constexpr std::uint32_t kEverybody = ~std::uint32_t{0};

/// Sleeps while word is what was seen, until it is woken, at_most so long. It may end earlier without a cause.
void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t seen, std::chrono::nanoseconds at_most,
                std::uint32_t bits = kEverybody) noexcept;
/// Wakes at most so many of those that sleep on word, in all processes.
void futex_wake(std::atomic<std::uint32_t>& word, int how_many, std::uint32_t bits = kEverybody) noexcept;

}  // namespace forklore::base
