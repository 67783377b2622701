// The explorer on the programs by which memory models are told apart, with the verdicts that are known.
//
// ARMv8: herdtools7, catalogue/aarch64/tests/kinds.txt, Arm's own list; those with more than two threads: Pulte, Flur,
// Deacon, French, Sarkar, Sewell, "Simplifying ARM Concurrency", POPL 2018 (other threads see a store all at once).
// x86: Sewell, Sarkar, Owens, Zappa Nardelli, Myreen, "x86-TSO", CACM 2010. C++: Lahav, Vafeiadis, Kang, Hur, Dreyer,
// "Repairing Sequential Consistency in C/C++11", PLDI 2017, and Batty, Owens, Sarkar, Sewell, Weber, POPL 2011.
// Names: Maranget, Sarkar, Sewell, "A Tutorial Introduction to the ARM and POWER Relaxed Memory Models", 2012.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "model/search.hpp"

using namespace forklore::model;
using enum Order;

namespace {

bool allowed(const Program& program, Memory memory) { return find_bad(program, memory).has_value(); }

struct Verdicts {
  bool x86, armv8, cpp;
};
void expect(const std::string& name, const Program& program, const Verdicts& verdicts) {
  CAPTURE(name);
  CHECK(allowed(program, Memory::x86) == verdicts.x86);
  CHECK(allowed(program, Memory::armv8) == verdicts.armv8);
  CHECK(allowed(program, Memory::cpp) == verdicts.cpp);
}
constexpr bool yes = true, no = false;

/// Two words, and the answers of up to four loads.
struct Litmus : Program {
  Location x = word("x"), y = word("y");
  Answer a = answer("a"), b = answer("b"), c = answer("c"), d = answer("d");
};

/// What stands between two accesses of a thread.
enum class Between { nothing, dmb, dmb_ld, address, data, control };
void between(Thread& t, Between what) {
  if (what == Between::dmb) t.fence(seq_cst);
  if (what == Between::dmb_ld) t.fence(acquire);
}
/// A load of a word whose address, or whether it comes to it, follows from a value or does not.
Value load_behind(Thread& t, Between what, const Value& from, Location word, Order order = relaxed) {
  between(t, what);
  if (what == Between::control) t.decide(from == 0);
  if (what == Between::address) return t.load(word, Value(0, from.from), 1, order);
  return t.load(word, order);
}
void store_behind(Thread& t, Between what, const Value& from, Location word, Number number, Order order = relaxed) {
  between(t, what);
  if (what == Between::control) t.decide(from == 0);
  t.store(word, what == Between::data ? Value(number, from.from) : Value(number), order);
}

struct MessagePassing : Litmus {
  MessagePassing(Between first, Order store, Between second, Order load) {
    thread("first", [=, this](Thread& t) {
      t.store(x, 1);
      store_behind(t, first, 0, y, 1, store);
    });
    thread("second", [=, this](Thread& t) {
      const Value flag = t.load(y, load);
      t.tell(a, flag);
      t.tell(b, load_behind(t, second, flag, x));
    });
    never([this](const Outcome& o) { return o.is(a, 1) && o.is(b, 0); });
  }
};

struct StoreBuffering : Litmus {
  StoreBuffering(Between first, Between second, Order store = relaxed, Order load = relaxed) {
    const auto side = [=](Location mine, Location other, Answer answer, Between what, Order st, Order ld) {
      return [=](Thread& t) {
        t.store(mine, 1, st);
        t.tell(answer, load_behind(t, what, 0, other, ld));
      };
    };
    thread("first", side(x, y, a, first, relaxed, relaxed));
    thread("second", side(y, x, b, second, store, load));
    never([this](const Outcome& o) { return o.is(a, 0) && o.is(b, 0); });
  }
};

struct LoadBuffering : Litmus {
  LoadBuffering(Between first, Between second) {
    const auto side = [](Location from, Location to, Answer answer, Between what) {
      return [=](Thread& t) {
        const Value seen = t.load(from);
        t.tell(answer, seen);
        store_behind(t, what, seen, to, 1);
      };
    };
    thread("first", side(x, y, a, first));
    thread("second", side(y, x, b, second));
    never([this](const Outcome& o) { return o.is(a, 1) && o.is(b, 1); });
  }
};

struct TwoPlusTwoWrites : Litmus {
  TwoPlusTwoWrites(Between first, Between second, Order order = relaxed) {
    ends_matter = true;
    const auto side = [order](Location one, Location other, Between what) {
      return [=](Thread& t) {
        t.store(one, 1, order);
        store_behind(t, what, 0, other, 2, order);
      };
    };
    thread("first", side(x, y, first));
    thread("second", side(y, x, second));
    never([this](const Outcome& o) { return o.finally(x) == 1 && o.finally(y) == 1; });
  }
};

/// S: x = 2; y = 1 beside y; x = 1, which comes before the 2.
struct S : Litmus {
  S(Between first, Between second) {
    ends_matter = true;
    thread("first", [=, this](Thread& t) {
      t.store(x, 2);
      store_behind(t, first, 0, y, 1);
    });
    thread("second", [=, this](Thread& t) {
      const Value seen = t.load(y);
      t.tell(a, seen);
      store_behind(t, second, seen, x, 1);
    });
    never([this](const Outcome& o) { return o.is(a, 1) && o.finally(x) == 2; });
  }
};

/// R: x = 1; y = 1 beside y = 2; x.
struct R : Litmus {
  R(Between first, Between second) {
    ends_matter = true;
    thread("first", [=, this](Thread& t) {
      t.store(x, 1);
      store_behind(t, first, 0, y, 1);
    });
    thread("second", [=, this](Thread& t) {
      t.store(y, 2);
      t.tell(a, load_behind(t, second, 0, x));
    });
    never([this](const Outcome& o) { return o.finally(y) == 2 && o.is(a, 0); });
  }
};

/// Two readers of two independent stores see them in different orders.
struct IndependentReads : Litmus {
  IndependentReads(Between what, Order store, Order load) {
    thread("x", [=, this](Thread& t) { t.store(x, 1, store); });
    thread("y", [=, this](Thread& t) { t.store(y, 1, store); });
    const auto reader = [=](Location one, Location other, Answer first, Answer second) {
      return [=](Thread& t) {
        const Value seen = t.load(one, load);
        t.tell(first, seen);
        t.tell(second, load_behind(t, what, seen, other, load));
      };
    };
    thread("reader", reader(x, y, a, b));
    thread("other", reader(y, x, c, d));
    never([this](const Outcome& o) { return o.is(a, 1) && o.is(b, 0) && o.is(c, 1) && o.is(d, 0); });
  }
};

/// WRC: a second thread passes on what a first has stored; does a third, who hears of it, see it?
struct WriteToReadCausality : Litmus {
  WriteToReadCausality(Between passing, Between hearing, Order store = relaxed, Order load = relaxed) {
    thread("first", [=, this](Thread& t) { t.store(x, 1); });
    thread("second", [=, this](Thread& t) {
      const Value seen = t.load(x, load);
      t.tell(a, seen);
      store_behind(t, passing, seen, y, 1, store);
    });
    thread("third", [=, this](Thread& t) {
      const Value heard = t.load(y, load);
      t.tell(b, heard);
      t.tell(c, load_behind(t, hearing, heard, x));
    });
    never([this](const Outcome& o) { return o.is(a, 1) && o.is(b, 1) && o.is(c, 0); });
  }
};

using enum Between;

}  // namespace

