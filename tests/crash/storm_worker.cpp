#include "crash/storm_worker.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace forklore::crash {
namespace {

constexpr std::uint32_t kSmallKeys = 400;
constexpr std::size_t kLargestSmall = 20'000;
constexpr std::size_t kLargestWithRoom = 12'000;

/// Long enough that no stop by the supervisor makes a lock busy: every busy is then a fault.
Options options(const std::string& name, std::size_t capacity, unsigned stripes) {
  return {.name = name, .capacity_bytes = capacity, .stripes = stripes, .lock_timeout = std::chrono::seconds(30)};
}

}  // namespace

Options small_options(const Names& names) { return options(names.small, 256 << 10, 1); }
Options room_options(const Names& names) { return options(names.room, 8 << 20, 2); }
Options strict_options(const Names& names) {
  Options strict = options(names.strict, 8 << 20, 2);
  strict.when_full = WhenFull::reject;
  return strict;
}

std::string entry_name(std::uint32_t worker, std::uint32_t key) {
  return numbered("entry-", worker) + numbered("-", key);
}
std::string counter_name(std::uint32_t key) { return numbered("counter-", key); }

void StormWorker::fault(const std::string& what) {
  std::printf("FAULT (worker %u): %s\n", number_, what.c_str());
  std::fflush(stdout);
  board_.faults.fetch_add(1);
}

void StormWorker::expect(Code code, std::initializer_list<Code> allowed, const char* call) {
  if (std::find(allowed.begin(), allowed.end(), code) != allowed.end()) return;
  fault(std::string(call) + " answered " + std::string(to_string(code)));
}

std::size_t StormWorker::any_size(std::size_t most) {
  const std::uint32_t kind = random_.below(16);
  if (kind < 3) return kSmallestChecked;
  if (kind < 11) return kSmallestChecked + random_.below(400);
  if (kind < 14) return 400 + random_.below(3600);
  return 4000 + random_.below(static_cast<std::uint32_t>(most - 4000));
}

void StormWorker::run() {
  while (!board_.stop.load(std::memory_order_relaxed)) {
    const std::uint32_t what = random_.below(8);
    if (what < 5) {
      work_small();
    } else if (what < 7) {
      work_with_room();
    } else {
      read_anyones();
    }
    line_.calls.fetch_add(1, std::memory_order_relaxed);
  }
}

void StormWorker::work_small() {
  Cache& cache = segments_.small;
  const auto key = static_cast<std::uint16_t>(random_.below(kSmallKeys));
  const std::string name = numbered("k", key);
  const auto counter = static_cast<std::uint32_t>(random_.next());
  const Ttl ttl = random_.one_in(4) ? Ttl(1 + random_.below(300)) : kForever;
  const auto fresh = [&]() -> const std::string& {
    make_checked(key, counter, any_size(kLargestSmall), value_);
    return value_;
  };
  const auto check = [&](Code code, const Found& found) {
    expect(code, {Code::ok, Code::not_found}, "get");
    if (code != Code::ok || found.format == kInteger) return;
    if (!read_checked(key, out_))
      fault("small: a torn value of " + std::to_string(out_.size()) + " bytes under " + name);
  };
  Found found;
  const std::uint32_t what = random_.below(100);
  if (what < 30) {
    check(cache.get(name, out_, &found), found);
  } else if (what < 60) {
    expect(cache.set(name, fresh(), ttl), {Code::ok}, "set");
  } else if (what < 68) {
    expect(cache.add(name, fresh(), ttl), {Code::ok, Code::exists}, "add");
  } else if (what < 76) {
    std::int64_t now = 0;
    expect(cache.increment(numbered("n", key % 32), 1, now, 0, ttl), {Code::ok}, "increment");
  } else if (what < 82) {
    expect(cache.touch(name, ttl), {Code::ok, Code::not_found}, "touch");
  } else if (what < 90) {
    expect(cache.erase(name), {Code::ok, Code::not_found}, "erase");
  } else if (what < 99) {
    const Code code = cache.get(name, out_, &found);
    check(code, found);
    if (code != Code::ok) return;
    expect(cache.compare_and_set(name, found.version, fresh(), ttl), {Code::ok, Code::changed, Code::not_found}, "cas");
  } else if (random_.one_in(20)) {
    expect(cache.clear(), {Code::ok}, "clear");
  }
}

