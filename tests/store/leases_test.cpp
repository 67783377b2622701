#include "store/leases.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "base/process.hpp"
#include "named_child.hpp"
#include "store/stripe_box.hpp"

using namespace forklore;
using namespace forklore::store;
using namespace std::chrono_literals;
using tests::StripeBox;

namespace {

constexpr std::uint64_t kSmallest = 128 << 10;

/// A stripe, and leases asked for as this process.
struct Table : StripeBox {
  Table() : StripeBox(kSmallest) {}
  ~Table() { CHECK(verify().empty()); }

  Grant ask(std::string_view name, LeaseKind kind, std::uint32_t limit = 1, std::uint64_t deadline = kNever,
            std::uint64_t owner = base::own_process(), std::uint64_t version = 0) {
    const std::uint64_t hash = base::hash(name);
    return stripe.acquire({name, hash},
                          {.kind = kind, .hash = hash, .limit = limit, .owner = owner, .deadline = deadline}, version,
                          now, timeout, lease, holders);
  }
  Grant flight(std::string_view key, std::uint64_t version = 0) {
    return ask(key, LeaseKind::flight, 1, kNever, base::own_process(), version);
  }
  Grant lock(std::string_view name, std::uint32_t limit = 1) { return ask(name, LeaseKind::lock, limit); }
  bool give_back(std::string_view name, const LeaseId& which) {
    return stripe.give_back(which, {name, base::hash(name)}, timeout);
  }
  std::uint32_t give_back_of_dead(const Holders& of, std::string_view key = {}) {
    return stripe.give_back_of_dead(of, key, timeout);
  }
  [[nodiscard]] std::uint32_t flights() const { return geometry.flights; }
  [[nodiscard]] std::uint32_t locks() const { return geometry.leases - geometry.flights; }
  bool holds(const LeaseId& which, std::string_view key = {}) {
    return stripe.holds(which, {key, base::hash(key)}, now, timeout);
  }
  Code put(const LeaseId& which, std::string_view key, std::string_view value) {
    return stripe.update_with(which, {key, base::hash(key)}, now, timeout, [&](const Present&) {
      return Decision{.action = Decision::Action::store, .value = value};
    });
  }

  LeaseId lease;  ///< the last that was given
  Holders holders;
};

/// A process that is no more.
std::uint64_t dead_process() {
  tests::NamedChild child([] { return 0; });
  child.join();
  return child.name();
}

}  // namespace

TEST_CASE("a lease is one caller's until it is given back, and then the next one's, with a larger token") {
  Table table;
  REQUIRE(table.lock("a") == Grant::granted);
  const LeaseId first = table.lease;
  CHECK(table.holds(first));
  REQUIRE(table.lock("a") == Grant::held);
  REQUIRE(table.holders.count == 1);
  CHECK(table.holders.held[0].lease.word == first.word);
  CHECK(table.holders.held[0].owner == base::own_process());
  CHECK(table.lock("b") == Grant::granted);  // another name
  CHECK(table.give_back("a", first));
  CHECK_FALSE(table.holds(first));
  CHECK_FALSE(table.give_back("a", first));  // only once
  REQUIRE(table.lock("a") == Grant::granted);
  CHECK(token_of(table.lease.word) > token_of(first.word));
  CHECK_FALSE(table.give_back("a", first));  // and not the next one's
  CHECK(table.holds(table.lease));
}

TEST_CASE("a flight and a lock of one name are two") {
  Table table;
  REQUIRE(table.lock("a") == Grant::granted);
  const LeaseId lock = table.lease;
  REQUIRE(table.flight("a") == Grant::granted);
  const LeaseId flight = table.lease;
  CHECK(table.erase("a") == Code::not_found);
  CHECK_FALSE(table.holds(flight));
  CHECK(table.holds(lock));
  CHECK(table.stripe.clear(table.timeout) == Code::ok);
  CHECK(table.holds(lock));
}

