// Entries: written and published, marked dead, moved, taken away, and their bytes used again, beside a reader.
#include "model/stripe.hpp"

namespace forklore::model {
namespace {

using enum Order;

/// Of a second look, and of a first that must see the entry.
GetOrders second_look(Orders& orders) {
  GetOrders get;
  get.fence = orders.at("unmoved(): fence, acquire", acquire);
  get.looks_at_slot_again = orders.keeps("unchanged(): second look at the slot");
  return get;
}
GetOrders both_looks(Orders& orders) {
  GetOrders get = second_look(orders);
  get.slot = orders.at("attempt(): slot, acquire", acquire);
  return get;
}

Get get_from(const GetOrders& orders, const StripeProgram& s, bool spilled = false) {
  return {orders, always({s.slot(0)}), spilled, false};
}

/// A scene whose reader looks for kKey, which slot 0 leads to.
template <class Write, class Bad>
Scene scene(const std::string& fault, const StripeProgram& stripe, const GetOrders& orders, bool spilled, Write write,
            Bad bad) {
  StripeProgram s = stripe;
  const Answer answer = s.answer("get");
  const Get get = get_from(orders, s, spilled);
  s.thread("writer", [=](Thread& t) { write(t, s); });
  s.thread("reader", [=](Thread& t) { get(t, s, answer); });
  s.never([=](const Outcome& o) { return o.told(answer) && bad(o[answer]); });
  return {fault, s};
}

void write_entry(Thread& t, const StripeProgram& s, unsigned place, Number key, Number value) {
  t.store(s.head(place), key);
  t.store(s.value(place), value);
}

std::vector<Scene> appended(Orders& orders) {
  const Order publish = orders.at("publish(): slot, release", release);
  const Order slot = orders.at("attempt(): slot, acquire", acquire);
  GetOrders get;
  get.slot = slot;
  std::vector<Scene> scenes;
  scenes.push_back(scene(
      "a value that nobody stored", StripeProgram{0}, get, false,
      [=](Thread& t, const StripeProgram& s) {
        write_entry(t, s, 1, kKey, 1);
        t.store(s.slot(0), 11, publish);
      },
      [](Number answer) { return is_hit(answer) && answer != 1; }));
  scenes.push_back(scene(
      "a torn value, spilled", StripeProgram{0}, get, true,
      [=](Thread& t, const StripeProgram& s) {
        t.store(s.next(1), 2);
        t.store(s.value(2), 1);
        write_entry(t, s, 1, kKey, 1);
        t.store(s.slot(0), 11, publish);
      },
      [](Number answer) { return is_hit(answer) && answer != 1; }));
  return scenes;
}

std::vector<Scene> overwritten(Orders& orders) {
  const Order publish = orders.at("publish(): slot, release", release);
  const Order forget = orders.at("Log::forget(): fence, release", release);
  const GetOrders get = both_looks(orders);
  const auto write = [=](Thread& t, const StripeProgram& s) {
    write_entry(t, s, 2, kKey, 2);
    t.store(s.slot(0), 12, publish);
    t.fence(forget);
    t.store(s.head(1), kDead);
  };
  const StripeProgram stripe = StripeProgram{11}.has(1, kKey, 1);
  return {scene("a miss for a key that was there throughout", stripe, get, false, write,
                [](Number answer) { return answer == kMiss; }),
          scene("a value that nobody stored", stripe, get, false, write,
                [](Number answer) { return is_hit(answer) && answer != 1 && answer != 2; })};
}

/// The fences on the way from a slot that was changed to the first byte that is written over.
struct ReuseFences {
  explicit ReuseFences(Orders& orders)
      : free(orders.at("Log::free_chunk(): fence, release", release)),
        take(orders.at("Log::take(): fence, release", release)),
        append(orders.at("Log::append(): fence, release", release)) {}
  void operator()(Thread& t) const {
    t.fence(free);
    t.fence(take);
    t.fence(append);
  }
  Order free, take, append;
};

std::vector<Scene> reused(Orders& orders) {
  const Order forget = orders.at("Log::forget(): fence, release", release);
  const Order settled = orders.at("Index::set_size(): fence, release", release);
  const ReuseFences reuse(orders);
  const GetOrders get = second_look(orders);
  const auto torn = [](Number answer) { return is_hit(answer) && answer != 1; };
  std::vector<Scene> scenes;
  scenes.push_back(scene(
      "erased: a torn value", StripeProgram{11}.has(1, kKey, 1), get, false,
      [=](Thread& t, const StripeProgram& s) {
        t.store(s.slot(0), 0, release);
        t.fence(forget);
        t.store(s.head(1), kDead);
        reuse(t);
        write_entry(t, s, 1, kOther, 2);
      },
      torn));
  // The chunk where its value goes on is wanted: it moves as a whole, to place 3 and on to place 0.
  scenes.push_back(scene(
      "spilled, moved: a torn value", StripeProgram{11}.has(1, kKey, 1, 2).has(2, kDead, 1), get, true,
      [=](Thread& t, const StripeProgram& s) {
        t.store(s.next(3), 0);
        t.store(s.value(0), 1);
        write_entry(t, s, 3, kKey, 1);
        t.store(s.slot(0), 13, release);
        t.fence(forget);
        t.store(s.head(1), kDead);
        reuse(t);
        t.store(s.value(2), 2);
      },
      torn));
  // The chunk where it begins is taken anew, and goes on elsewhere.
  scenes.push_back(scene(
      "spilled, chunk taken: a torn value", StripeProgram{11}.has(1, kKey, 1, 2).has(2, kDead, 1).has(3, kOther, 2),
      get, true,
      [=](Thread& t, const StripeProgram& s) {
        t.store(s.slot(0), 0, release);
        t.fence(forget);
        t.store(s.head(1), kDead);
        t.fence(reuse.free);
        t.fence(reuse.take);
        t.store(s.next(1), 3, release);  // of an entry that lies there now
      },
      torn));
  scenes.push_back(scene(
      "cleared: a torn value", StripeProgram{11}.has(1, kKey, 1), get, false,
      [=](Thread& t, const StripeProgram& s) {
        t.store(s.slot(0), 0, release);
        t.store(s.index, 2, release);
        t.fence(settled);
        reuse(t);
        write_entry(t, s, 1, kOther, 2);
      },
      torn));
  return scenes;
}

/// One writer takes the slot off, another, who held the lock next, writes the bytes.
std::vector<Scene> reused_by_another(Orders& orders) {
  const Order unlock = orders.at("release_lock(): release", release);
  const Order lock = orders.at("acquire_lock(): acquire", acquire);
  const Order forget = orders.at("Log::forget(): fence, release", release);
  const ReuseFences reuse(orders);
  StripeProgram s = StripeProgram{11}.has(1, kKey, 1);
  const Location owner = s.word("lock", 1);
  const Answer answer = s.answer("get");
  s.thread("writer", [=](Thread& t) {
    t.store(s.slot(0), 0, release);
    t.fence(forget);
    t.store(s.head(1), kDead);
    t.require(t.compare_exchange(owner, 1, 0, unlock));
  });
  s.thread("another", [=](Thread& t) {
    t.require(t.compare_exchange(owner, 0, 2, lock));
    reuse(t);
    t.store(s.value(1), 2);
  });
  const Get get = get_from({}, s);
  s.thread("reader", [=](Thread& t) { get(t, s, answer); });
  s.never([=](const Outcome& o) { return is_hit(o[answer]) && o[answer] != 1 && o.told(answer); });
  return {{"a torn value", s}};
}

std::vector<Scene> frequency_raised(Orders& orders) {
  const bool compares = orders.keeps("raise_frequency(): a compare-exchange");
  std::vector<Scene> scenes;
  {
    // Whoever reads the slot after its frequency was raised sees the entry as well: a release sequence.
    StripeProgram s{0};
    const Answer one = s.answer("get"), two = s.answer("other get");
    const Get get{{}, always({s.slot(0)}), false, true};
    s.thread("writer", [=](Thread& t) {
      write_entry(t, s, 1, kKey, 1);
      t.store(s.slot(0), 11, release);
    });
    s.thread("raises", [=](Thread& t) { get(t, s, one); });
    s.thread("reader", [=](Thread& t) {
      Get plain = get;
      plain.raises_frequency = false;
      plain(t, s, two);
    });
    s.never([=](const Outcome& o) { return is_hit(o[two]) && o.told(two) && o[two] != 1; });
    scenes.push_back({"a value that nobody stored, behind a raised slot", s});
  }
  {
    // A writer changes the slot meanwhile, and it stays as the writer has it.
    StripeProgram s = StripeProgram{11}.has(1, kKey, 1);
    s.ends_matter = true;
    s.thread("writer", [=](Thread& t) { t.store(s.slot(0), 12, release); });
    s.thread("reader", [=](Thread& t) {
      const Value word = t.load(s.slot(0), acquire);
      t.require(word == 11);
      if (compares) {
        t.compare_exchange(s.slot(0), word, word + kOneFrequency, relaxed);
      } else if (t.decide(t.load(s.slot(0)) == word)) {
        t.store(s.slot(0), word + kOneFrequency);
      }
    });
    s.never([=](const Outcome& o) { return o.finally(s.slot(0)) % kOneFrequency != 12; });
    scenes.push_back({"an old slot word comes back", s});
  }
  return scenes;
}

/// A reader counts along: what it reads of an integer that only grows never falls, whether the integer is changed where
/// it stands or moved meanwhile.
std::vector<Scene> counted(Orders& orders) {
  const Order forget = orders.at("Log::forget(): fence, release", release);
  const Order publish = orders.at("publish(): slot, release", release);
  const GetOrders get_order = both_looks(orders);
  StripeProgram s = StripeProgram{11}.has(1, kKey, 1);
  const Answer one = s.answer("get"), two = s.answer("get again");
  s.thread("writer", [=](Thread& t) {
    t.store(s.value(1), 2, release);  // increment, in place
    write_entry(t, s, 2, kKey, 2);    // move
    t.store(s.slot(0), 12, publish);
    t.fence(forget);
    t.store(s.head(1), kDead);
    t.store(s.value(2), 3, release);
  });
  const Get get = get_from(get_order, s);
  s.thread("reader", [=](Thread& t) {
    get(t, s, one);
    get(t, s, two);
  });
  s.never([=](const Outcome& o) {
    const auto wrong = [&](Answer a) { return o[a] == kMiss || (is_hit(o[a]) && o[a] > 3); };
    return o.told(two) && (wrong(one) || wrong(two) || (is_hit(o[one]) && is_hit(o[two]) && o[two] < o[one]));
  });
  return {{"a count that falls, or a miss", s}};
}

}  // namespace

std::vector<Protocol> entry_protocols() {
  const std::vector<Memory> everywhere(kMemories.begin(), kMemories.end());
  return {
      {"append", "who sees the slot sees the whole entry, spilled or not", everywhere, appended},
      {"overwrite", "a key that is there throughout is found, with a value that it had", everywhere, overwritten},
      {"reuse", "no hit has a byte of what was written over an entry, by whoever took its slot", everywhere, reused},
      {"reuse by another", "the same, where one writer took the slot and the next writes", everywhere,
       reused_by_another},
      {"frequency", "raising it undoes no store, and hides none", everywhere, frequency_raised},
      {"count and move", "a count that only grows never falls for a reader", everywhere, counted},
  };
}

}  // namespace forklore::model
