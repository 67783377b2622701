// The checker against histories whose verdict is known, and against every order there is of many small ones.
#include "linearizable/checker.hpp"

#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <random>

#include "seed.hpp"

using namespace forklore;
using namespace forklore::linearizable;

namespace {

/// Begins the description of a call from begin to end.
Operation call(Call what, std::uint64_t begin, std::uint64_t end) {
  return {.call = what, .answered = true, .begin = begin, .end = end};
}
Operation get(std::uint64_t begin, std::uint64_t end, const State& seen) {
  Operation o = call(Call::get, begin, end);
  o.code = seen.present() ? Code::ok : Code::not_found;
  o.seen = seen;
  return o;
}
Operation store(Call what, std::uint64_t begin, std::uint64_t end, std::int64_t number, Code code = Code::ok) {
  Operation o = call(what, begin, end);
  o.stores = bytes(number);
  o.code = code;
  return o;
}
Operation set(std::uint64_t begin, std::uint64_t end, std::int64_t number) {
  return store(Call::set, begin, end, number);
}
Operation increment(std::uint64_t begin, std::uint64_t end, std::int64_t delta, std::int64_t sum) {
  Operation o = call(Call::increment, begin, end);
  o.initial = true;
  o.stores = integer(delta);
  o.seen = integer(sum);
  return o;
}
Operation compare_and_set(std::uint64_t begin, std::uint64_t end, State expected, std::int64_t number, Code code) {
  Operation o = store(Call::compare_and_set, begin, end, number, code);
  o.expected = expected;
  return o;
}
Operation erase(std::uint64_t begin, std::uint64_t end, Code code = Code::ok) {
  Operation o = call(Call::erase, begin, end);
  o.code = code;
  return o;
}
Operation died(Operation o) {
  o.answered = false;
  o.code = Code::ok;
  return o;
}

bool accepted(const std::vector<Operation>& history, const Rules& rules = {}) {
  return !find_violation(history, rules);
}

}  // namespace

TEST_CASE("calls one after the other must answer as a register does") {
  CHECK(accepted({}));
  CHECK(accepted({get(1, 2, kAbsent), set(3, 4, 7), get(5, 6, bytes(7)), erase(7, 8), get(9, 10, kAbsent)}));
  CHECK_FALSE(accepted({set(1, 2, 7), get(3, 4, kAbsent)}));                 // lost
  CHECK_FALSE(accepted({set(1, 2, 7), set(3, 4, 8), get(5, 6, bytes(7))}));  // stale
  CHECK_FALSE(accepted({set(1, 2, 7), erase(3, 4), get(5, 6, bytes(7))}));   // come back
  CHECK_FALSE(accepted({get(1, 2, bytes(7))}));                              // from nowhere
  CHECK(accepted({set(1, 2, 7), store(Call::add, 3, 4, 8, Code::exists), get(5, 6, bytes(7))}));
  CHECK_FALSE(accepted({set(1, 2, 7), store(Call::add, 3, 4, 8)}));
  CHECK_FALSE(accepted({store(Call::replace, 1, 2, 8)}));
  CHECK(accepted({set(1, 2, 7), store(Call::replace, 3, 4, 8), get(5, 6, bytes(8))}));
  CHECK(accepted({increment(1, 2, 5, 105), increment(3, 4, -6, 99), get(5, 6, integer(99))}));
  CHECK_FALSE(accepted({increment(1, 2, 5, 105), increment(3, 4, 5, 105)}));
  CHECK_FALSE(accepted({set(1, 2, 7), increment(3, 4, 5, 105)}));
  CHECK_FALSE(accepted({erase(1, 2)}));
}

TEST_CASE("calls at the same time may take effect in any order, but in one") {
  // Herlihy and Wing's registers: a write and reads that overlap it.
  CHECK(accepted({set(1, 2, 1), set(3, 10, 2), get(4, 5, bytes(1)), get(6, 7, bytes(2))}));
  CHECK_FALSE(accepted({set(1, 2, 1), set(3, 10, 2), get(4, 5, bytes(2)), get(6, 7, bytes(1))}));  // new, then old
  CHECK(accepted({set(1, 5, 1), set(2, 6, 2), get(7, 8, bytes(1))}));
  CHECK(accepted({set(1, 5, 1), set(2, 6, 2), get(7, 8, bytes(2))}));
  CHECK_FALSE(accepted({set(1, 5, 1), set(2, 6, 2), get(7, 8, bytes(1)), get(9, 10, bytes(2))}));
  // Two readers who disagree about the order of two writes.
  CHECK_FALSE(accepted({set(1, 20, 1), set(2, 21, 2), get(3, 4, bytes(1)), get(5, 6, bytes(2)), get(7, 8, bytes(1))}));
  CHECK_FALSE(accepted({increment(1, 4, 1, 101), increment(2, 5, 1, 101)}));  // a lost update
  CHECK(accepted({increment(1, 4, 1, 102), increment(2, 5, 1, 101)}));
  CHECK_FALSE(accepted({store(Call::add, 1, 4, 1), store(Call::add, 2, 5, 2)}));
  CHECK(accepted({store(Call::add, 1, 4, 1), store(Call::add, 2, 5, 2), erase(3, 6)}));
}

