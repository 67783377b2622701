// Readers under writers, in processes of their own: no value is ever torn, whatever is recycled under it.
#include <doctest/doctest.h>

#include <atomic>
#include <random>
#include <thread>
#include <vector>

#include "child.hpp"
#include "process/checked_value.hpp"
#include "process/waiting.hpp"
#include "seed.hpp"
#include "shared.hpp"
#include "unique_name.hpp"

using namespace forklore;
using tests::checked_value;
using tests::Child;
using tests::comes_true;
using tests::number_of;
using tests::Shared;
using tests::UniqueName;

namespace {

constexpr unsigned kKeys = 12;
constexpr std::chrono::milliseconds kPatience{20'000};

struct Tally {
  std::atomic<bool> end;
  std::atomic<std::uint64_t> reads, hits, spilled, torn, backwards, writes, refused;
};

std::string key(unsigned i) { return "key" + std::to_string(i); }

/// Up to 20 KB, a quarter of them spilled over chunks of 4 KiB.
std::size_t size_of(std::uint64_t x) { return x % 4 == 0 ? 4096 + x / 4 % 16'000 : 24 + x / 4 % 2000; }

int write(Cache& cache, Tally& tally, std::uint64_t seed, std::uint64_t number) {
  std::mt19937_64 random(seed);
  while (!tally.end.load(std::memory_order_relaxed)) {
    const std::string k = key(static_cast<unsigned>(random() % kKeys));
    number += 2;
    const Code code = random() % 20 == 0 ? cache.erase(k) : cache.set(k, checked_value(k, number, size_of(random())));
    if (code == Code::ok) {
      tally.writes.fetch_add(1, std::memory_order_relaxed);
    } else if (code != Code::not_found) {
      tally.refused.fetch_add(1, std::memory_order_relaxed);
    }
  }
  return 0;
}

int read(Cache& cache, Tally& tally, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<std::uint64_t> last(std::size_t{kKeys} * 2);  // of either writer, whose numbers are odd or even
  std::string out;
  while (!tally.end.load(std::memory_order_relaxed)) {
    const auto i = static_cast<unsigned>(random() % kKeys);
    tally.reads.fetch_add(1, std::memory_order_relaxed);
    if (cache.get(key(i), out) != Code::ok) continue;
    tally.hits.fetch_add(1, std::memory_order_relaxed);
    if (out.size() > 4096) tally.spilled.fetch_add(1, std::memory_order_relaxed);
    const auto number = number_of(key(i), out);
    if (!number) {
      tally.torn.fetch_add(1, std::memory_order_relaxed);
      continue;
    }
    std::uint64_t& before = last[std::size_t{i} * 2 + *number % 2];
    if (*number < before) tally.backwards.fetch_add(1, std::memory_order_relaxed);
    before = *number;
  }
  return 0;
}

void storm(std::size_t capacity, std::chrono::milliseconds time) {
  const std::uint64_t seed = tests::seed();
  MESSAGE("seed " << seed);
  CAPTURE(seed);
  const UniqueName name;
  Cache cache = Cache::open(
      {.name = name, .capacity_bytes = capacity, .max_value_bytes = 20'500ul, .stripes = 1, .lock_timeout = kPatience});
  Shared<Tally> tally;
  std::vector<Child> children;
  for (std::uint64_t i = 0; i < 2; ++i) {
    children.emplace_back([&, i] { return write(cache, *tally, seed + i, i); });
    children.emplace_back([&, i] {
      Cache reader = Cache::open({.name = name, .read_only = i == 1});
      return read(reader, *tally, seed + 2 + i);
    });
  }
  std::this_thread::sleep_for(time);
  // Where others use the processors too, it takes longer until enough has happened.
  CHECK(comes_true([&] { return tally->writes > 1000 && tally->hits > 1000 && tally->spilled > 100; }, kPatience));
  tally->end = true;
  for (Child& child : children) CHECK(child.join() == 0);
  MESSAGE(tally->writes.load() << " writes, " << tally->hits.load() << " hits, " << tally->spilled.load()
                               << " of spilled values, " << cache.stats().rereads << " begun again");
  CHECK(tally->torn == 0);
  CHECK(tally->backwards == 0);
  CHECK(tally->refused == 0);
  CHECK(cache.verify().empty());
}

}  // namespace

TEST_CASE("two writers and two readers on the smallest segment, where chunks are reused all the time") {
  storm(kMinCapacityBytes, std::chrono::milliseconds(5000));
}

TEST_CASE("the same where there is room, so that old values are collected rather than evicted") {
  storm(1 << 20, std::chrono::milliseconds(2500));
}