TEST_CASE("a flight is found with no lock held, and nothing else is") {
  Table table;
  const Leases& leases = table.stripe.leases();
  Holders found;
  CHECK_FALSE(leases.find_flight(base::hash("key"), table.now, found));
  REQUIRE(table.lock("key") == Grant::granted);
  CHECK_FALSE(leases.find_flight(base::hash("key"), table.now, found));
  REQUIRE(table.flight("key") == Grant::granted);
  const LeaseId flight = table.lease;
  REQUIRE(leases.find_flight(base::hash("key"), table.now, found));
  CHECK(found.count == 1);
  CHECK(found.held[0].lease.word == flight.word);
  CHECK(found.held[0].owner == base::own_process());
  CHECK_FALSE(leases.find_flight(base::hash("other"), table.now, found));
  CHECK(table.give_back("key", flight));
  CHECK_FALSE(leases.find_flight(base::hash("key"), table.now, found));
}

TEST_CASE("as many hold a name as its limit says") {
  Table table;
  std::vector<LeaseId> held;
  for (unsigned i = 0; i < 3; ++i) {
    REQUIRE(table.lock("a", 3) == Grant::granted);
    held.push_back(table.lease);
  }
  REQUIRE(table.lock("a", 3) == Grant::held);
  CHECK(table.holders.count == 3);
  CHECK(table.give_back("a", held[1]));
  CHECK(table.lock("a", 3) == Grant::granted);
  CHECK(table.lock("a", 3) == Grant::held);
}

TEST_CASE("a full table says so and names who has it; a line that comes free is given") {
  Table table;
  std::vector<LeaseId> held;
  for (std::uint32_t i = 0; i < table.locks(); ++i) {
    REQUIRE(table.lock("name" + std::to_string(i)) == Grant::granted);
    held.push_back(table.lease);
  }
  REQUIRE(table.lock("one more") == Grant::full);
  CHECK(table.holders.count == table.locks());
  CHECK(table.give_back_of_dead(table.holders) == 0);
  CHECK(table.flight("one more") == Grant::granted);  // lines for computations are others
  CHECK(table.give_back("name5", held[5]));
  CHECK(table.lock("one more") == Grant::granted);
  CHECK(table.header().leases_lacking == 1);
}

TEST_CASE("what dead owners hold is given back for them, and nothing that was taken meanwhile") {
  Table table;
  const std::uint64_t dead = dead_process();
  REQUIRE(table.ask("a", LeaseKind::lock, 1, kNever, dead) == Grant::granted);
  const LeaseId old = table.lease;
  REQUIRE(table.lock("a") == Grant::held);
  const Holders seen = table.holders;
  CHECK(table.give_back_of_dead(seen) == 1);
  CHECK_FALSE(table.holds(old));
  REQUIRE(table.lock("a") == Grant::granted);
  CHECK(table.give_back_of_dead(seen) == 0);
  CHECK(table.holds(table.lease));
  CHECK(table.header().leases_taken_over == 1);

  // A full table of the dead is a free one.
  for (std::uint32_t i = 0; i < table.flights(); ++i) {
    REQUIRE(table.ask("name" + std::to_string(i), LeaseKind::flight, 1, kNever, dead) == Grant::granted);
  }
  REQUIRE(table.flight("one more") == Grant::full);
  CHECK(table.give_back_of_dead(table.holders) == table.flights());
  CHECK(table.flight("one more") == Grant::granted);
}