TEST_CASE("compare_and_set takes effect on the value it names alone") {
  const State one = bytes(1);
  CHECK(accepted({set(1, 2, 1), compare_and_set(3, 4, one, 2, Code::ok), get(5, 6, bytes(2))}));
  CHECK_FALSE(accepted({set(1, 2, 3), compare_and_set(3, 4, one, 2, Code::ok)}));
  CHECK_FALSE(accepted({set(1, 2, 1), compare_and_set(3, 6, one, 2, Code::ok),
                        compare_and_set(4, 7, one, 3, Code::ok)}));  // both took it
  CHECK(
      accepted({set(1, 2, 1), compare_and_set(3, 6, one, 2, Code::changed), compare_and_set(4, 7, one, 3, Code::ok)}));
  CHECK_FALSE(accepted({set(1, 2, 1), compare_and_set(3, 4, one, 2, Code::changed)}));
  CHECK(accepted({set(1, 2, 1), compare_and_set(3, 4, one, 2, Code::changed)}, {.may_fail_cas = true}));
  CHECK_FALSE(accepted({compare_and_set(3, 4, one, 2, Code::changed)}, {.may_fail_cas = true}));
  CHECK(accepted({compare_and_set(3, 4, one, 2, Code::not_found)}));
}

TEST_CASE("full changes nothing, and is no answer where there is room or nothing to store") {
  const Rules reject{.may_refuse = true};
  CHECK(accepted({set(1, 2, 1), store(Call::set, 3, 4, 2, Code::full), get(5, 6, bytes(1))}, reject));
  CHECK_FALSE(accepted({set(1, 2, 1), store(Call::set, 3, 4, 2, Code::full), get(5, 6, bytes(2))}, reject));
  CHECK_FALSE(accepted({store(Call::set, 3, 4, 2, Code::full)}));
  CHECK_FALSE(accepted({store(Call::replace, 3, 4, 2, Code::full)}, reject));
  CHECK_FALSE(accepted({set(1, 2, 1), store(Call::add, 3, 4, 2, Code::full)}, reject));
  Operation count = increment(3, 4, 1, 101);
  count.code = Code::full;
  CHECK(accepted({count}, reject));
  CHECK_FALSE(accepted({increment(1, 2, 1, 101), count}, reject));
}

TEST_CASE("what may vanish does not come back") {
  const Rules evict{.may_vanish = true};
  CHECK(accepted({set(1, 2, 1), get(3, 4, kAbsent)}, evict));
  CHECK(accepted({set(1, 2, 1), store(Call::add, 3, 4, 2), get(5, 6, bytes(2))}, evict));
  CHECK(accepted({increment(1, 2, 1, 101), increment(3, 4, 1, 101)}, evict));
  CHECK_FALSE(accepted({set(1, 2, 1), get(3, 4, kAbsent), get(5, 6, bytes(1))}, evict));
  CHECK_FALSE(accepted({set(1, 2, 1), set(3, 4, 2), get(5, 6, bytes(1))}, evict));
}

TEST_CASE("a call whose process died has taken effect before the death, or never") {
  CHECK(accepted({set(1, 2, 1), died(set(3, 6, 2)), get(7, 8, bytes(1))}));
  CHECK(accepted({set(1, 2, 1), died(set(3, 6, 2)), get(7, 8, bytes(2))}));
  CHECK_FALSE(accepted({set(1, 2, 1), died(set(3, 6, 2)), get(7, 8, bytes(2)), get(9, 10, bytes(1))}));
  CHECK_FALSE(accepted({set(1, 2, 1), died(set(3, 6, 2)), get(7, 8, bytes(1)), get(9, 10, bytes(2))}));  // too late
  CHECK(accepted({set(1, 2, 1), died(set(3, 20, 2)), get(7, 8, bytes(1)), get(9, 10, bytes(2))}));
  CHECK_FALSE(accepted({set(1, 2, 1), died(erase(3, 6)), get(7, 8, kAbsent), get(9, 10, bytes(1))}));
  CHECK(accepted({increment(1, 2, 1, 101), died(increment(3, 6, 1, 0)), increment(7, 8, 1, 103)}));
  CHECK_FALSE(accepted({increment(1, 2, 1, 101), died(increment(3, 6, 1, 0)), increment(7, 8, 1, 104)}));
}

