// decision.hpp - What a write is told of an entry, with the stripe's lock held, and what it wants done.
#pragma once

#include <cstdint>
#include <string_view>

#include "forklore/code.hpp"
#include "store/layout.hpp"

namespace forklore::store {

/// What Stripe::update() shows to the decision: the entry as it is now.
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
    change_both,     ///< first the expiry, then the integer
    erase,           ///< also of an entry that is stale
  };
  Action action = Action::nothing;
  Code code = Code::ok;         ///< what update() answers once that is done
  std::string_view value = {};  ///< does not lie in the segment
  std::uint16_t format = 0;
  std::uint64_t expiry = kNever;
  std::int64_t integer = 0;  ///< for change_integer and change_both
  bool timed = false;        ///< for store
  Timing timing = {};
};

/// A reference to a callable that decides, or to a decision that depends on nothing. What it refers to outlives the
/// call. The callable may be called more than once, with the lock held: it must not change anything, and must not wait.
class Decide {
 public:
  template <class F>
  Decide(const F& f) noexcept  // NOLINT(google-explicit-constructor): a view of a callable
      : context_(&f), call_([](const void* context, const Present& present) noexcept {
          return (*static_cast<const F*>(context))(present);
        }) {}
  Decide(const Decision& decision) noexcept  // NOLINT(google-explicit-constructor): as above
      : context_(&decision), call_(nullptr) {}
  /// The decision that depends on nothing, or nullptr.
  [[nodiscard]] const Decision* ready() const noexcept {
    return call_ == nullptr ? static_cast<const Decision*>(context_) : nullptr;
  }
  Decision operator()(const Present& present) const noexcept { return call_(context_, present); }

 private:
  const void* context_;
  Decision (*call_)(const void*, const Present&) noexcept;
};

}  // namespace forklore::store