TEST_CASE("of an owner that was killed and has yet to end, flights are given back and locks are not") {
  tests::KilledChild killed;
  if (!killed.kept()) {
    MESSAGE("no process can be kept at its end here");
    return;
  }
  Table table;
  REQUIRE(table.ask("a", LeaseKind::lock, 1, kNever, killed.name()) == Grant::granted);
  REQUIRE(table.ask("a", LeaseKind::flight, 1, kNever, killed.name()) == Grant::granted);
  const LeaseId flight = table.lease;
  REQUIRE(table.lock("a") == Grant::held);
  CHECK(table.give_back_of_dead(table.holders) == 0);
  REQUIRE(table.flight("a") == Grant::held);
  CHECK(table.give_back_of_dead(table.holders) == 1);
  CHECK_FALSE(table.holds(flight));
  CHECK(table.flight("a") == Grant::granted);

  // The same of full tables.
  for (std::uint32_t i = 1; i < std::max(table.flights(), table.locks()); ++i) {
    const std::string name = "name" + std::to_string(i);
    if (i < table.locks()) REQUIRE(table.ask(name, LeaseKind::lock, 1, kNever, killed.name()) == Grant::granted);
    if (i < table.flights()) REQUIRE(table.ask(name, LeaseKind::flight, 1, kNever, killed.name()) == Grant::granted);
  }
  REQUIRE(table.lock("one more") == Grant::full);
  CHECK(table.give_back_of_dead(table.holders) == 0);
  REQUIRE(table.flight("one more") == Grant::full);
  CHECK(table.give_back_of_dead(table.holders) == table.flights() - 1);
  killed.let_go();
  REQUIRE(table.lock("a") == Grant::held);
  CHECK(table.give_back_of_dead(table.holders) == 1);
}

TEST_CASE("a lock is another's from its deadline on, though its owner lives; before it may be put off") {
  Table table;
  REQUIRE(table.ask("a", LeaseKind::lock, 1, table.now + 10) == Grant::granted);
  const LeaseId first = table.lease;
  table.now += 9;
  CHECK(table.stripe.extend(first, table.now, table.now + 10, table.timeout) == Code::ok);
  table.now += 9;
  CHECK(table.lock("a") == Grant::held);
  table.now += 1;
  CHECK(table.stripe.extend(first, table.now, table.now + 10, table.timeout) == Code::not_held);
  REQUIRE(table.lock("a") == Grant::granted);
  CHECK_FALSE(table.holds(first));
  CHECK_FALSE(table.give_back("a", first));
  CHECK(table.header().leases_overdue == 1);
}

TEST_CASE("a flight is another's from its deadline on, and is found by nobody; the late one stores nothing") {
  Table table;
  Holders found;
  REQUIRE(table.ask("key", LeaseKind::flight, 1, table.now + 10) == Grant::granted);
  const LeaseId late = table.lease;
  table.now += 9;
  CHECK(table.stripe.leases().find_flight(base::hash("key"), table.now, found));
  CHECK(table.flight("key") == Grant::held);
  table.now += 1;
  CHECK_FALSE(table.stripe.leases().find_flight(base::hash("key"), table.now, found));
  CHECK_FALSE(table.holds(late));
  REQUIRE(table.flight("key") == Grant::granted);
  const LeaseId next = table.lease;
  CHECK(table.put(late, "key", "late") == Code::not_held);
  CHECK(table.holds(next));
  CHECK(table.put(next, "key", "value") == Code::ok);
  CHECK(table.header().leases_overdue == 1);
}

