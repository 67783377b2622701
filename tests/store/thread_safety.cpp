// What clang must refuse: calls that need the lock of a stripe and do not hold it. Each is a fault by itself, chosen by
// a word of the command line; with none of them this compiles (tests/CMakeLists.txt).
#include "base/thread_safety.hpp"

#include <chrono>
#include <cstdint>

#include "store/log.hpp"
#include "store/stripe.hpp"

namespace forklore::store {

/// Holds the lock as Stripe::Guard does.
class FORKLORE_SCOPED_CAPABILITY AsGuard {
 public:
  AsGuard() noexcept FORKLORE_UNLOCKED {}
  ~AsGuard() FORKLORE_RELEASE {}
  AsGuard(const AsGuard&) = delete;
  AsGuard& operator=(const AsGuard&) = delete;
  [[nodiscard]] bool held() const noexcept FORKLORE_TRY_ACQUIRE { return true; }
};

void with_the_lock(Log& log) noexcept FORKLORE_LOCKED { log.free_chunk(1); }

void asked(Log& log) noexcept FORKLORE_UNLOCKED {
  const AsGuard guard;
  if (guard.held()) with_the_lock(log);
}

#ifdef LACKED
void lacked(Log& log) noexcept { log.free_chunk(1); }
#endif

#ifdef TWICE
void twice(Stripe& stripe) noexcept FORKLORE_LOCKED { static_cast<void>(stripe.clear(std::chrono::milliseconds(1))); }
#endif

#ifdef UNASKED
void unasked(Log& log) noexcept FORKLORE_UNLOCKED {
  const AsGuard guard;
  log.free_chunk(1);
}
#endif

#ifdef MEMBER
std::uint64_t member(const StripeHeader& header) noexcept { return header.owed.load(std::memory_order_relaxed); }
#endif

#ifdef LAMBDA
void lambda(Log& log) noexcept FORKLORE_LOCKED {
  log.for_each_chunk({}, 1, [&](std::uint32_t chunk, std::uint32_t) { log.set_due(chunk, 0); });
}
#endif

}  // namespace forklore::store