void StormWorker::acknowledge(const Intent& intent) {
  const Ack ack{number_, intent.key, intent.state, intent.kind, line_.intended.load(std::memory_order_relaxed)};
  if (::write(acks_, &ack, sizeof ack) != static_cast<ssize_t>(sizeof ack)) fault("cannot acknowledge");
}

void StormWorker::work_with_room() {
  Intent intent;
  const auto announce = [&] {
    line_.intended.fetch_add(1);
    line_.intent.store(intent.pack());
  };
  if (random_.one_in(2)) {
    intent = {Intent::Kind::count, static_cast<std::uint16_t>(random_.below(kCounters)), 0};
    announce();
    std::int64_t now = 0;
    const Code code = segments_.of(intent.key).increment(counter_name(intent.key), 1, now);
    if (code != Code::ok)
      return fault(counter_name(intent.key) + ": increment answered " + std::string(to_string(code)));
  } else {
    const std::uint32_t key = random_.below(kEntries);
    const EntryState before = line_.committed[key].load();
    const std::uint32_t counter = (counter_of(before) + 1) & kCounterMask;
    Cache& cache = segments_.of(key);
    const std::string name = entry_name(number_, key);
    const bool erase = is_present(before) && random_.one_in(6);
    intent = {erase ? Intent::Kind::erase : Intent::Kind::store, static_cast<std::uint16_t>(key),
              counter << 1 | (erase ? 0u : 1u)};
    announce();
    Code code = Code::ok;
    if (erase) {
      code = cache.erase(name);
    } else {
      make_checked(entry_number(number_, key), counter, any_size(kLargestWithRoom), value_);
      Found found;
      if (is_present(before) && random_.one_in(3) && cache.get(name, out_, &found) == Code::ok) {
        code = cache.compare_and_set(name, found.version, value_);
        if (code == Code::changed) code = cache.set(name, value_);  // it was moved meanwhile
      } else {
        code = is_present(before) ? cache.set(name, value_) : cache.add(name, value_);
      }
    }
    if (code != Code::ok)
      return fault(name + (erase ? ": erase" : ": store") + " answered " + std::string(to_string(code)));
    line_.committed[key].store(intent.state);
  }
  acknowledge(intent);
  line_.intent.store(0);
}

void StormWorker::read_anyones() {
  const std::uint32_t owner = random_.below(kWorkers);
  const std::uint32_t key = random_.below(kEntries);
  const WorkerLine& theirs = board_.workers[owner];
  // Sequentially consistent, as the owner's: announced before the call, committed after it, no number comes twice. So
  // if nothing is announced for the key after the read and it is committed as before, it was so throughout.
  const EntryState before = theirs.committed[key].load();
  const Code code = segments_.of(key).get(entry_name(owner, key), out_);
  const Intent intent = Intent::unpack(theirs.intent.load());
  const EntryState after = theirs.committed[key].load();
  const bool still = before == after &&
                     !(intent.kind != Intent::Kind::none && intent.kind != Intent::Kind::count && intent.key == key);
  const std::string name = entry_name(owner, key);
  expect(code, {Code::ok, Code::not_found}, "get");
  if (code == Code::not_found) {
    if (is_present(before) && still) fault(name + ": lost, committed as " + std::to_string(counter_of(before)));
    return;
  }
  const auto counter = read_checked(entry_number(owner, key), out_);
  if (!counter) return fault(name + ": a torn value of " + std::to_string(out_.size()) + " bytes");
  if (*counter < counter_of(before)) {
    fault(name + ": reads " + std::to_string(*counter) + " after " + std::to_string(counter_of(before)) +
          " was committed");
  }
  if (!is_present(before) && still) fault(name + ": is there after it was erased");
}

}  // namespace forklore::crash
