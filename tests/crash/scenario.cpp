#include "crash/scenario.hpp"

#include <algorithm>
#include <iterator>
#include <set>

#include "crash/workshop.hpp"
#include "test_clock.hpp"

namespace forklore::crash {
namespace {

using Call = Workshop::Call;

std::uint64_t risen(const Snapshot& before, const Snapshot& after, std::uint64_t Stats::*count) {
  return after.stats().*count - before.stats().*count;
}

/// How many entries lie elsewhere after a call, in a log of their own kind or in the other.
struct Moved {
  unsigned within = 0, promoted = 0;
};
Moved moved(const Snapshot& before, const Snapshot& after) {
  Moved count;
  before.for_each_entry([&](const std::string& key, std::uint64_t word, store::Location place) {
    const std::uint64_t now = after.word_of(key);
    if (!key.starts_with("old-") || now == 0 || now == store::without_frequency(word)) return;
    store::Location there;
    if (!after.log().locate(now, there)) return;
    const auto was = store::kind_of(before.log().state(place.chunk));
    const auto is = store::kind_of(after.log().state(there.chunk));
    ++(was == store::Kind::small && is == store::Kind::main ? count.promoted : count.within);
  });
  return count;
}

/// Whether a chunk was freed into which a live value goes on from the chunk before, and that value was moved. The chunk
/// before stays, so that nothing but the walk of this one has moved it.
bool straddler_moved(const Snapshot& before, const Snapshot& after) {
  const auto freed = [&](std::uint32_t chunk) {  // a sequence comes once; a chunk that goes to another log keeps it
    return store::sequence_of(before.log().state(chunk)) != store::sequence_of(after.log().state(chunk));
  };
  bool found = false;
  before.for_each_entry([&](const std::string& key, std::uint64_t word, store::Location place) {
    const std::uint64_t now = after.word_of(key);
    if (!key.starts_with("old-") || now == 0 || now == store::without_frequency(word) || freed(place.chunk)) return;
    for (std::uint32_t chunk = 0; chunk < before.log().size(); ++chunk) {
      const bool opens = before.log().in_log(chunk) && before.log().straddler(chunk) == store::without_frequency(word);
      found |= opens && freed(chunk);
    }
  });
  return found;
}

/// How many chunks main was given as they were.
unsigned given_to_main(const Snapshot& before, const Snapshot& after) {
  unsigned n = 0;
  for (std::uint32_t chunk = 0; chunk < before.log().size(); ++chunk) {
    const std::uint64_t was = before.log().state(chunk);
    const std::uint64_t is = after.log().state(chunk);
    n += store::kind_of(was) == store::Kind::small && store::kind_of(is) == store::Kind::main &&
         store::sequence_of(was) == store::sequence_of(is);
  }
  return n;
}

/// How many slots are in use in the last bucket.
unsigned in_last_bucket(const Snapshot& snapshot) {
  unsigned n = 0;
  for (const store::Word& slot : snapshot.index().bucket(snapshot.index().size() - 1).slot) n += slot.load() != 0;
  return n;
}

/// Whether the last bucket goes away with entries in it that can go nowhere but to the bucket it was split from.
bool merged(const Snapshot& before, const Snapshot& after) {
  const std::uint32_t last = before.index().size() - 1;
  if (after.index().size() != last) return false;
  const store::Bucket& from = before.index().bucket(last);
  const store::Bucket& parent = before.index().bucket(store::Index::parent(last));
  const auto full = [](const store::Bucket& bucket) {
    return std::all_of(std::begin(bucket.slot), std::end(bucket.slot),
                       [](const store::Word& slot) { return slot.load() != 0; });
  };
  bool found = false;
  before.for_each_entry([&](const std::string& key, std::uint64_t word, store::Location) {
    const store::Bucket& other = before.index().other(base::hash(key), from);
    const bool here = std::any_of(std::begin(from.slot), std::end(from.slot),
                                  [&](const store::Word& slot) { return slot.load() == word; });
    found |= here && &other != &parent && (&other == &from || full(other)) && after.word_of(key) != 0;
  });
  return found;
}

/// Keys whose two buckets are the same two, as long as the index is of this size.
std::vector<std::string> keys_of_one_home(const store::Index::Snapshot& index, std::size_t n) {
  std::vector<std::string> keys;
  std::set<const store::Bucket*> home;
  for (unsigned i = 0; keys.size() < n; ++i) {
    std::string key = numbered("home-", i);
    const auto both = index.candidates(base::hash(key));
    const std::set<const store::Bucket*> mine(both.begin(), both.end());
    if (home.empty() && mine.size() == 2) home = mine;
    if (mine == home) keys.push_back(std::move(key));
  }
  return keys;
}

/// Sets of keys of their own, "new-N".
std::function<Call(unsigned)> sets(std::size_t size) {
  return [size](unsigned n) { return set_call(numbered("new-", n), static_cast<std::uint16_t>(n), size); };
}

/// A call on a segment that is about half full.
template <class MakeCall>
Scenario simple(const std::string& name, MakeCall make_call) {
  return {name, [make_call](std::uint64_t seed) {
            Workshop shop(seed);
            shop.work(120, 600);
            const Call call = make_call(shop);
            return shop.with(call);
          }};
}

void let_pass(std::chrono::milliseconds time) {
  tests::set_clock(tests::clock_ms() + static_cast<std::uint64_t>(time.count()));
}

/// A segment with chunks in which all has expired.
Prepared prepare_expired(std::uint64_t seed) {
  Workshop shop(seed);
  std::string value;
  for (std::uint16_t i = 0; i < 60; ++i) {
    make_checked(i, i, 600, value);
    static_cast<void>(shop.cache().set(numbered("old-", i), value, std::chrono::hours(1)));
  }
  let_pass(std::chrono::hours(2));
  return shop.find(sets(500), [](const Snapshot& before, const Snapshot& after) {
    return risen(before, after, &Stats::expirations) >= 2 && risen(before, after, &Stats::evictions) == 0;
  });
}

Prepared prepare_recover(std::uint64_t seed) {
  // A death between the state of a chunk just taken and the words that follow from it: recover() has most to store.
  Workshop shop(seed);
  Prepared prepared = shop.find(sets(500), [](const Snapshot& before, const Snapshot& after) {
    return risen(before, after, &Stats::reclaims) > 0;
  });
  auto* header = reinterpret_cast<store::StripeHeader*>(prepared.image.data() + prepared.geometry.stripes_at);
  for (store::HalfWord& open : header->open) open.store(0);
  header->sequence.store(0);
  set_lock_word(prepared.image, prepared.geometry, FUTEX_OWNER_DIED);
  return prepared;
}

}  // namespace

std::vector<Scenario> scenarios() {
  std::vector<Scenario> all;
  all.push_back(simple("insert", [](Workshop&) { return set_call("new", 1, 100); }));
  all.push_back(simple("overwrite", [](Workshop& shop) {
    set_call("new", 1, 100)(shop.cache());
    return set_call("new", 2, 150);
  }));
  all.push_back(simple("overwrite, expired", [](Workshop& shop) {
    std::string value;
    make_checked(1, 1, 6000, value);
    static_cast<void>(shop.cache().set("new", value, std::chrono::hours(1)));
    let_pass(std::chrono::hours(2));
    return set_call("new", 2, 150);
  }));
  all.push_back(simple("increment", [](Workshop& shop) -> Call {
    std::int64_t now = 0;
    static_cast<void>(shop.cache().increment("count", 1, now, 41));
    return [](Cache& cache) {
      std::int64_t sum = 0;
      static_cast<void>(cache.increment("count", 1, sum));
    };
  }));
  all.push_back(simple("increment, absent", [](Workshop&) -> Call {
    return [](Cache& cache) {
      std::int64_t sum = 0;
      static_cast<void>(cache.increment("count", 1, sum, 41));
    };
  }));
  all.push_back(simple("touch", [](Workshop& shop) -> Call {
    std::string value;
    make_checked(1, 1, 6000, value);
    static_cast<void>(shop.cache().set("new", value, std::chrono::hours(50)));
    return [](Cache& cache) { static_cast<void>(cache.touch("new", std::chrono::hours(3))); };
  }));
  all.push_back(simple("erase", [](Workshop& shop) -> Call {
    set_call("new", 1, 6000)(shop.cache());
    return [](Cache& cache) { static_cast<void>(cache.erase("new")); };
  }));
  all.push_back(simple("compare-and-set", [](Workshop& shop) -> Call {
    set_call("new", 1, 100)(shop.cache());
    std::string value;
    Found found;
    static_cast<void>(shop.cache().get("new", value, &found));
    make_checked(2, 2, 120, value);
    return [found, value](Cache& cache) { static_cast<void>(cache.compare_and_set("new", found.version, value)); };
  }));
  for (const std::size_t size : {std::size_t{100}, std::size_t{5000}}) {
    all.push_back(simple(size < 4096 ? "read" : "read, spilled", [size](Workshop& shop) -> Call {
      set_call("new", 1, size)(shop.cache());
      return [](Cache& cache) { static_cast<void>(cache.get("new")); };
    }));
  }
  all.push_back(simple("spilled value", [](Workshop&) { return set_call("new", 1, 10'000); }));
  all.push_back(simple("spilled value over another", [](Workshop& shop) {
    set_call("new", 1, 9000)(shop.cache());
    return set_call("new", 2, 5000);
  }));
  all.push_back(
      simple("clear", [](Workshop&) -> Call { return [](Cache& cache) { static_cast<void>(cache.clear()); }; }));

  all.push_back({"insert that evicts", [](std::uint64_t seed) {
                   return Workshop(seed).find(sets(300), [](const Snapshot& before, const Snapshot& after) {
                     return risen(before, after, &Stats::evictions) > 0 &&
                            risen(before, after, &Stats::bucket_evictions) == 0;
                   });
                 }});
  all.push_back({"insert that gives main a chunk", [](std::uint64_t seed) {
                   return Workshop(seed).find(sets(300), [](const Snapshot& before, const Snapshot& after) {
                     return given_to_main(before, after) > 0;
                   });
                 }});
  all.push_back({"insert that collects expired", prepare_expired});
  all.push_back({"insert that promotes", [](std::uint64_t seed) {
                   return Workshop(seed).find(sets(120), [](const Snapshot& before, const Snapshot& after) {
                     return moved(before, after).promoted >= 2;
                   });
                 }});
  all.push_back({"insert that compacts", [](std::uint64_t seed) {
                   return Workshop(seed).find(sets(300), [](const Snapshot& before, const Snapshot& after) {
                     return moved(before, after).within >= 2 && risen(before, after, &Stats::evictions) == 0;
                   });
                 }});
  all.push_back(
      {"insert that compacts, reject", [](std::uint64_t seed) {
         return Workshop(seed, WhenFull::reject)
             .find(
                 sets(300),
                 [](const Snapshot& before, const Snapshot& after) { return moved(before, after).within >= 2; }, 400);
       }});
  all.push_back({"straddled chunk reclaimed",
                 [](std::uint64_t seed) { return Workshop(seed).find(sets(300), straddler_moved, 5000); }});
  all.push_back({"spilled value that evicts", [](std::uint64_t seed) {
                   return Workshop(seed).find(sets(9000), [](const Snapshot& before, const Snapshot& after) {
                     return risen(before, after, &Stats::evictions) > 0 && risen(before, after, &Stats::moves) > 0;
                   });
                 }});
  all.push_back({"bucket overflow", [](std::uint64_t seed) {
                   Workshop shop(seed);
                   const std::vector<std::string> keys = keys_of_one_home(shop.snapshot().index(), 17);
                   for (const std::string& key : keys) {
                     if (key != keys.back()) set_call(key, 1, 100)(shop.cache());
                   }
                   return shop.with(set_call(keys.back(), 1, 100));
                 }});
  all.push_back({"insert that displaces", [](std::uint64_t seed) {
                   return Workshop(seed).find(
                       sets(8),
                       [](const Snapshot& before, const Snapshot& after) {
                         return before.index().size() == after.index().size() &&
                                before.index().word() != after.index().word();
                       },
                       8);
                 }});
  all.push_back({"insert that splits a bucket", [](std::uint64_t seed) {
                   return Workshop(seed).find(
                       sets(8),
                       [](const Snapshot& before, const Snapshot& after) {
                         return after.index().size() == before.index().size() + 1 && in_last_bucket(after) > 1;
                       },
                       8);
                 }});
  all.push_back({"insert that takes a chunk for the index", [](std::uint64_t seed) {
                   Workshop shop(seed);
                   shop.work(400, 900);  // so that the first chunks hold entries when the small ones come
                   return shop.find(
                       sets(1),
                       [](const Snapshot& before, const Snapshot& after) {
                         return after.log().count(store::Kind::index) > before.log().count(store::Kind::index) &&
                                risen(before, after, &Stats::reclaims) > 0;
                       },
                       8, 2000);
                 }});
  all.push_back({"insert that merges a bucket", [](std::uint64_t seed) {
                   Workshop shop(seed);
                   shop.work(3000, 8, 2500);
                   return shop.find(sets(60), merged);
                 }});
  all.push_back({"insert that gives a chunk of the index back", [](std::uint64_t seed) {
                   Workshop shop(seed);
                   shop.work(3000, 8, 2500);
                   return shop.find(sets(300), [](const Snapshot& before, const Snapshot& after) {
                     return after.log().count(store::Kind::index) < before.log().count(store::Kind::index);
                   });
                 }});
  all.push_back({"recover", prepare_recover});
  for (Scenario& scenario : full_scenarios()) all.push_back(std::move(scenario));
  for (Scenario& scenario : lease_scenarios()) all.push_back(std::move(scenario));
  return all;
}

}  // namespace forklore::crash
