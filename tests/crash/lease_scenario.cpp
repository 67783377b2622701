// Leases, killed at every instruction: whoever comes next has the lock or computes within a moment, what a living
// holder has stays its own, and a value that was written is not followed by one whose computation began before.
#include <linux/futex.h>

#include <chrono>
#include <stdexcept>

#include "base/hash.hpp"
#include "cache/call.hpp"
#include "child.hpp"
#include "crash/scenario.hpp"
#include "crash/workshop.hpp"
#include "test_clock.hpp"

namespace forklore::crash {
namespace {

using Call = Workshop::Call;
using std::chrono::milliseconds;

std::string checked(std::uint16_t number, std::size_t size) {
  std::string value;
  make_checked(number, 1, size, value);
  return value;
}

/// Whoever died holding them: they are to be had at once, and the key can be computed.
std::string to_be_had(Cache& cache, const Contents& now, const Contents& /*before*/, const Contents& /*after*/) {
  const auto begun = std::chrono::steady_clock::now();
  Lock lock(cache, "lock");
  if (lock.acquire(std::chrono::seconds(2)) != Code::ok) return "the lock of a dead process is not to be had";
  if (!lock.release()) return "a lock cannot be given back";
  for (const char* key : {"new", "other"}) {
    std::string value;
    Computation computation(cache, key, {.wait = std::chrono::seconds(2)});
    Turn turn = computation.begin(value);
    for (; turn == Turn::wait; turn = computation.begin(value)) computation.wait();
    if (turn == Turn::alone) return std::string(key) + ": nobody may compute what a dead process did";
  }
  if (std::chrono::steady_clock::now() - begun > std::chrono::seconds(1))
    return "it takes long to have what the dead had";
  // Who died between its value and its lease leaves a lease that nobody asks for while the value is there.
  const std::uint64_t left = now.contains("new") ? 1 : 0;
  return cache.stats().leases_held <= left ? std::string() : "a lease is still held";
}

/// This process, which lives, computes "new". Where the call has changed the key, its flight must be void.
std::string void_if_changed(Cache& cache, const Contents& now, const Contents& before, const Contents& after) {
  const auto find = [](const Contents& in) {
    const auto at = in.find("new");
    return at == in.end() ? Entry{} : at->second;
  };
  const std::uint64_t held = cache.stats().leases_held;
  if (held > 1) return "there are more leases than were taken";
  const bool changed = find(now) == find(after) && find(now) != find(before);
  return changed && held != 0 ? "the key was written to, and who computed it before may still store" : "";
}

/// Leases that lines had before, of this process: a word that is stored too early makes them seem to be its own again.
void use_lines(Cache& cache) {
  for (int i = 0; i < 40; ++i) {
    Lock lock(cache, "before");
    if (lock.try_acquire() != Code::ok) throw std::runtime_error("no lock");
  }
}

template <class MakeCall>
Scenario scenario(const std::string& name, Also also, MakeCall make_call) {
  return {name, [make_call, also](std::uint64_t seed) {
            Workshop shop(seed);
            shop.work(60, 600);
            use_lines(shop.cache());
            const Call call = make_call(shop);
            Prepared prepared = shop.with(call);
            prepared.also = also;
            return prepared;
          }};
}

/// The flight of "new" is this process's, which outlives the trial.
template <class MakeCall>
Scenario voiding(const std::string& name, MakeCall make_call) {
  return {name, [make_call](std::uint64_t seed) {
            Workshop shop(seed);
            shop.work(60, 600);
            const Call call = make_call(shop);
            Computation computation(shop.cache(), "new", {.early = 1e12});
            std::string value;
            const Turn turn = computation.begin(value);
            if (turn != Turn::compute && turn != Turn::refresh) throw std::runtime_error("no flight");
            Prepared prepared = shop.with(call);
            prepared.also = void_if_changed;
            return prepared;
          }};
}

Call compute_call(const std::string& key, const std::string& value, const ComputeOptions& options = {}) {
  return [=](Cache& cache) {
    static_cast<void>(get_or_compute(
        cache, key, std::chrono::hours(3), [&] { return value; }, options));
  };
}

/// An entry under "new" of which this much is old by now.
void store_timed(Cache& cache, std::chrono::hours ttl, std::chrono::hours old) {
  const ComputeOptions options{.stale_for = std::chrono::hours(5), .early = 1};
  static_cast<void>(get_or_compute(
      cache, "new", ttl, [] { return checked(1, 300); }, options));
  tests::pass(old);
}

/// Who has an old value does not sleep for the stripe's lock; a dead owner's is to be had without.
Prepared prepare_refresh_behind_death(std::uint64_t seed) {
  Workshop shop(seed);
  shop.work(60, 600);
  store_timed(shop.cache(), std::chrono::hours(2), std::chrono::hours(3));
  Prepared prepared = shop.with(compute_call("new", checked(2, 200), {.stale_for = std::chrono::hours(5)}));
  set_lock_word(prepared.image, prepared.geometry, FUTEX_OWNER_DIED);
  prepared.also = to_be_had;
  return prepared;
}

Prepared prepare_take_over(std::uint64_t seed) {
  Workshop shop(seed);
  shop.work(60, 600);
  tests::Child holder([&] {
    auto* lock = new Lock(shop.cache(), "lock");  // not given back
    auto* computation = new Computation(shop.cache(), "new");
    std::string value;
    return lock->try_acquire() == Code::ok && computation->begin(value) == Turn::compute ? 0 : 1;
  });
  if (holder.join() != 0) throw std::runtime_error("no lock");
  Prepared prepared = shop.with([](Cache& cache) {
    Lock lock(cache, "lock");
    static_cast<void>(lock.try_acquire());
    compute_call("new", checked(2, 200))(cache);
  });
  prepared.also = to_be_had;
  return prepared;
}

/// Of a failure of "new" that a dead process was about to leave: it is told as it was, or as if it had not been.
std::string told_or_not(Cache& cache, const Contents& /*now*/, const Contents& /*before*/, const Contents& /*after*/) {
  std::string value;
  Computation computation(cache, "new");
  const Turn turn = computation.begin(value);
  const bool told = turn == Turn::failed && computation.failure() == "the source is down";
  const bool served = turn == Turn::stale && value == checked(1, 300);
  if (!told && !served && turn != Turn::compute && turn != Turn::refresh) return "a failure is told in other words";
  computation.abandon();
  // Whatever is remembered ends with a write.
  static_cast<void>(cache.erase("new"));
  if (computation.begin(value) != Turn::compute) return "a failure is remembered behind an erase";
  computation.abandon();
  return cache.stats().leases_held == 0 ? "" : "a lease is still held";
}

/// A computation of "new" that fails and is remembered.
Call fail_call() {
  return [](Cache& cache) {
    std::string value;
    Computation computation(cache, "new", {.error_ttl = std::chrono::hours(1)});
    static_cast<void>(computation.begin(value));
    computation.fail("the source is down");
  };
}

/// Takes every line for computations, as this process, which outlives the trial.
void take_lines(Cache& cache) {
  const unsigned lines = cache.stats().computation_lines;
  for (unsigned i = 0; i < lines; ++i) {
    const auto* key = new std::string(numbered("line-", static_cast<std::uint16_t>(i)));
    auto* held = new Computation(cache, *key);  // not given back
    std::string value;
    if (held->begin(value) != Turn::compute) throw std::runtime_error("no line");
  }
}

/// Beyond the lines: whoever died with a placeholder, the key can be computed at once.
std::string to_be_had_beyond_lines(Cache& cache, const Contents& now, const Contents& /*before*/,
                                   const Contents& /*after*/) {
  const auto begun = std::chrono::steady_clock::now();
  std::string value;
  Computation computation(cache, "new", {.wait = std::chrono::seconds(2)});
  Turn turn = computation.begin(value);
  for (; turn == Turn::wait; turn = computation.begin(value)) computation.wait();
  if (turn != (now.contains("new") ? Turn::fresh : Turn::compute)) return "nobody may compute what a dead process did";
  computation.abandon();
  if (std::chrono::steady_clock::now() - begun > std::chrono::seconds(1)) return "it takes long to compute it";
  return cache.stats().leases_held == cache.stats().computation_lines ? "" : "a line was given back or taken";
}

template <class MakeCall>
Scenario beyond_lines(const std::string& name, MakeCall make_call) {
  return {name, [make_call](std::uint64_t seed) {
            Workshop shop(seed);
            shop.work(60, 600);
            take_lines(shop.cache());
            Prepared prepared = shop.with(make_call(shop));
            prepared.also = to_be_had_beyond_lines;
            return prepared;
          }};
}

/// The placeholder of "new" is this process's. Once a call that writes to the key is through, which a mark that it sets
/// behind that tells, its value is stored no more.
Scenario voiding_beyond_lines(const std::string& name, const Call& call) {
  return {name, [call](std::uint64_t seed) {
            Workshop shop(seed);
            shop.work(60, 600);
            take_lines(shop.cache());
            const std::uint64_t hash = base::hash("new");
            store::Segment& segment = Internals::attachment(shop.cache()).view().segment;
            const store::LeaseWish wish{
                .kind = store::LeaseKind::flight, .hash = hash, .owner = base::own_process(), .or_placeholder = true};
            store::LeaseId lease;
            store::Holders holders;
            if (segment.stripe_of(hash).acquire({"new", hash}, wish, 0, segment.age(base::boottime_ms()),
                                                std::chrono::seconds(1), lease, holders) != store::Grant::granted ||
                lease.has_line()) {
              throw std::runtime_error("no placeholder");
            }
            Prepared prepared = shop.with([call](Cache& cache) {
              call(cache);
              set_call("mark", 3, 20)(cache);
            });
            prepared.also = [lease, hash](Cache& cache, const Contents& now, const Contents&,
                                          const Contents&) -> std::string {
              if (!now.contains("mark")) return {};
              store::Segment& left = Internals::attachment(cache).view().segment;
              const store::Decision late{.action = store::Decision::Action::store, .value = "late"};
              const Code code = left.stripe_of(hash).update_with(lease, {"new", hash}, left.age(base::boottime_ms()),
                                                                 std::chrono::seconds(1), late);
              return code == Code::not_held ? "" : "who computed it before the write may still store";
            };
            return prepared;
          }};
}

Prepared prepare_take_over_beyond_lines(std::uint64_t seed) {
  Workshop shop(seed);
  shop.work(60, 600);
  take_lines(shop.cache());
  tests::Child holder([&] {
    auto* computation = new Computation(shop.cache(), "new");  // not given back
    std::string value;
    return computation->begin(value) == Turn::compute ? 0 : 1;
  });
  if (holder.join() != 0) throw std::runtime_error("no placeholder");
  Prepared prepared = shop.with(compute_call("new", checked(2, 200)));
  prepared.also = to_be_had_beyond_lines;
  return prepared;
}

std::vector<Scenario> beyond_lines_scenarios() {
  std::vector<Scenario> all;
  all.push_back(
      beyond_lines("placeholder: value computed", [](Workshop&) { return compute_call("new", checked(1, 300)); }));
  all.push_back(beyond_lines("placeholder: spilled value", [](Workshop&) {
    return compute_call("new", checked(1, 9000), {.stale_for = std::chrono::hours(1)});
  }));
  all.push_back(beyond_lines("placeholder: given up", [](Workshop&) -> Call {
    return [](Cache& cache) {
      std::string value;
      Computation computation(cache, "new");
      static_cast<void>(computation.begin(value));
    };
  }));
  all.push_back({"placeholder: taken over", prepare_take_over_beyond_lines});
  all.push_back(voiding_beyond_lines("placeholder: voided by set", set_call("new", 2, 100)));
  all.push_back(voiding_beyond_lines("placeholder: voided by erase",
                                     [](Cache& cache) { static_cast<void>(cache.erase("new")); }));
  all.push_back(
      voiding_beyond_lines("placeholder: voided by clear", [](Cache& cache) { static_cast<void>(cache.clear()); }));
  return all;
}

}  // namespace

std::vector<Scenario> lease_scenarios() {
  std::vector<Scenario> all;
  all.push_back(scenario("lease: lock taken", to_be_had, [](Workshop&) -> Call {
    return [](Cache& cache) { static_cast<void>((new Lock(cache, "lock"))->try_acquire()); };  // and kept
  }));
  all.push_back(scenario("lease: lock taken and given back", to_be_had, [](Workshop&) -> Call {
    return [](Cache& cache) {
      Lock lock(cache, "lock", {.ttl = std::chrono::hours(1)});
      static_cast<void>(lock.try_acquire());
      static_cast<void>(lock.extend(std::chrono::hours(2)));
    };
  }));
  all.push_back(
      scenario("lease: value computed", to_be_had, [](Workshop&) { return compute_call("new", checked(1, 300)); }));
  all.push_back(scenario("lease: large value computed", to_be_had, [](Workshop&) {
    return compute_call("new", checked(1, 9000), {.stale_for = std::chrono::hours(1)});
  }));
  all.push_back(scenario("lease: stale value refreshed", to_be_had, [](Workshop& shop) {
    store_timed(shop.cache(), std::chrono::hours(2), std::chrono::hours(3));
    return compute_call("new", checked(2, 200), {.stale_for = std::chrono::hours(5)});
  }));
  all.push_back({"lease: refreshed behind a death", prepare_refresh_behind_death});
  all.push_back(scenario("lease: computation given up", to_be_had, [](Workshop&) -> Call {
    return [](Cache& cache) {
      std::string value;
      Computation computation(cache, "new");
      static_cast<void>(computation.begin(value));
    };
  }));
  all.push_back(scenario("lease: failure remembered", told_or_not, [](Workshop&) { return fail_call(); }));
  all.push_back(scenario("lease: failed refresh rests", told_or_not, [](Workshop& shop) {
    store_timed(shop.cache(), std::chrono::hours(2), std::chrono::hours(3));
    return fail_call();
  }));
  all.push_back({"lease: taken over from the dead", prepare_take_over});
  all.push_back(voiding("lease: voided by set", [](Workshop&) { return set_call("new", 2, 100); }));
  all.push_back(voiding("lease: voided by overwriting", [](Workshop& shop) {
    store_timed(shop.cache(), std::chrono::hours(2), std::chrono::hours(1));
    return set_call("new", 2, 9000);
  }));
  all.push_back(voiding("lease: voided by erase", [](Workshop& shop) -> Call {
    store_timed(shop.cache(), std::chrono::hours(2), std::chrono::hours(1));
    return [](Cache& cache) { static_cast<void>(cache.erase("new")); };
  }));
  all.push_back(voiding("lease: voided by clear", [](Workshop& shop) -> Call {
    store_timed(shop.cache(), std::chrono::hours(2), std::chrono::hours(1));
    return [](Cache& cache) { static_cast<void>(cache.clear()); };
  }));
  for (Scenario& one : beyond_lines_scenarios()) all.push_back(std::move(one));
  // A death between its two stores leaves the old time of arrival with the later expiry: in whole hours the old one.
  for (const bool first : {true, false}) {
    all.push_back(scenario(first ? "rate, first" : "rate, further", {}, [first](Workshop& shop) -> Call {
      const Call call = [](Cache& cache) {
        RateDecision decision;
        static_cast<void>(take(cache, "rate", {.count = 1, .period = std::chrono::minutes(1), .burst = 100}, decision));
      };
      if (!first) call(shop.cache());
      return call;
    }));
  }
  return all;
}

}  // namespace forklore::crash
