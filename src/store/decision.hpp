// decision.hpp - What a write is told of an entry under the lock, and what it wants done.
#pragma once

#include <cstdint>
#include <string_view>

#include "forklore/code.hpp"
#include "store/layout.hpp"

namespace forklore::store {

/// What Stripe::update() shows to a decision: the entry as it stands under the lock.
struct Present {
  bool found = false;  ///< there is one, and it is fresh
  EntryHead head;
  Timing timing;  ///< of a timed entry
  std::uint64_t version = 0;
  std::int64_t integer = 0;  ///< of an integer entry
};

/// What a decision wants done.
struct Decision {
  enum class Action : std::uint8_t {
    nothing,
    store,           ///< value, format and expiry become the entry
    change_integer,  ///< integer replaces the value in place; the expiry stays
    change_expiry,   ///< expiry replaces the old one in place
    change_both,     ///< expiry, then integer: for one that means something until then at the latest
    erase,           ///< a stale entry too
  };
  Action action = Action::nothing;
  Code code = Code::ok;         ///< what update() answers if that is done
  std::string_view value = {};  ///< not from the segment
  std::uint16_t format = 0;
  std::uint64_t expiry = kNever;
  std::int64_t integer = 0;  ///< for change_integer and change_both
  bool timed = false;        ///< for store
  Timing timing = {};
};

/// A reference to a callable, or to a decision whatever is there, that outlives the call. It may be asked more than
/// once: it must not change anything.
class Decide {
 public:
  template <class F>
  Decide(const F& f) noexcept  // NOLINT(google-explicit-constructor): a view of a callable
      : context_(&f), call_([](const void* context, const Present& present) noexcept {
          return (*static_cast<const F*>(context))(present);
        }) {}
  Decide(const Decision& decision) noexcept  // NOLINT(google-explicit-constructor): likewise
      : context_(&decision), call_(nullptr) {}
  /// The decision that stands already, or nullptr.
  [[nodiscard]] const Decision* ready() const noexcept {
    return call_ == nullptr ? static_cast<const Decision*>(context_) : nullptr;
  }
  Decision operator()(const Present& present) const noexcept { return call_(context_, present); }

 private:
  const void* context_;
  Decision (*call_)(const void*, const Present&) noexcept;
};

}  // namespace forklore::store