TEST_CASE("a flight rests until its deadline: nobody has it, and no death ends it") {
  Table table;
  const std::uint64_t hash = base::hash("key");
  const auto rest = [&](const LeaseId& lease, std::uint64_t ms) {
    return table.stripe.rest(lease, {"key", hash}, table.now, table.now + ms, table.timeout);
  };
  Holders found;
  REQUIRE(table.flight("key") == Grant::granted);
  const LeaseId failed = table.lease;
  REQUIRE(rest(failed, 10) == Code::ok);
  CHECK(rest(failed, 10) == Code::not_held);
  CHECK_FALSE(table.holds(failed));
  CHECK_FALSE(table.give_back("key", failed));
  CHECK(table.header().computations == 1);
  REQUIRE(table.stripe.leases().find_flight(hash, table.now, found));
  CHECK(found.held[0].owner == kNobody);
  CHECK(table.give_back_of_dead(found, "key") == 0);
  CHECK(table.flight("key") == Grant::held);
  table.now += 10;
  CHECK_FALSE(table.stripe.leases().find_flight(hash, table.now, found));
  REQUIRE(table.flight("key") == Grant::granted);
  CHECK(table.header().leases_overdue == 0);

  // Who has no older value does not leave it at that; and a write ends it.
  REQUIRE(rest(table.lease, 10) == Code::ok);
  const LeaseWish wish{.hash = hash, .owner = base::own_process(), .despite_rest = true};
  REQUIRE(table.stripe.acquire({"key", hash}, wish, 0, table.now, table.timeout, table.lease, table.holders) ==
          Grant::granted);
  REQUIRE(rest(table.lease, 10) == Code::ok);
  CHECK(table.set("key", "value") == Code::ok);
  CHECK_FALSE(table.stripe.leases().find_flight(hash, table.now, found));
}

TEST_CASE("a flight that rests gives way to any that finds no line") {
  Table table;
  std::vector<LeaseId> all;
  for (std::uint32_t i = 0; i < table.flights(); ++i) {
    REQUIRE(table.flight("line" + std::to_string(i)) == Grant::granted);
    all.push_back(table.lease);
  }
  REQUIRE(table.flight("one more") == Grant::full);
  REQUIRE(table.stripe.rest(all[3], {"line3", base::hash("line3")}, table.now, table.now + 10, table.timeout) ==
          Code::ok);
  REQUIRE(table.flight("one more") == Grant::granted);
  CHECK(table.lease.line == all[3].line);
  CHECK(table.flight("yet another") == Grant::full);
  CHECK(table.verify().empty());
}

TEST_CASE("a flight is not given if there is a value by now, unless it is the one to be renewed") {
  Table table;
  REQUIRE(table.set("key", "value", table.now + 100) == Code::ok);
  CHECK(table.flight("key") == Grant::present);
  const std::uint64_t version = table.version("key");
  CHECK(table.flight("key", version + 1) == Grant::present);
  REQUIRE(table.flight("key", version) == Grant::granted);
  const LeaseId lease = table.lease;
  CHECK(table.put(lease, "key", "new") == Code::ok);
  CHECK(table.flight("key", version) == Grant::present);
  CHECK(table.get("key") == "new");
}

TEST_CASE("a value is stored by who holds the flight, once, and gives it back") {
  Table table;
  REQUIRE(table.flight("key") == Grant::granted);
  const LeaseId lease = table.lease;
  CHECK(table.flight("key") == Grant::held);
  CHECK(table.put(lease, "key", "value") == Code::ok);
  CHECK_FALSE(table.holds(lease));
  CHECK(table.get("key") == "value");
  CHECK(table.put(lease, "key", "again") == Code::not_held);
  CHECK(table.get("key") == "value");
  CHECK(table.header().computed == 1);
}

