// Whole calls: attaching, scanning, and what one thread's calls, one after the other, mean to others.
#include "model/stripe.hpp"

namespace forklore::model {
namespace {

using enum Order;

std::vector<Scene> attached(Orders& orders) {
  const Order made = orders.at("Segment::create(): magic, release", release);
  const Order seen = orders.at("describe(): magic, acquire", acquire);
  Program p;
  const Location magic = p.word("magic"), header = p.word("header"), stripe = p.word("stripe");
  const Answer all = p.answer("found");
  p.thread("creator", [=](Thread& t) {
    t.store(stripe, 1);
    t.store(header, 1);
    t.store(magic, 1, made);
  });
  p.thread("attaches", [=](Thread& t) {
    t.require(t.load(magic, seen) == 1);
    const Value h = t.load(header), s = t.load(stripe);
    t.tell(all, h.number + s.number);
  });
  p.never([=](const Outcome& o) { return o.told(all) && o[all] != 2; });
  return {{"a header or stripe that is not finished", p}};
}

/// Stripe::scan() over two chunks of one log. The first has the key; a writer empties it and moves the entry to the
/// second, which is open or is taken for it. A state is the sequence in the log, 0: free.
struct ScanProgram : StripeProgram {
  explicit ScanProgram(bool open) : StripeProgram{11} {
    has(1, kKey, 1);
    state1 = word("state 1", 1);
    state2 = word("state 2", open ? 2 : 0);
    used2 = word("used 2", open ? 0 : 5);  // of an earlier use
  }
  Location state1, state2, used2;
};

struct ScanOrders {
  Order looked, fence;
  bool looks_again;
  bool second_first;  ///< which chunk comes first in memory
};

/// Stripe::scan_from(): the sequence to go on with, from this one on; 0: none.
Value look(Thread& t, const ScanProgram& s, const ScanOrders& orders, Number from) {
  const auto once = [&] {
    const Value one = t.load(orders.second_first ? s.state2 : s.state1);
    const Value other = t.load(orders.second_first ? s.state1 : s.state2);
    const Value& first = orders.second_first ? other : one;
    const Value& second = orders.second_first ? one : other;
    t.fence(orders.looked);
    if (from == 1 && t.decide(first == 1)) return first;
    return t.decide(second == 2) ? second : Value(0, first.from | second.from);
  };
  const Value found = once();
  if (orders.looks_again) t.require(once() == found);  // or it goes on looking
  return found;
}

/// Stripe::scan_chunk(): whether the entry at a place is met there; false: the chunk is another.
bool meets(Thread& t, const ScanProgram& s, const ScanOrders& orders, unsigned place, Location state, Number sequence) {
  if (!t.decide(t.load(state) == sequence)) return false;
  if (sequence == 2 && !t.decide(t.load(s.used2) == 1)) return false;
  const Value head = t.load(s.head(place));
  t.fence(orders.fence);
  if (!t.decide(t.load(state) == sequence)) return false;
  if (!t.decide(head == kKey)) return false;  // what has been marked dead counts as expired
  const Value view = t.load(s.index, acquire);
  if (t.decide(t.load(s.slot(0)) == 10 + place)) return true;
  t.fence(acquire);
  t.require(t.load(s.index) == view);
  return false;
}

std::vector<Scene> scanned(Orders& orders) {
  const Order looked = orders.at("scan_from(): fence, acquire", acquire);
  const bool again = orders.keeps("scan_from(): a second look at the states");
  const Order forget = orders.at("Log::forget(): fence, release", release);
  std::vector<Scene> scenes;
  for (const bool open : {true, false}) {
    for (const bool second_first : {false, true}) {
      const ScanOrders scan{looked, acquire, again, second_first};
      ScanProgram s(open);
      const Answer met = s.answer("met");
      s.thread("writer", [=](Thread& t) {
        if (!open) {
          t.fence(release);
          t.store(s.used2, 0, release);
          t.store(s.state2, 2, release);
        }
        t.store(s.head(2), kKey);
        t.store(s.used2, 1, release);
        t.store(s.slot(0), 12, release);
        t.fence(forget);
        t.store(s.head(1), kDead);
        t.fence(release);  // Log::free_chunk
        t.store(s.state1, 0, release);
      });
      s.thread("scan", [=](Thread& t) {
        Value next = look(t, s, scan, 1);
        if (next.number == 1) {
          if (meets(t, s, scan, 1, s.state1, 1)) return t.tell(met, 1);
          next = look(t, s, scan, 1);
          if (next.number == 1) next = look(t, s, scan, 2);  // it was walked, and has not changed since
        }
        t.tell(met, next.number == 2 && meets(t, s, scan, 2, s.state2, 2) ? 1 : 0);
      });
      s.never([=](const Outcome& o) { return o.is(met, 0); });
      scenes.push_back({open ? "moved to the open chunk: a key not met" : "moved to a new chunk: a key not met", s});
    }
  }
  return scenes;
}

/// Stripe::scan_chunk(), in a chunk that is freed and taken anew.
std::vector<Scene> taken_along(Orders& orders) {
  const Order take = orders.at("Log::take(): fence, release", release);
  const Order append = orders.at("Log::append(): fence, release", release);
  const Order fence = orders.at("scan_chunk(): fence, acquire", acquire);
  const bool again = orders.keeps("scan_chunk(): a second look at the state");
  StripeProgram s = StripeProgram{}.has(1, kKey, 1);
  const Location state = s.word("state", 1);
  const Answer key = s.answer("key");
  s.thread("writer", [=](Thread& t) {
    t.store(state, 0, release);
    t.fence(take);
    t.store(state, 2, release);
    t.fence(append);
    t.store(s.head(1), kOther);
  });
  s.thread("scan", [=](Thread& t) {
    t.require(t.load(state) == 1);
    t.fence(acquire);
    const Value head = t.load(s.head(1));
    t.fence(fence);
    if (again) t.require(t.load(state) == 1);
    t.tell(key, head);
  });
  s.never([=](const Outcome& o) { return o.told(key) && o[key] != kKey; });
  return {{"a key of another use of the chunk", s}};
}

/// Two keys in stripes of their own, as far as single calls on them go.
struct TwoKeys : Program {
  struct Key {
    Location lock, index, slot, value;
  };
  TwoKeys() {
    for (Key* key : {&x, &y}) {
      const std::string name = key == &x ? " x" : " y";
      *key = {word("lock" + name), word("index" + name, 1), word("slot" + name), word("value" + name)};
    }
  }
  Key x, y;
};

struct CallOrders {
  Order lock = acquire, unlock = release, publish = release, change = release, view = seq_cst, slot = acquire,
        fence = acquire;
};

void set(Thread& t, const CallOrders& orders, const TwoKeys::Key& key) {
  t.require(t.compare_exchange(key.lock, 0, 1, orders.lock));
  t.store(key.slot, 11, orders.publish);
  t.require(t.compare_exchange(key.lock, 1, 0, orders.unlock));
}
void increment(Thread& t, const CallOrders& orders, const TwoKeys::Key& key) {
  t.require(t.compare_exchange(key.lock, 0, 1, orders.lock));
  t.store(key.value, 1, orders.change);
  t.require(t.compare_exchange(key.lock, 1, 0, orders.unlock));
}
bool has(Thread& t, const CallOrders& orders, const TwoKeys::Key& key) {
  t.load(key.index, orders.view);
  const bool hit = t.decide(t.load(key.slot) != 0) && t.decide(t.load(key.slot, orders.slot) != 0);
  t.fence(orders.fence);
  return hit;
}
/// Of an integer that was there before.
bool is_counted(Thread& t, const CallOrders& orders, const TwoKeys::Key& key) {
  t.load(key.index, orders.view);
  const Value value = t.load(key.value);
  t.fence(orders.fence);
  return value.number == 1;
}

/// Each thread stores its own key, then looks for the other's.
std::vector<Scene> stored_and_looked(Orders& orders) {
  CallOrders calls;
  calls.view = orders.at("Index::snapshot(): index word, seq_cst", seq_cst, acquire);
  calls.publish = orders.at("publish(): slot, release", release);
  calls.unlock = orders.at("release_lock(): release", release);
  TwoKeys p;
  const Answer one = p.answer("y"), other = p.answer("x");
  p.thread("one", [=](Thread& t) {
    set(t, calls, p.x);
    t.tell(one, has(t, calls, p.y) ? 1 : 0);
  });
  p.thread("other", [=](Thread& t) {
    set(t, calls, p.y);
    t.tell(other, has(t, calls, p.x) ? 1 : 0);
  });
  p.never([=](const Outcome& o) { return o.is(one, 0) && o.is(other, 0); });
  return {{"both threads miss what the other has stored", p}};
}

/// Two threads look for two keys that two others store, and agree on which came first.
std::vector<Scene> seen_in_one_order(Orders& orders) {
  CallOrders calls;
  calls.view = acquire;
  calls.slot = orders.at("attempt(): slot, acquire", acquire);
  calls.fence = orders.at("unmoved(): fence, acquire", acquire);
  TwoKeys p;
  const Answer a = p.answer("one: x"), b = p.answer("one: y"), c = p.answer("other: y"), d = p.answer("other: x");
  p.thread("x", [=](Thread& t) { t.store(p.x.slot, 11, release); });
  p.thread("y", [=](Thread& t) { t.store(p.y.slot, 11, release); });
  const auto looks = [=](const TwoKeys::Key& first, const TwoKeys::Key& second, Answer one, Answer other) {
    return [=](Thread& t) {
      t.tell(one, has(t, calls, first) ? 1 : 0);
      t.tell(other, has(t, calls, second) ? 1 : 0);
    };
  };
  p.thread("one", looks(p.x, p.y, a, b));
  p.thread("other", looks(p.y, p.x, c, d));
  p.never([=](const Outcome& o) { return o.is(a, 1) && o.is(b, 0) && o.is(c, 1) && o.is(d, 0); });
  return {{"two readers see two stores in two orders", p}};
}

/// Who sees the second of a thread's changes in place sees the first.
std::vector<Scene> changed_in_order(Orders& orders) {
  CallOrders calls;
  calls.change = orders.at("carry_out(): integer or expiry, release", release);
  calls.unlock = orders.at("release_lock(): release", release);
  calls.lock = orders.at("acquire_lock(): acquire", acquire);
  calls.fence = orders.at("unmoved(): fence, acquire", acquire);
  calls.view = acquire;
  TwoKeys p;
  const Answer first = p.answer("y"), second = p.answer("x");
  p.thread("writer", [=](Thread& t) {
    increment(t, calls, p.x);
    increment(t, calls, p.y);
  });
  p.thread("reader", [=](Thread& t) {
    t.tell(first, is_counted(t, calls, p.y) ? 1 : 0);
    t.tell(second, is_counted(t, calls, p.x) ? 1 : 0);
  });
  p.never([=](const Outcome& o) { return o.is(first, 1) && o.is(second, 0); });
  return {{"the later change is seen, the earlier is not", p}};
}

}  // namespace

std::vector<Protocol> call_protocols() {
  const std::vector<Memory> everywhere(kMemories.begin(), kMemories.end());
  const std::vector<Memory> processors{Memory::x86, Memory::armv8};
  return {
      {"attach", "who sees the magic word sees a finished segment", everywhere, attached},
      {"scan", "a key that is there throughout is met, though its entry moves", everywhere, scanned},
      {"scan of a chunk", "what is taken from a chunk is of that use of it", everywhere, taken_along},
      {"store and look", "a thread's get comes after its own set, for all", processors, stored_and_looked},
      {"one order", "all see sets in one order", processors, seen_in_one_order},
      {"changes in order", "all see a thread's changes in place in their order", everywhere, changed_in_order},
  };
}

}  // namespace forklore::model
