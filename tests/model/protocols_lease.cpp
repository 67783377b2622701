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

/// A holder looks whether its deadline has passed, while others find that it has and take the line of the table.
std::vector<Scene> deadline_read(Orders& orders) {
  const Order word_seen = orders.at("holds(): word, acquire", acquire);
  const Order seen = orders.at("holds(): deadline, acquire", acquire);
  const bool again = orders.keeps("holds(): a second look at the word");
  const Order set = orders.at("Leases::acquire(): deadline, release", release);
  std::vector<Scene> scenes;
  for (const bool by_another : {false, true}) {
    Program p;
    const Location word = p.word("lease"), deadline = p.word("deadline", 9);  // 9: of an earlier lease of that line
    const Answer read = p.answer("deadline");
    p.thread("taker", [=](Thread& t) {
      t.store(deadline, 1, set);
      t.store(word, kHeld, release);
      if (by_another) return;
      t.store(word, kFreed, release);
      t.store(deadline, 9, set);
      t.store(word, kTakenAnew, release);
    });
    if (by_another) {
      p.thread("gives back", [=](Thread& t) { t.require(t.compare_exchange(word, kHeld, kFreed, release)); });
      p.thread("next", [=](Thread& t) {
        t.require(t.load(word, acquire) == kFreed);
        t.store(deadline, 9, set);
        t.store(word, kTakenAnew, release);
      });
    }
    p.thread("holder", [=](Thread& t) {
      t.require(t.load(word, word_seen) == kHeld);
      const Value found = t.load(deadline, seen);
      if (again) t.require(t.load(word, acquire) == kHeld);
      t.tell(read, found);
    });
    p.never([=](const Outcome& o) { return o.told(read) && o[read] != 1; });
    scenes.push_back({by_another ? "given back, taken: another lease's deadline" : "another lease's deadline", p});
  }
  return scenes;
}

/// Who finds a lease held sleeps on the turn that it read before: then it was not given back by that turn.
std::vector<Scene> waited_for(Orders& orders) {
  const Order move = orders.at("Leases::move_on(): turn, release", release);
  const Order seen = orders.at("Leases::acquire(): turn, acquire", acquire);
  Program p;
  const Location word = p.word("lease", kHeld), turn = p.word("turn");
  const Answer sleeps_on = p.answer("turn");
  p.thread("holder", [=](Thread& t) {
    t.require(t.compare_exchange(word, kHeld, kFreed, release));
    const Value before = t.load(turn);
    t.require(before == 0);
    t.require(t.compare_exchange(turn, before, before + 1, move));
  });
  p.thread("waiter", [=](Thread& t) {
    const Value now = t.load(turn, seen);
    t.require(t.load(word, acquire) == kHeld);
    t.tell(sleeps_on, now);
  });
  p.never([=](const Outcome& o) { return o.is(sleeps_on, 1); });
  return {{"sleeps on the turn after the one that it waits for", p}};
}

}  // namespace

std::vector<Protocol> lease_protocols() {
  const std::vector<Memory> everywhere(kMemories.begin(), kMemories.end());
  return {
      {"lease handed on", "who is granted a lease sees what its holder before did", everywhere, handed_on},
      {"deadline of a lease", "a holder never takes another lease's deadline for its own", everywhere, deadline_read},
      {"wait for a lease", "who goes to sleep has missed no give-back", everywhere, waited_for},
  };
}

}  // namespace forklore::model