TEST_CASE("message passing") {
  expect("MP", MessagePassing(nothing, relaxed, nothing, relaxed), {no, yes, yes});
  expect("MP+dmb.sys", MessagePassing(dmb, relaxed, dmb, relaxed), {no, no, no});
  expect("MP+dmb.sy+po", MessagePassing(dmb, relaxed, nothing, relaxed), {no, yes, yes});
  expect("MP+po+dmb.sy", MessagePassing(nothing, relaxed, dmb, relaxed), {no, yes, yes});
  expect("MP+dmb.sy+dmb.ld", MessagePassing(dmb, relaxed, dmb_ld, relaxed), {no, no, no});
  expect("MP+rel+acq", MessagePassing(nothing, release, nothing, seq_cst), {no, no, no});
  expect("MP+rel+acqpc", MessagePassing(nothing, release, nothing, acquire), {no, no, no});
  expect("MP+rel+po", MessagePassing(nothing, release, nothing, relaxed), {no, yes, yes});
  expect("MP+po+acq", MessagePassing(nothing, relaxed, nothing, acquire), {no, yes, yes});
  // A dependency is an order on a processor, and none in C++. A branch orders no load behind it.
  expect("MP+dmb.sy+addr", MessagePassing(dmb, relaxed, address, relaxed), {no, no, yes});
  expect("MP+dmb.sy+ctrl", MessagePassing(dmb, relaxed, control, relaxed), {no, yes, yes});
}

