// thread.hpp - What a thread keeps of the segments and locks that it uses, for as long as it lives.
//
// A library that is loaded late, such as a Python module, finds a few hundred bytes of thread-local storage left for
// all that are. So a thread has a page of its own for what is seldom needed, and only a pointer to it there.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "store/segment.hpp"

namespace forklore::session {

/// A line that a thread has in a view; of an epoch before a fork, not its own.
struct Claimed {
  std::uint64_t view = 0;
  std::uint32_t epoch = 0;
  store::CounterLine* line = nullptr;
};

/// A reentrant lock that a thread holds (lock.cpp).
struct HeldLock;

struct Thread {
  static constexpr std::size_t kKept = 8;  // views of which a thread remembers its line

  std::array<Claimed, kKept> claimed;
  std::vector<HeldLock>* held;  // null while there are none

  /// This thread's, zeroed at first. The same in the child of a fork. nullptr if there is no memory.
  static Thread* get() noexcept { return here != nullptr ? here : make(); }
  /// nullptr as well if this thread has never got it.
  static Thread* find() noexcept { return here; }

 private:
  struct Key;
  static Thread* make() noexcept;
  static void end(void* page) noexcept;
  static const Key key;
  static constinit thread_local Thread* here [[gnu::tls_model("initial-exec")]];
};

}  // namespace forklore::session
