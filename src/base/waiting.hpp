// waiting.hpp - Sleeping on a word that processes share, and what the embedding runtime does around it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace forklore::base {

/// What is called around a wait, with no lock held, in the thread that waits. Process-wide; each may be nullptr.
struct WaitHooks {
  void (*before)() = nullptr;
  void (*after)() = nullptr;
};
/// Set them before other threads wait: a wait that starts meanwhile may see one old and one new.
void set_wait_hooks(WaitHooks hooks) noexcept;

/// While one lives, the thread waits: calls the hooks at its begin and end.
class Waiting {
 public:
  Waiting() noexcept;
  ~Waiting();
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;

 private:
  void (*after_)();
};

/// Whose wake a waiter hears: any bit in common. 0 is nobody's.
inline constexpr std::uint32_t kEverybody = ~std::uint32_t{0};

/// Sleeps while word is what was seen, until woken, or for at_most; may end earlier without a cause.
void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t seen, std::chrono::nanoseconds at_most,
                std::uint32_t bits = kEverybody) noexcept;
/// Wakes so many of those that sleep on word, in all processes.
void futex_wake(std::atomic<std::uint32_t>& word, int how_many, std::uint32_t bits = kEverybody) noexcept;

}  // namespace forklore::base