TEST_CASE("whatever changes the value voids the flight, and what changes nothing does not") {
  const auto flight_after = [](const auto& call) {
    Table table;
    REQUIRE(table.set("text", "value", table.now + 100) == Code::ok);
    REQUIRE(table.set_integer("number", 1) == Code::ok);
    std::vector<std::pair<std::string, LeaseId>> leases;
    for (const std::string key : {"text", "number", "none"}) {
      REQUIRE(table.flight(key, key == "none" ? 0 : table.version(key)) == Grant::granted);
      leases.emplace_back(key, table.lease);
    }
    call(table);
    unsigned void_ones = 0;
    for (const auto& [key, lease] : leases) {
      if (table.holds(lease)) continue;
      ++void_ones;
      const std::optional<std::string> before = table.get(key);
      CHECK(table.put(lease, key, "late") == Code::not_held);
      CHECK(table.get(key) == before);
    }
    CHECK(table.header().voided == void_ones);
    return void_ones;
  };
  CHECK(flight_after([](Table& t) { REQUIRE(t.set("text", "other") == Code::ok); }) == 1);
  CHECK(flight_after([](Table& t) { REQUIRE(t.set("none", "first") == Code::ok); }) == 1);
  CHECK(flight_after([](Table& t) { REQUIRE(t.increment("number", 1) == Code::ok); }) == 1);
  CHECK(flight_after([](Table& t) { REQUIRE(t.erase("text") == Code::ok); }) == 1);
  CHECK(flight_after([](Table& t) { REQUIRE(t.erase("none") == Code::not_found); }) == 1);
  CHECK(flight_after([](Table& t) { REQUIRE(t.compare_and_set("text", t.version("text"), "other") == Code::ok); }) ==
        1);
  CHECK(flight_after([](Table& t) { REQUIRE(t.stripe.clear(t.timeout) == Code::ok); }) == 3);
  CHECK(flight_after([](Table& t) { REQUIRE(t.compare_and_set("text", 7, "other") == Code::changed); }) == 0);
  CHECK(flight_after([](Table& t) { REQUIRE(t.touch("text", t.now + 1000) == Code::ok); }) == 0);
  CHECK(flight_after([](Table& t) { REQUIRE(t.set("elsewhere", "other") == Code::ok); }) == 0);
}

namespace {

/// A table all of whose lines for computations are taken.
struct FullTable : Table {
  FullTable() {
    for (std::uint32_t i = 0; i < flights(); ++i) {
      REQUIRE(flight("line" + std::to_string(i)) == Grant::granted);
      lines.push_back(lease);
    }
  }
  Grant place(std::string_view key, std::uint64_t owner = base::own_process()) {
    const std::uint64_t hash = base::hash(key);
    const LeaseWish wish{.kind = LeaseKind::flight, .hash = hash, .owner = owner, .or_placeholder = true};
    return stripe.acquire({key, hash}, wish, 0, now, timeout, lease, holders);
  }
  std::vector<LeaseId> lines;
};

}  // namespace

TEST_CASE("a flight without a line has a placeholder: one for a key, no value to anybody, and it may store once") {
  FullTable table;
  REQUIRE(table.flight("key") == Grant::full);
  REQUIRE(table.place("key") == Grant::granted);
  const LeaseId lease = table.lease;
  CHECK_FALSE(lease.has_line());
  CHECK(table.holds(lease, "key"));
  CHECK_FALSE(table.get("key"));
  CHECK(table.set("key", "") == Code::ok);
  CHECK_FALSE(table.holds(lease, "key"));
  CHECK(table.put(lease, "key", "late") == Code::not_held);
  CHECK(table.get("key") == "");
  CHECK(table.header().leases_lacking == 0);
  REQUIRE(table.erase("key") == Code::ok);

  REQUIRE(table.place("key") == Grant::granted);
  const LeaseId next = table.lease;
  CHECK(token_of(next.word) > token_of(lease.word));
  REQUIRE(table.place("key") == Grant::held);
  CHECK(table.holders.held[0].lease.word == next.word);
  CHECK(table.holders.held[0].owner == base::own_process());
  CHECK(table.give_back_of_dead(table.holders, "key") == 0);
  CHECK(table.give_back("line3", table.lines[3]));
  CHECK(table.flight("key") == Grant::held);  // a line that is free by now changes nothing
  CHECK(table.put(lease, "key", "late") == Code::not_held);
  CHECK(table.put(next, "key", "value") == Code::ok);
  CHECK(table.get("key") == "value");
  CHECK_FALSE(table.holds(next, "key"));
  CHECK(table.put(next, "key", "again") == Code::not_held);
  CHECK(table.place("key") == Grant::present);
}