TEST_CASE("the first call that nothing explains is named, with what the key could be") {
  const std::vector<Operation> history{set(1, 2, 1), set(3, 8, 2), get(4, 5, bytes(3)), get(9, 10, bytes(4))};
  const auto violation = find_violation(history, {});
  REQUIRE(violation);
  CHECK(violation->operation == 2);
  CHECK(violation->possible == std::vector<State>{bytes(1)});
  CHECK(violation->to_string(history).find("get() ok value 3") != std::string::npos);
  CHECK_THROWS_AS(static_cast<void>(find_violation({set(2, 2, 1)}, {})), std::invalid_argument);
}

namespace {

/// Tries every order of what is left that keeps to time, a dead process's calls with and without effect.
bool some_order_explains(const State& state, const std::vector<Operation>& left, const Rules& rules) {
  if (left.empty()) return true;
  for (std::size_t i = 0; i < left.size(); ++i) {
    std::vector<Operation> rest = left;
    rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(i));
    if (!left[i].answered && some_order_explains(state, rest, rules)) return true;
    bool first = true;
    for (const Operation& other : rest) first &= other.end > left[i].begin;
    if (!first) continue;
    for (const State& next : Outcomes(state, left[i], rules)) {
      if (some_order_explains(next, rest, rules)) return true;
    }
  }
  return false;
}

/// A history of a true register whose calls take effect at a moment between begin and end; then some answers are bent.
std::vector<Operation> random_history(std::mt19937_64& random, const Rules& rules) {
  const auto below = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
  const unsigned size = 2 + below(5);
  std::vector<std::uint64_t> moments(size * 2);
  for (std::size_t i = 0; i < moments.size(); ++i) moments[i] = i + 1;
  std::shuffle(moments.begin(), moments.end(), random);
  std::vector<Operation> history;
  for (unsigned i = 0; i < size; ++i) {
    Operation o = call(static_cast<Call>(below(kCalls)), moments[2 * i], moments[2 * i + 1]);
    if (o.begin > o.end) std::swap(o.begin, o.end);
    o.initial = o.call == Call::increment && below(2) == 0;
    o.stores = o.call == Call::increment ? integer(1) : bytes(1 + i);
    if (o.call == Call::compare_and_set) o.expected = below(4) == 0 ? integer(101) : bytes(1 + below(size));
    o.answered = below(6) != 0;
    history.push_back(o);
  }
  std::vector<std::pair<std::uint64_t, std::size_t>> order;  // each call's moment of effect
  for (std::size_t i = 0; i < size; ++i) {
    const std::uint64_t length = history[i].end - history[i].begin;
    order.emplace_back(history[i].begin * 1000 + random() % (length * 1000), i);
  }
  std::sort(order.begin(), order.end());
  State state;
  const std::vector<Code> codes{Code::ok,   Code::not_found,    Code::exists, Code::changed,
                                Code::full, Code::not_a_number, Code::busy};
  for (const auto& [moment, i] : order) {
    Operation& o = history[i];
    if (!o.answered) continue;
    if (rules.may_vanish && below(4) == 0) state = kAbsent;
    // An answer that the register may give here, found by trial.
    for (unsigned trial = 0; trial < 20; ++trial) {
      o.code = codes[below(trial < 10 ? 1 + trial : 7) % 7];
      o.seen = o.call == Call::get ? state : integer(state.kind == State::Kind::integer ? state.number + 1 : 101);
      const Outcomes next(state, o, rules);
      if (next.begin() == next.end()) continue;
      state = *next.begin();
      break;
    }
  }
  if (below(2) == 0) {
    Operation& o = history[below(size)];
    o.code = codes[below(7)];
    o.seen = below(2) == 0 ? bytes(1 + below(size)) : integer(100 + below(3));
  }
  return history;
}

}  // namespace

TEST_CASE("the verdict is that of trying every order") {
  const std::uint64_t seed = tests::seed();
  MESSAGE("seed " << seed);
  std::mt19937_64 random(seed);
  unsigned verdicts[2] = {};
  for (unsigned round = 0; round < 60'000; ++round) {
    const Rules rules{.may_vanish = round % 3 == 1, .may_refuse = round % 3 == 2, .may_fail_cas = round % 2 == 0};
    const std::vector<Operation> history = random_history(random, rules);
    const bool sound = some_order_explains(kAbsent, history, rules);
    ++verdicts[sound ? 1 : 0];
    if (accepted(history, rules) == sound) continue;
    for (const Operation& o : history) MESSAGE(o.begin << ".." << o.end << " " << to_string(o));
    FAIL("round " << round << ": every order says " << sound << ", seed " << seed);
  }
  MESSAGE(verdicts[1] << " linearizable, " << verdicts[0] << " not");
  CHECK(verdicts[0] > 5000);
  CHECK(verdicts[1] > 5000);
}
