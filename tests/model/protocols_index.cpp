// The index: slots that move from bucket to bucket, buckets that are added and taken away, beside a reader.
#include "model/stripe.hpp"

namespace forklore::model {
namespace {

using enum Order;

/// The orders by which a move is told, and seen.
struct MoveOrders {
  explicit MoveOrders(Orders& orders)
      : counted(orders.at("Index::set_size(): index word, release", release)),
        fence(orders.at("Index::set_size(): fence, release", release)),
        leave(orders.at("publish(): its old place, release", release)) {
    get.view = orders.at("Index::snapshot(): index word, acquire", acquire);
    get.fence = orders.at("unmoved(): fence, acquire", acquire);
    get.looks_at_index_again = orders.keeps("unmoved(): second look at the index word");
  }
  /// Index::set_size().
  void move_on(Thread& t, const StripeProgram& s, Number word) const {
    t.store(s.index, word, counted);
    t.fence(fence);
  }
  Order counted, fence, leave;
  GetOrders get;
};

bool is_miss(Number answer) { return answer == kMiss; }
bool is_wrong(Number answer) { return is_hit(answer) && answer != 1; }

template <class Write>
Scene scene(const std::string& fault, StripeProgram s, const Get& get, Write write, bool (*bad)(Number)) {
  const Answer answer = s.answer("get");
  s.thread("writer", [=](Thread& t) { write(t, s); });
  s.thread("reader", [=](Thread& t) { get(t, s, answer); });
  s.never([=](const Outcome& o) { return o.told(answer) && bad(o[answer]); });
  return {fault, s};
}

/// Stripe::move_slot(), from slot 0 to slot 1. A reader may come to either bucket first.
std::vector<Scene> displaced(Orders& orders) {
  const MoveOrders move(orders);
  const Order publish = orders.at("publish(): where it goes, release", release);
  const auto write = [=](Thread& t, const StripeProgram& s) {
    t.store(s.slot(1), 11, publish);
    move.move_on(t, s, 2);
    t.store(s.slot(0), 0, move.leave);
  };
  const StripeProgram there = StripeProgram{11, 0}.has(1, kKey, 1);
  const auto slots = [&](unsigned one, unsigned other) { return always({there.slot(one), there.slot(other)}); };
  std::vector<Scene> scenes;
  for (const auto& [one, other] : {std::pair{0u, 1u}, std::pair{1u, 0u}}) {
    const Get get{move.get, slots(one, other)};
    scenes.push_back(scene("a miss for a key that was there throughout", there, get, write, is_miss));
    scenes.push_back(scene(
        "there and back: a miss", there, get,
        [=](Thread& t, const StripeProgram& s) {
          write(t, s);
          t.store(s.slot(0), 11, publish);
          move.move_on(t, s, 3);
          t.store(s.slot(1), 0, move.leave);
        },
        is_miss));
    scenes.push_back(scene(
        "written, moved at once: a value that nobody stored", StripeProgram{0, 0}, get,
        [=](Thread& t, const StripeProgram& s) {
          t.store(s.head(1), kKey);
          t.store(s.value(1), 1);
          t.store(s.slot(0), 11, release);
          write(t, s);
        },
        is_wrong));
  }
  return scenes;
}

/// Stripe::grow_index(): the key goes from slot 0 to slot 1, whose bucket was no bucket before.
std::vector<Scene> split(Orders& orders) {
  const MoveOrders move(orders);
  const auto write = [=](Thread& t, const StripeProgram& s) {
    t.fence(release);
    t.store(s.slot(1), 0, release);
    t.store(s.slot(1), 11, release);
    move.move_on(t, s, 2);
    t.store(s.slot(0), 0, move.leave);
  };
  // What lay there were bytes that look like a slot, of an older value of the key.
  const StripeProgram s = StripeProgram{11, 12}.has(1, kKey, 1).has(2, kKey, 7);
  const Get get{move.get, [slot0 = s.slot(0), slot1 = s.slot(1)](Thread& t, const Value& view) {
                  return std::vector<Location>{t.decide(view == 1) ? slot0 : slot1};
                }};
  return {scene("a miss for a key that was there throughout", s, get, write, is_miss),
          scene("bytes of an entry taken for a slot", s, get, write, is_wrong)};
}

/// Buckets are made of a chunk where an entry was, beside a reader that is still at that entry.
std::vector<Scene> grown_over(Orders& orders) {
  const Order forget = orders.at("Log::forget(): fence, release", release);
  const Order free = orders.at("Log::free_chunk(): fence, release", release);
  const Order grow = orders.at("grow_index(): fence, release", release);
  const Order empty = orders.at("grow_index(): empty slots, release", release);
  GetOrders get;
  get.fence = orders.at("unmoved(): fence, acquire", acquire);
  const StripeProgram s = StripeProgram{11}.has(1, kKey, 1);
  return {scene(
      "a torn value", s, {get, always({s.slot(0)})},
      [=](Thread& t, const StripeProgram& x) {
        t.store(x.slot(0), 0, release);
        t.fence(forget);
        t.store(x.head(1), kDead);
        t.fence(free);
        t.fence(grow);
        t.store(x.value(1), 0, empty);
      },
      is_wrong)};
}

/// Stripe::shrink_index(): the key goes from slot 1 back to slot 0, and then entries lie where slot 1 was.
std::vector<Scene> merged(Orders& orders) {
  const MoveOrders move(orders);
  const auto write = [=](Thread& t, const StripeProgram& s) {
    t.store(s.slot(0), 11, release);
    move.move_on(t, s, 3);
    t.store(s.slot(1), 0, move.leave);
    t.fence(release);        // free_chunk, take, append
    t.store(s.slot(1), 12);  // bytes of an entry that look like a slot, of an older value of the key
  };
  const StripeProgram before = [] {
    StripeProgram s = StripeProgram{0, 11}.has(1, kKey, 1).has(2, kKey, 7);
    s.words[s.index].initially = 2;
    return s;
  }();
  Get get{move.get, [slot0 = before.slot(0), slot1 = before.slot(1)](Thread& t, const Value& view) {
            return std::vector<Location>{t.decide(view == 2) ? slot1 : slot0};
          }};
  std::vector<Scene> scenes{scene("a miss for a key that was there throughout", before, get, write, is_miss),
                            scene("bytes of an entry taken for a slot", before, get, write, is_wrong)};
  // Even a reader that is late with its frequency writes nothing into the entry.
  get.raises_frequency = true;
  StripeProgram s = before;
  s.ends_matter = true;
  const Answer answer = s.answer("get");
  s.thread("writer", [=](Thread& t) { write(t, s); });
  s.thread("reader", [=](Thread& t) { get(t, s, answer); });
  s.never([=](const Outcome& o) { return o.finally(s.slot(1)) != 12; });
  scenes.push_back({"a frequency raised in the bytes of an entry", s});
  return scenes;
}

}  // namespace

std::vector<Protocol> index_protocols() {
  const std::vector<Memory> everywhere(kMemories.begin(), kMemories.end());
  return {
      {"slot moved", "a key whose slot goes to its other bucket is found", everywhere, displaced},
      {"bucket split", "a key whose slot goes to a new bucket is found", everywhere, split},
      {"grown over entries", "no hit has a byte of a bucket", everywhere, grown_over},
      {"buckets merged", "a key whose bucket is given up is found, and the bucket's bytes are free", everywhere,
       merged},
  };
}

}  // namespace forklore::model