TEST_CASE("given back, a placeholder is gone; a dead owner's is given back for it") {
  FullTable table;
  REQUIRE(table.place("key") == Grant::granted);
  const LeaseId first = table.lease;
  CHECK(table.give_back("key", first));
  CHECK_FALSE(table.give_back("key", first));
  REQUIRE(table.place("key", dead_process()) == Grant::granted);
  REQUIRE(table.place("key") == Grant::held);
  const Holders seen = table.holders;
  CHECK(table.give_back_of_dead(seen, "key") == 1);
  REQUIRE(table.place("key") == Grant::granted);
  CHECK(table.give_back_of_dead(seen, "key") == 0);
  CHECK(table.holds(table.lease, "key"));
  table.now += kPlaceholderMs;  // of a holder that never comes back
  CHECK(table.place("key") == Grant::granted);
}

TEST_CASE("a placeholder too is another's from its deadline on, and the late one stores nothing") {
  FullTable table;
  const std::uint64_t hash = base::hash("key");
  const LeaseWish wish{.hash = hash, .owner = base::own_process(), .deadline = table.now + 10, .or_placeholder = true};
  REQUIRE(table.stripe.acquire({"key", hash}, wish, 0, table.now, table.timeout, table.lease, table.holders) ==
          Grant::granted);
  const LeaseId late = table.lease;
  REQUIRE_FALSE(late.has_line());
  table.now += 9;
  CHECK(table.place("key") == Grant::held);
  table.now += 1;
  REQUIRE(table.place("key") == Grant::granted);
  CHECK(table.put(late, "key", "late") == Code::not_held);
  CHECK(table.put(table.lease, "key", "value") == Code::ok);
}

TEST_CASE("an older value is not given up for a placeholder") {
  FullTable table;
  REQUIRE(table.stripe.update({"key", base::hash("key")}, table.now, table.timeout,
                              Decision{.action = Decision::Action::store,
                                       .value = "old",
                                       .expiry = table.now + 100,
                                       .timed = true,
                                       .timing = {.stale_for = 100, .cost = 1}}) == Code::ok);
  CHECK_FALSE(table.get("key"));
  CHECK(table.place("key") == Grant::full);
  table.now += 100;
  CHECK(table.place("key") == Grant::granted);
}

TEST_CASE("whatever writes to a key or erases it voids its placeholder, and nothing else does") {
  const auto stands_after = [](const auto& call) {
    FullTable table;
    REQUIRE(table.place("key") == Grant::granted);
    const LeaseId lease = table.lease;
    call(table);
    const bool stands = table.holds(lease, "key");
    const std::optional<std::string> before = table.get("key");
    CHECK(table.put(lease, "key", "late") == (stands ? Code::ok : Code::not_held));
    CHECK(table.get("key") == (stands ? "late" : before));
    return stands;
  };
  CHECK_FALSE(stands_after([](Table& t) { REQUIRE(t.set("key", "first") == Code::ok); }));
  CHECK_FALSE(stands_after([](Table& t) { REQUIRE(t.set_integer("key", 1) == Code::ok); }));
  CHECK_FALSE(stands_after([](Table& t) { REQUIRE(t.erase("key") == Code::not_found); }));
  CHECK_FALSE(stands_after([](Table& t) { REQUIRE(t.stripe.clear(t.timeout) == Code::ok); }));
  CHECK(stands_after([](Table& t) { REQUIRE(t.increment("key", 1) == Code::not_a_number); }));
  CHECK(stands_after([](Table& t) { REQUIRE(t.compare_and_set("key", 7, "other") == Code::changed); }));
  CHECK(stands_after([](Table& t) { REQUIRE(t.touch("key", t.now + 1000) == Code::not_found); }));
  CHECK(stands_after([](Table& t) { REQUIRE(t.set("elsewhere", "other") == Code::ok); }));
  CHECK(stands_after([](Table& t) { static_cast<void>(t.get("key")); }));
  // Erased, and computed anew by another: the first one's value is not the second's.
  CHECK_FALSE(stands_after([](FullTable& t) {
    REQUIRE(t.erase("key") == Code::not_found);
    REQUIRE(t.place("key") == Grant::granted);
  }));
  // Evicted.
  CHECK_FALSE(stands_after([](Table& t) {
    const std::string large(3000, 'x');
    for (int i = 0; i < 200; ++i) REQUIRE(t.set("other" + std::to_string(i), large) == Code::ok);
  }));
  // Moved about: a placeholder goes on from where it lies to where room is.
  CHECK(stands_after([](Table& t) {
    t.header().lock.store(FUTEX_OWNER_DIED);
    REQUIRE(t.set("elsewhere", "other") == Code::ok);
  }));
}

