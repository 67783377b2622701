// stripe.hpp - A stripe as far as readers look at it, and a get: Stripe::attempt() in src/store/stripe_read.hpp.
//
// A slot word is the generation of a chunk, times 10, plus a place in it; 0: empty. All words carry the fingerprint
// that is looked for. At a place lie a head (which key; 0: marked dead) and a value. Stores that no reader looks at are
// left out of the scenes: their release orders would only help.
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include "model/protocol.hpp"

namespace forklore::model {

inline constexpr Number kKey = 1;      ///< the key that is looked for
inline constexpr Number kOther = 2;    ///< another
inline constexpr Number kDead = 0;     ///< as a head
inline constexpr Number kMiss = 100;   ///< as an answer
inline constexpr Number kAgain = 101;  ///< as an answer: something changed, so a reader begins anew
inline bool is_hit(Number answer) { return answer != kMiss && answer != kAgain; }
inline constexpr Number kTorn = 99;  ///< as an answer: the two parts of a value do not belong together

inline constexpr unsigned kPlaces = 4;  ///< 0 is none

/// A program with the words of a stripe.
struct StripeProgram : Program {
  /// slots: what each slot that the scene has holds at first.
  explicit StripeProgram(std::initializer_list<Number> slots_at_first);
  /// An entry that is there from the beginning.
  StripeProgram& has(unsigned place, Number key, Number value, unsigned next = 0);
  [[nodiscard]] Location slot(unsigned number) const { return first_slot + number; }
  [[nodiscard]] Location head(unsigned place) const { return first_head + place; }
  [[nodiscard]] Location value(unsigned place) const { return first_value + place; }
  [[nodiscard]] Location next(unsigned place) const { return first_next + place; }

  Location index;
  Location first_slot, first_head, first_value, first_next;
};

/// The orders of a get.
struct GetOrders {
  Order view = Order::seq_cst;   ///< Index::snapshot(): the index word
  Order slot = Order::acquire;   ///< attempt(): the slot
  Order fence = Order::acquire;  ///< unmoved(): before the second look
  bool looks_at_slot_again = true;
  bool looks_at_index_again = true;
};

/// The slots of the key's buckets, by the index word that was read.
using Candidates = std::function<std::vector<Location>(Thread&, const Value& view)>;

struct Get {
  GetOrders orders;
  Candidates candidates;
  bool spilled = false;           ///< the value goes on where next says
  bool raises_frequency = false;  ///< kOneFrequency is added to the slot

  void operator()(Thread& t, const StripeProgram& s, Answer answer) const;
};
inline constexpr Number kOneFrequency = 1000;

/// Of slots that are the same whatever the index word.
Candidates always(std::vector<Location> slots);

}  // namespace forklore::model