TEST_CASE("store buffering") {
  expect("SB", StoreBuffering(nothing, nothing), {yes, yes, yes});
  expect("SB+dmb.sys", StoreBuffering(dmb, dmb), {no, no, no});
  expect("SB+dmb.sy+po", StoreBuffering(dmb, nothing), {yes, yes, yes});
  // ldar waits for an earlier stlr, ldapr does not.
  expect("SB+dmb.sy+rel-acq", StoreBuffering(dmb, nothing, release, seq_cst), {yes, no, yes});
  expect("SB+dmb.sy+rel-acqpc", StoreBuffering(dmb, nothing, release, acquire), {yes, yes, yes});
}

TEST_CASE("load buffering") {
  // C++ as it is modelled here forbids it, so that no value comes out of thin air (RC11); compilers may not.
  expect("LB", LoadBuffering(nothing, nothing), {no, yes, no});
  expect("LB+dmb.sys", LoadBuffering(dmb, dmb), {no, no, no});
  expect("LB+dmb.sy+po", LoadBuffering(dmb, nothing), {no, yes, no});
  expect("LB+datas", LoadBuffering(data, data), {no, no, no});
  expect("LB+ctrls", LoadBuffering(control, control), {no, no, no});
}

TEST_CASE("stores against stores") {
  expect("2+2W", TwoPlusTwoWrites(nothing, nothing), {no, yes, yes});
  expect("2+2W+dmb.sys", TwoPlusTwoWrites(dmb, dmb), {no, no, no});
  expect("2+2W+dmb.sy+po", TwoPlusTwoWrites(dmb, nothing), {no, yes, yes});
  expect("2+2W+rels", TwoPlusTwoWrites(nothing, nothing, release), {no, no, yes});
  expect("S", S(nothing, nothing), {no, yes, yes});
  expect("S+dmb.sys", S(dmb, dmb), {no, no, no});
  expect("S+dmb.sy+po", S(dmb, nothing), {no, yes, yes});
  expect("S+po+dmb.sy", S(nothing, dmb), {no, yes, yes});
  expect("S+dmb.sy+data", S(dmb, data), {no, no, yes});
  expect("R", R(nothing, nothing), {yes, yes, yes});
  expect("R+dmb.sys", R(dmb, dmb), {no, no, no});
  expect("R+dmb.sy+po", R(dmb, nothing), {yes, yes, yes});
  expect("R+po+dmb.sy", R(nothing, dmb), {no, yes, yes});
}