TEST_CASE("who waits is woken by what he waits for, and by nothing that was there before") {
  Table table;
  REQUIRE(table.lock("a") == Grant::granted);
  const LeaseId lease = table.lease;
  REQUIRE(table.lock("a") == Grant::held);
  const std::uint32_t events = table.holders.events;
  Leases& leases = table.stripe.leases();
  const auto begin = std::chrono::steady_clock::now();
  const auto waited = [&] { return std::chrono::steady_clock::now() - begin; };
  leases.wait(base::hash("a"), LeaseKind::lock, events, 20ms);
  CHECK(waited() >= 19ms);
  std::thread other([&] {
    std::this_thread::sleep_for(20ms);
    table.give_back("a", lease);
  });
  leases.wait(base::hash("a"), LeaseKind::lock, events, 60s);
  other.join();
  leases.wait(base::hash("a"), LeaseKind::lock, events, 60s);  // given back since: no wait at all
  CHECK(waited() < 30s);
}

TEST_CASE("a death leaves leases as they were, and their counts right again") {
  Table table;
  REQUIRE(table.flight("key") == Grant::granted);
  const LeaseId flight = table.lease;
  REQUIRE(table.lock("a") == Grant::granted);
  const LeaseId lock = table.lease;
  table.header().lock.store(FUTEX_OWNER_DIED);
  table.header().flights.store(0);
  table.header().tokens.store(0);
  REQUIRE(table.set("other", "value") == Code::ok);
  CHECK(table.holds(flight));
  CHECK(table.holds(lock));
  CHECK(table.header().flights == 1);
  REQUIRE(table.erase("key") == Code::not_found);
  CHECK_FALSE(table.holds(flight));
  REQUIRE(table.lock("b") == Grant::granted);
  CHECK(token_of(table.lease.word) > token_of(lock.word));
}

TEST_CASE("adopting frees all leases") {
  Table table;
  REQUIRE(table.flight("key") == Grant::granted);
  const LeaseId flight = table.lease;
  REQUIRE(table.lock("a") == Grant::granted);
  const LeaseId lock = table.lease;
  table.stripe.adopt();
  CHECK_FALSE(table.holds(flight));
  CHECK_FALSE(table.holds(lock));
  CHECK(table.lock("a") == Grant::granted);
}

TEST_CASE("threads hold a name one at a time") {
  Table table;
  std::atomic<unsigned> inside{0}, most{0}, turns{0};
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      LeaseId lease;
      Holders holders;
      const std::uint64_t hash = base::hash("a");
      const LeaseWish wish{.kind = LeaseKind::lock, .hash = hash, .owner = base::own_process()};
      for (unsigned n = 0; n < 2000;) {
        if (table.stripe.acquire({"a", hash}, wish, 0, table.now, 10s, lease, holders) != Grant::granted) {
          table.stripe.leases().wait(hash, LeaseKind::lock, holders.events, 25ms);
          continue;
        }
        most = std::max(most.load(), ++inside);
        --inside;
        ++turns;
        ++n;
        if (!table.stripe.give_back(lease, {"a", hash}, 10s)) break;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(most == 1);
  CHECK(turns == 8000);
}
