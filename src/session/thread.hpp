// thread.hpp - What a thread keeps of the segments and locks that it uses, for as long as it lives.
//
// Libraries that are loaded late, such as Python modules, share a few hundred bytes of thread-local storage. So a
// thread has a page of its own for what is seldom needed. The thread-local storage holds only a pointer to it.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "forklore/lease.hpp"
#include "store/segment.hpp"

namespace forklore {
class Attachment;
}

namespace forklore::session {

/// A counter line that a thread has claimed in a view. One of an earlier epoch belongs to the parent of a fork.
struct Claimed {
  std::uint64_t view = 0;
  std::uint32_t epoch = 0;
  store::CounterLine* line = nullptr;
};

/// A reentrant lock that a thread holds (cache/lock.cpp).
struct HeldLock {
  const Attachment* attachment;
  Lease lease;
  unsigned depth;  // acquisitions that are not released yet
};

struct Thread {
  static constexpr std::size_t kKept = 8;  // a thread remembers its lines in so many views

  std::array<Claimed, kKept> claimed;
  std::vector<HeldLock>* held;  // null while there are none

  /// Returns this thread's page, zeroed at first. A fork's child keeps it. nullptr if there is no memory.
  static Thread* get() noexcept { return here != nullptr ? here : make(); }
  /// The same without making one. nullptr if this thread has none yet.
  static Thread* find() noexcept { return here; }

 private:
  struct AtExit;
  static Thread* make() noexcept;
  static void end(void* page) noexcept;
  static const AtExit at_exit;
  static constinit thread_local Thread* here [[gnu::tls_model("initial-exec")]];
};

}  // namespace forklore::session
