#include "crash/reading_run.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <set>

#include "crash/stepper.hpp"
#include "crash/workshop.hpp"

namespace forklore::crash {
namespace {

constexpr std::uint32_t kSmallKeys = 600;

/// What a reader in a child leaves for its parent.
struct Answer {
  Code code;
  std::size_t size;
  std::array<char, 64 * 1024> value;
};

class SharedAnswer {
 public:
  SharedAnswer() : at_(::mmap(nullptr, sizeof(Answer), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {}
  ~SharedAnswer() { ::munmap(at_, sizeof(Answer)); }
  SharedAnswer(const SharedAnswer&) = delete;
  SharedAnswer& operator=(const SharedAnswer&) = delete;
  Answer* operator->() const noexcept { return static_cast<Answer*>(at_); }

 private:
  void* at_;
};

void read(Cache& cache, const SharedAnswer& answer) {
  Found found;
  answer->code = cache.get_into(kReadKey, answer->value, found);
  answer->size = found.size;
}

/// Whether a scan meets the key.
void scan(Cache& cache, const SharedAnswer& answer) {
  std::vector<std::string> keys;
  for (Cursor cursor; !cursor.finished();) static_cast<void>(cache.scan(cursor, 1000, kReadKey, keys));
  answer->code = keys.empty() ? Code::not_found : Code::ok;
}

void store(Cache& cache, std::uint32_t counter, std::size_t size) {
  std::string value;
  make_checked(kReadNumber, counter, size, value);
  static_cast<void>(cache.set(kReadKey, value));
}

/// Which value it is, or none.
std::optional<Version> version_of_key(Cache& cache) {
  std::string value;
  Found found;
  if (cache.get(kReadKey, value, &found) != Code::ok) return {};
  return found.version;
}

/// Sets of other keys, small and large, enough to use every chunk of either log again; each tenth time between() is
/// called. Whether the key that is read was there after each of them.
bool churn(Cache& cache, const std::function<void(std::uint32_t)>& between) {
  std::string value;
  bool present = true;
  for (std::uint16_t i = 0; i < 600; ++i) {
    make_checked(i, i, i % 5 == 0 ? 8000 : 100 + i * 53u % 900, value);
    static_cast<void>(cache.set(numbered("churn-", i), value));
    present = present && cache.contains(kReadKey) == Code::ok;
    if (i % 10 == 9) between(i);
  }
  return present;
}

/// Overwrites half a segment at random: garbage is collected, and what lives beside it moves. Whether the key that is
/// read was moved.
bool move_about(Cache& cache) {
  std::string value;
  Found before;
  Found after;
  Random random(1);
  const Code first = cache.get(kReadKey, value, &before);
  for (std::uint32_t i = 0; i < 2500; ++i) {
    const auto number = static_cast<std::uint16_t>(random.below(300));
    make_checked(number, i, 150, value);
    static_cast<void>(cache.set(numbered("old-", number), value));
  }
  const Code last = cache.get(kReadKey, value, &after);
  return first == Code::ok && last == Code::ok && before.version != after.version;
}

/// Sets of small new keys: slots move to other buckets, and to buckets that are split off. Whether the key is there.
bool crowd(Cache& cache) {
  std::string value;
  for (std::uint16_t i = 0; i < 300; ++i) {
    make_checked(i, i, 8, value);
    static_cast<void>(cache.set(numbered("crowd-", i), value));
  }
  return cache.contains(kReadKey) == Code::ok;
}

/// Most keys go, and buckets are merged as a few others come. Whether the key is there.
bool thin_out(Cache& cache) {
  for (std::uint32_t i = 0; i < kSmallKeys; ++i) static_cast<void>(cache.erase(numbered("old-", i)));
  return crowd(cache);
}

std::uint32_t bucket_of_key(const Snapshot& snapshot) {
  const store::Word* slot = snapshot.index().find_word(base::hash(kReadKey), snapshot.word_of(kReadKey));
  return snapshot.index().bucket_number(*slot);
}

/// One in which the slot of the key that is read is moved by the call, and the entry is not.
Image segment_to_move_a_slot_in(std::uint64_t seed, bool (*call)(Cache&)) {
  for (std::uint64_t attempt = 0; attempt < 200; ++attempt) {
    Workshop shop(seed + attempt * 1000);
    shop.work(kSmallKeys * 3 / 2, 8, kSmallKeys);
    store(shop.cache(), 1, 300);
    const Snapshot before = shop.snapshot();
    if (!call(shop.cache())) continue;
    const Snapshot after = shop.snapshot();
    if (after.word_of(kReadKey) == before.word_of(kReadKey) && bucket_of_key(after) != bucket_of_key(before)) {
      return before.image();
    }
  }
  throw std::runtime_error("no segment in which the slot of the key that is read is moved");
}

Image full_segment(std::uint64_t seed, std::size_t size) {
  Workshop shop(seed);
  shop.work(400, 900);
  store(shop.cache(), 1, size);
  return shop.file().take();
}

/// One of which the key that is read is moved later; spilled: it goes on in another chunk now.
Image segment_to_move_in(std::uint64_t seed, bool spilled) {
  constexpr std::size_t kSize = 700;
  for (std::uint64_t attempt = 0; attempt < 100; ++attempt) {
    Workshop shop(seed + attempt * 1000, WhenFull::reject);
    shop.work(200, 200, 100);
    store(shop.cache(), 1, kSize);
    const Snapshot now = shop.snapshot();
    store::Location place;
    static_cast<void>(now.log().locate(now.word_of(kReadKey), place));
    if ((place.offset + kSize > now.log().chunk_bytes()) == spilled && move_about(shop.cache())) return now.image();
  }
  throw std::runtime_error("no segment in which the key that is read is moved");
}

constexpr std::uint16_t kGarbageKeys = 60;

/// Garbage is made until the key that is read is moved. Whether it was.
bool move_away(Cache& cache) {
  const auto before = version_of_key(cache);
  Random random(1);
  for (std::uint16_t i = 0; i < 2000 && version_of_key(cache) == before; ++i) {
    set_call(numbered("old-", random.below(kGarbageKeys)), i, 300)(cache);
  }
  return before && version_of_key(cache) && version_of_key(cache) != before;
}

/// One in which the key is in the oldest chunk of its log, and is moved to one that is free yet and lies well before
/// it: where a scan that goes through the chunks has been already.
Image segment_to_scan(std::uint64_t seed) {
  constexpr std::uint32_t kWell = 8;
  for (std::uint16_t steady = 50; steady < 150; ++steady) {
    Workshop shop(seed, WhenFull::reject);
    store(shop.cache(), 1, 300);
    for (std::uint16_t i = 0; i < kGarbageKeys; ++i) set_call(numbered("old-", i), i, 300)(shop.cache());
    for (std::uint16_t i = 0; i < steady; ++i) set_call(numbered("steady-", i), i, 300)(shop.cache());
    const Snapshot before = shop.snapshot();
    if (!move_away(shop.cache())) continue;
    const Snapshot after = shop.snapshot();
    store::Location from;
    store::Location to;
    if (before.log().locate(before.word_of(kReadKey), from) && after.log().locate(after.word_of(kReadKey), to) &&
        to.chunk + kWell < from.chunk && store::kind_of(before.log().state(to.chunk)) == store::Kind::free) {
      return before.image();
    }
  }
  throw std::runtime_error("no segment in which the key is moved to a chunk before its own");
}

}  // namespace

std::vector<Overtaking> overtakings() {
  std::vector<Overtaking> all;
  for (const std::size_t size : {std::size_t{300}, std::size_t{6500}}) {
    const std::string which = size < 4096 ? "" : ", spilled";
    const auto evicting = [size](std::uint64_t seed) { return full_segment(seed, size); };
    all.push_back({"read" + which + ": overwritten", evicting,
                   [size](Cache& cache) {
                     store(cache, 2, size);
                     return true;
                   },
                   true});
    all.push_back(
        {"read" + which + ": recycled", evicting, [](Cache& cache) { return churn(cache, [](std::uint32_t) {}); }});
    all.push_back({"read" + which + ": rewritten, recycled", evicting,
                   [size](Cache& cache) { return churn(cache, [&](std::uint32_t i) { store(cache, i, size); }); },
                   size < 4096});
    all.push_back({"read" + which + ": erased, recycled", evicting, [](Cache& cache) {
                     static_cast<void>(cache.erase(kReadKey));
                     return churn(cache, [](std::uint32_t) {});
                   }});
    all.push_back({"read" + which + ": moved",
                   [size](std::uint64_t seed) { return segment_to_move_in(seed, size > 4096); }, move_about, true});
  }
  for (const auto& [name, call] : {std::pair{"read: slot moved, index growing", &crowd},
                                   std::pair{"read: slot moved, index shrinking", &thin_out}}) {
    all.push_back(
        {name, [call = call](std::uint64_t seed) { return segment_to_move_a_slot_in(seed, call); }, call, true, false});
  }
  all.push_back({"scan: moved", segment_to_scan, move_away, true, true, 1000});
  return all;
}

Row ReadingRun::run() {
  const Image image = overtaking_.prepare(options_.seed);
  const SharedAnswer answer;
  std::optional<Cache> cache;
  const auto attach = [&] {
    cache.emplace(Cache::attach(std::string(name_)));
    static_cast<void>(cache->contains("nothing"));
  };
  const auto get = [&] {  // one for all children: a trace is of addresses
    overtaking_.scans == 0 ? read(*cache, answer) : scan(*cache, answer);
  };
  Trace trace;
  {
    write_segment(name_, image);
    Stepper child(attach, get);
    trace.add(child.address());
    while (child.step()) {
      ++row_.instructions;
      trace.add(child.address());
    }
  }
  const std::size_t most = overtaking_.scans == 0 ? row_.instructions : std::min(overtaking_.scans, row_.instructions);
  for (const std::size_t step : choose(most + 1, options_.sample, random_)) {
    write_segment(name_, image);
    Stepper child(attach, get);
    if (!trace.go_to(child, step)) {
      ++row_.astray;
      continue;
    }
    Cache other = Cache::attach(std::string(name_));
    const auto before = version_of_key(other);
    const bool present = overtaking_.overtake(other);
    if (!present && overtaking_.must_stay) report_fault(row_, "overtaking", "the key did not stay, or was not moved");
    if (overtaking_.changes && version_of_key(other) == before)
      report_fault(row_, "overtaking", "nothing happened to the key");
    child.run_to_end();
    ++row_.examined;
    const std::string where = "overtaken after instruction " + std::to_string(step);
    if (answer->code == Code::not_found) {
      if (present) report_fault(row_, where, "a miss for a key that was present throughout");
    } else if (answer->code != Code::ok) {
      report_fault(row_, where, "answers " + std::string(to_string(answer->code)));
    } else if (overtaking_.scans == 0 && !read_checked(kReadNumber, {answer->value.data(), answer->size})) {
      report_fault(row_, where, "a torn value of " + std::to_string(answer->size) + " bytes");
    }
  }
  return row_;
}

Row slot_words_do_not_return() {
  Row row{.name = "slot words do not return"};
  const tests::UniqueName name;
  Cache cache = Cache::open({.name = name, .capacity_bytes = kMinCapacityBytes, .stripes = 1});
  std::set<std::uint64_t> seen;
  for (std::uint32_t i = 0; i < 10'000; ++i) {
    store(cache, i, 2900);
    Found found;
    std::string value;
    static_cast<void>(cache.get(kReadKey, value, &found));
    ++row.examined;
    if (!seen.insert(found.version.word).second) {
      report_fault(row, "write " + std::to_string(i), "its slot word was that of an earlier value");
    }
  }
  return row;
}

}  // namespace forklore::crash
