// Leases: taken under the stripe's lock, given back without it, looked at by anybody (src/store/leases.cpp).
#include "model/protocol.hpp"

namespace forklore::model {
namespace {

using enum Order;

constexpr Number kHeld = 11, kFreed = 10, kTakenAnew = 21;  // token, times 10, and whether it is held

/// What a holder did is done for the next.
std::vector<Scene> handed_on(Orders& orders) {
  const Order give = orders.at("Leases::give_back(): word, release", release);
  const Order seen = orders.at("Leases::acquire(): word, acquire", acquire);
  Program p;
  const Location word = p.word("lease", kHeld), done = p.word("done");
  const Answer found = p.answer("done");
  p.thread("holder", [=](Thread& t) {
    t.store(done, 1);
    t.require(t.compare_exchange(word, kHeld, kFreed, give));
  });
  p.thread("next", [=](Thread& t) {
    t.require(t.load(word, seen) == kFreed);
    t.store(word, kTakenAnew, release);
    t.tell(found, t.load(done));
  });
  p.never([=](const Outcome& o) { return o.is(found, 0); });
  return {{"what the holder before did is missed", p}};
}

/// Somebody reads a field of a lease with no lock held, while others have it given back and take the line of the table.
std::vector<Scene> field_read(Orders& orders, const std::string& reader, const std::string& field) {
  const Order word_seen = orders.at(reader + ": word, acquire", acquire);
  const Order seen = orders.at(reader + ": " + field + ", acquire", acquire);
  const bool again = orders.keeps(reader + ": a second look at the word");
  const Order set = orders.at("Leases::acquire(): " + field + ", release", release);
  std::vector<Scene> scenes;
  for (const bool by_another : {false, true}) {
    Program p;
    const Location word = p.word("lease"), value = p.word(field, 9);  // 9: of an earlier lease of that line
    const Answer read = p.answer(field);
    p.thread("taker", [=](Thread& t) {
      t.store(value, 1, set);
      t.store(word, kHeld, release);
      if (by_another) return;
      t.store(word, kFreed, release);
      t.store(value, 9, set);
      t.store(word, kTakenAnew, release);
    });
    if (by_another) {
      p.thread("gives back", [=](Thread& t) { t.require(t.compare_exchange(word, kHeld, kFreed, release)); });
      p.thread("next", [=](Thread& t) {
        t.require(t.load(word, acquire) == kFreed);
        t.store(value, 9, set);
        t.store(word, kTakenAnew, release);
      });
    }
    p.thread("reader", [=](Thread& t) {
      t.require(t.load(word, word_seen) == kHeld);
      const Value found = t.load(value, seen);
      if (again) t.require(t.load(word, acquire) == kHeld);
      t.tell(read, found);
    });
    p.never([=](const Outcome& o) { return o.told(read) && o[read] != 1; });
    scenes.push_back({(by_another ? "given back, taken: another lease's " : "another lease's ") + field, p});
  }
  return scenes;
}

/// A holder looks whether its deadline has passed.
std::vector<Scene> deadline_read(Orders& orders) { return field_read(orders, "holds()", "deadline"); }

/// Somebody with an older value looks who computes it.
std::vector<Scene> flight_found(Orders& orders) {
  std::vector<Scene> scenes = field_read(orders, "find_flight()", "name");
  for (Scene& scene : field_read(orders, "find_flight()", "owner")) scenes.push_back(std::move(scene));
  return scenes;
}

/// Who finds a lease held sleeps on the event count that it read before: then nothing was given back by that count.
std::vector<Scene> waited_for(Orders& orders) {
  const Order move = orders.at("Leases::count_event(): events, release", release);
  const Order seen = orders.at("Leases::events(): events, acquire", acquire);
  Program p;
  const Location word = p.word("lease", kHeld), events = p.word("events");
  const Answer sleeps_on = p.answer("events");
  p.thread("holder", [=](Thread& t) {
    t.require(t.compare_exchange(word, kHeld, kFreed, release));
    const Value before = t.load(events);
    t.require(before == 0);
    t.require(t.compare_exchange(events, before, before + 1, move));
  });
  p.thread("waiter", [=](Thread& t) {
    const Value now = t.load(events, seen);
    t.require(t.load(word, acquire) == kHeld);
    t.tell(sleeps_on, now);
  });
  p.never([=](const Outcome& o) { return o.is(sleeps_on, 1); });
  return {{"sleeps on the count after the one that it waits for", p}};
}

}  // namespace

std::vector<Protocol> lease_protocols() {
  const std::vector<Memory> everywhere(kMemories.begin(), kMemories.end());
  return {
      {"lease handed on", "who is granted a lease sees what its holder before did", everywhere, handed_on},
      {"deadline of a lease", "a holder never takes another lease's deadline for its own", everywhere, deadline_read},
      {"flight found", "who looks for a flight never takes another lease's name or owner for its own", everywhere,
       flight_found},
      {"wait for a lease", "who goes to sleep has missed no give-back", everywhere, waited_for},
  };
}

}  // namespace forklore::model