TEST_CASE("more than two threads") {
  expect("IRIW", IndependentReads(nothing, relaxed, relaxed), {no, yes, yes});
  expect("IRIW+addrs", IndependentReads(address, relaxed, relaxed), {no, no, yes});
  expect("IRIW+dmb.sys", IndependentReads(dmb, relaxed, relaxed), {no, no, no});
  expect("IRIW, release and acquire", IndependentReads(nothing, release, acquire), {no, no, yes});
  expect("IRIW, seq_cst", IndependentReads(nothing, seq_cst, seq_cst), {no, no, no});
  expect("WRC", WriteToReadCausality(nothing, nothing), {no, yes, yes});
  expect("WRC+addrs", WriteToReadCausality(data, address), {no, no, yes});
  expect("WRC+po+addr", WriteToReadCausality(nothing, address), {no, yes, yes});
  expect("WRC, release and acquire", WriteToReadCausality(nothing, nothing, release, acquire), {no, no, no});
}

TEST_CASE("one word by itself") {
  Litmus corr;
  corr.thread("first", [&](Thread& t) { t.store(corr.x, 1); });
  corr.thread("second", [&](Thread& t) {
    t.tell(corr.a, t.load(corr.x));
    t.tell(corr.b, t.load(corr.x));
  });
  corr.never([&](const Outcome& o) { return o.is(corr.a, 1) && o.is(corr.b, 0); });
  expect("CoRR", corr, {no, no, no});

  Litmus cowr;
  cowr.thread("first", [&](Thread& t) {
    t.store(cowr.x, 1);
    t.tell(cowr.a, t.load(cowr.x));
  });
  cowr.thread("second", [&](Thread& t) { t.store(cowr.x, 2); });
  cowr.never([&](const Outcome& o) { return o.is(cowr.a, 0); });
  expect("CoWR", cowr, {no, no, no});
}

TEST_CASE("read-modify-writes") {
  // No count is lost.
  Litmus sum;
  const auto add = [&](Answer answer) {
    return [&, answer](Thread& t) {
      const Value seen = t.load(sum.x);
      t.require(seen < 2);
      t.require(t.compare_exchange(sum.x, seen, seen + 1, relaxed));
      t.tell(answer, seen);
    };
  };
  sum.thread("first", add(sum.a));
  sum.thread("second", add(sum.b));
  sum.never([&](const Outcome& o) { return o.is(sum.a, 0) && o.is(sum.b, 0); });
  expect("two increments", sum, {no, no, no});

  // What a swap passes on is still the first store's to whoever acquires (a release sequence).
  for (const Order order : {seq_cst, acquire, relaxed}) {
    Litmus passed;
    passed.thread("first", [&](Thread& t) {
      t.store(passed.x, 1);
      t.store(passed.y, 1, release);
    });
    passed.thread("swaps", [&](Thread& t) { t.tell(passed.a, t.exchange(passed.y, 2, relaxed)); });
    passed.thread("second", [&](Thread& t) {
      t.tell(passed.b, t.load(passed.y, order));
      t.tell(passed.c, t.load(passed.x));
    });
    passed.never([&](const Outcome& o) { return o.is(passed.a, 1) && o.is(passed.b, 2) && o.is(passed.c, 0); });
    expect("MP+rel+swp-acq", passed, {no, order == relaxed, order == relaxed});
  }

  // MP+rel+SWPacq: the load of an acquiring swap is one that later loads wait for.
  for (const Order order : {acquire, relaxed}) {
    Litmus mp;
    mp.thread("first", [&](Thread& t) {
      t.store(mp.x, 1);
      t.store(mp.y, 1, release);
    });
    mp.thread("second", [&](Thread& t) {
      t.tell(mp.a, t.exchange(mp.y, 2, order));
      t.tell(mp.b, t.load(mp.x));
    });
    mp.never([&](const Outcome& o) { return o.is(mp.a, 1) && o.is(mp.b, 0); });
    expect("MP+rel+SWPacq", mp, {no, order == relaxed, order == relaxed});
  }
}

TEST_CASE("a counterexample tells who did what, in the order of effect") {
  const auto found = find_bad(StoreBuffering(nothing, nothing), Memory::x86);
  REQUIRE(found);
  CAPTURE(found->story);
  const std::string& story = found->story;
  CHECK(story.find("first        2   y is 0") < story.find("second       1   y = 1"));
  CHECK(story.find("second       2   x is 0") < story.find("first        1   x = 1"));
}
