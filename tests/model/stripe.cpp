#include "model/stripe.hpp"

namespace forklore::model {
namespace {

Value place_of(const Value& word) { return {word.number % 10, word.from}; }
Value without_frequency(const Value& word) { return {word.number % kOneFrequency, word.from}; }

bool unmoved(Thread& t, const GetOrders& orders, const StripeProgram& s, const Value& view) {
  t.fence(orders.fence);
  return !orders.looks_at_index_again || t.decide(t.load(s.index) == view);
}

bool unchanged(Thread& t, const GetOrders& orders, const StripeProgram& s, const Value& view, Location slot,
               const Value& word) {
  if (!unmoved(t, orders, s, view)) return false;
  return !orders.looks_at_slot_again || t.decide(without_frequency(t.load(slot)) == without_frequency(word));
}

}  // namespace

StripeProgram::StripeProgram(std::initializer_list<Number> slots_at_first) {
  index = word("index", 1);
  first_slot = static_cast<Location>(words.size());
  unsigned number = 0;
  for (const Number at_first : slots_at_first) word("slot " + std::to_string(number++), at_first);
  const auto column = [&](const char* name) {
    const auto first = static_cast<Location>(words.size());
    for (unsigned place = 0; place < kPlaces; ++place) word(name + std::to_string(place), 9);
    return first;
  };
  first_head = column("head ");
  first_value = column("value ");
  first_next = column("next ");
}

StripeProgram& StripeProgram::has(unsigned place, Number key, Number value_there, unsigned next_there) {
  words[head(place)].initially = key;
  words[value(place)].initially = value_there;
  words[next(place)].initially = next_there;
  return *this;
}

Candidates always(std::vector<Location> slots) {
  return [slots = std::move(slots)](Thread&, const Value&) { return slots; };
}

void Get::operator()(Thread& t, const StripeProgram& s, Answer answer) const {
  const Value view = t.load(s.index, orders.view);
  for (const Location slot : candidates(t, view)) {
    if (!t.decide(t.load(slot) != 0)) continue;  // Matches
    const Value word = t.load(slot, orders.slot);
    if (!t.decide(word != 0)) continue;

    const Value place = place_of(word);
    const Value head = t.load(s.first_head, place, kPlaces);
    if (!t.decide(head == kKey)) {
      if (!unchanged(t, orders, s, view, slot, word)) return t.tell(answer, kAgain);
      if (t.decide(head == kDead)) return t.tell(answer, kMiss);
      continue;
    }
    Value found = t.load(s.first_value, place, kPlaces);
    if (spilled) {
      const Value rest = t.load(s.first_value, t.load(s.first_next, place, kPlaces), kPlaces);
      if (rest.number != found.number) found = {kTorn, found.from | rest.from};
    }
    if (!unchanged(t, orders, s, view, slot, word)) return t.tell(answer, kAgain);
    if (raises_frequency && word.number < kOneFrequency) {
      t.compare_exchange(slot, word, word + kOneFrequency, Order::relaxed);
    }
    return t.tell(answer, found);
  }
  t.tell(answer, unmoved(t, orders, s, view) ? kMiss : kAgain);
}

}  // namespace forklore::model
