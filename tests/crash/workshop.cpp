#include "crash/workshop.hpp"

#include <stdexcept>

namespace forklore::crash {
namespace {

Options options(const std::string& name, WhenFull when_full, std::size_t capacity) {
  return {.name = name, .capacity_bytes = capacity, .when_full = when_full, .stripes = 1};
}

}  // namespace

void Snapshot::for_each_entry(
    const std::function<void(const std::string&, std::uint64_t, store::Location)>& visit) const {
  for (std::uint32_t bucket = 0; bucket < index().size(); ++bucket) {
    for (const store::Word& slot : index().bucket(bucket).slot) {
      const std::uint64_t word = slot.load(std::memory_order_relaxed);
      store::Location place;
      store::EntryHead head;
      if (word == 0 || !log_.locate(word, place) || !log_.read_head(place, head)) continue;
      visit({reinterpret_cast<const char*>(log_.at(place)) + head.key_at(), head.key_size}, word, place);
    }
  }
}

std::uint64_t Snapshot::word_of(const std::string& key) const {
  std::uint64_t found = 0;
  for_each_entry([&](const std::string& other, std::uint64_t word, store::Location) {
    if (other == key) found = store::without_frequency(word);
  });
  return found;
}

Workshop::Workshop(std::uint64_t seed, WhenFull when_full, std::size_t capacity)
    : cache_(Cache::open(options(name_, when_full, capacity))), file_(name_), random_(seed) {}

void Workshop::work(unsigned calls, std::size_t largest, std::uint32_t keys) {
  std::string value;
  for (unsigned i = 0; i < calls; ++i) {
    const auto number = static_cast<std::uint16_t>(random_.below(keys));
    const std::string key = numbered("old-", number);
    const std::uint32_t what = random_.below(10);
    if (what < 6) {
      const Ttl ttl = random_.one_in(4) ? std::chrono::hours(2 + random_.below(20)) : kForever;
      make_checked(number, i, 8 + random_.below(static_cast<std::uint32_t>(largest)), value);
      static_cast<void>(cache_.set(key, value, ttl));
    } else if (what < 9) {
      static_cast<void>(cache_.contains(key));
    } else {
      static_cast<void>(cache_.erase(key));
    }
  }
}

Prepared Workshop::with(Call call) { return {file_.take(), file_.geometry(), std::move(call)}; }

Prepared Workshop::find(const std::function<Call(unsigned)>& next, const Wanted& wanted, std::size_t largest,
                        std::uint32_t keys) {
  constexpr unsigned kTries = 20'000;
  for (unsigned i = 0; i < kTries; ++i) {
    const Call call = next(i);
    const Snapshot before = snapshot();
    call(cache_);
    if (wanted(before, snapshot())) return {before.image(), file_.geometry(), call};
    work(1 + random_.below(4), largest, keys);
  }
  throw std::runtime_error("no call did what the scenario wants");
}

Workshop::Call set_call(const std::string& key, std::uint16_t number, std::size_t size) {
  std::string value;
  make_checked(number, 1, size, value);
  return [key, value](Cache& cache) { static_cast<void>(cache.set(key, value)); };
}

}  // namespace forklore::crash
