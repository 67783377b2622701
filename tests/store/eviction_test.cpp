// Who leaves a stripe that is full, and how full it is then.
#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <set>

#include "sanitized.hpp"
#include "seed.hpp"
#include "store/soundness.hpp"

using namespace forklore;
using namespace forklore::store;
using tests::bytes;
using tests::check_sound;
using tests::StripeBox;

namespace {

constexpr std::uint64_t kSmallest = kMinCapacityBytes;

/// What an entry takes, 0 if it is not there or has expired. No read, which would count.
std::size_t size_of(StripeBox& box, const std::string& key) {
  std::size_t size = 0;
  static_cast<void>(box.decide(key, [&](const Present& present) {
    size = present.found ? present.head.total() : 0;
    return Decision{};
  }));
  return size;
}

/// The share of the chunks that entries have which expired, were overwritten or were erased.
double garbage(StripeBox& box, std::set<std::string>& keys) {
  const Log log(box.memory.data(), box.geometry);
  std::uint64_t used = 0, live = 0, chunks = 0;
  for (std::uint32_t chunk = 0; chunk < log.size(); ++chunk) {
    chunks += !log.is_index(chunk);
    if (log.in_log(chunk)) used += log.used(chunk);
  }
  std::erase_if(keys, [&](const std::string& key) {
    const std::size_t size = size_of(box, key);
    live += size;
    return size == 0;
  });
  return static_cast<double>(used - live) / static_cast<double>(chunks * log.chunk_bytes());
}

}  // namespace

TEST_CASE("entries that are read again outlast a stream of others that are not") {
  StripeBox box(1 << 20);
  const std::string value = bytes(500);
  for (unsigned i = 0; i < 100; ++i) REQUIRE(box.set("hot" + std::to_string(i), value) == Code::ok);
  std::set<unsigned> lost;
  for (unsigned i = 0; i < 40'000; ++i) {  // twenty times what fits
    REQUIRE(box.set("once" + std::to_string(i), value) == Code::ok);
    if (!box.get("hot" + std::to_string(i % 100))) lost.insert(i % 100);
  }
  CHECK(lost.size() <= 2);
  unsigned left = 0;
  for (unsigned i = 4'000; i < 20'000; ++i) left += box.get("once" + std::to_string(i)).has_value();
  CHECK(left <= 20);  // of those that came when it was full, but for those whose fingerprint is a stranger's
  check_sound(box);
}

TEST_CASE("who comes back soon after leaving stays longer than who is new") {
  StripeBox box(1 << 20);
  const std::string value = bytes(500);
  const unsigned most = static_cast<unsigned>(box.geometry.stripe_bytes / 560);  // of such entries that fit
  unsigned other = 0;
  const auto stream = [&](unsigned n) {
    for (unsigned i = 0; i < n; ++i) REQUIRE(box.set("other" + std::to_string(other++), value) == Code::ok);
  };
  stream(most);
  for (unsigned i = 0; i < 300; ++i) REQUIRE(box.set("back" + std::to_string(i), value) == Code::ok);
  stream(most * 7 / 10);
  for (unsigned i = 0; i < 300; ++i) REQUIRE_FALSE(box.get("back" + std::to_string(i)));
  for (unsigned i = 0; i < 300; ++i) {
    REQUIRE(box.set("back" + std::to_string(i), value) == Code::ok);
    REQUIRE(box.set("new" + std::to_string(i), value) == Code::ok);
  }
  stream(most * 13 / 10);
  unsigned back = 0, fresh = 0;
  for (unsigned i = 0; i < 300; ++i) {
    back += box.get("back" + std::to_string(i)).has_value();
    fresh += box.get("new" + std::to_string(i)).has_value();
  }
  CHECK(back > 250);
  CHECK(fresh < 50);
}

TEST_CASE("what came first and is never read stays beside others like it, and gives way to what comes back") {
  StripeBox box(1 << 20);
  unsigned first = 0;
  while (box.header().evictions.load() == 0)
    REQUIRE(box.set("first" + std::to_string(first++), bytes(200)) == Code::ok);
  const auto left = [&] {
    unsigned n = 0;
    // Without a read, which would count.
    for (unsigned i = 0; i < first; ++i) {
      static_cast<void>(box.decide("first" + std::to_string(i), [&](const Present& present) {
        n += present.found;
        return Decision{};
      }));
    }
    return n;
  };
  for (unsigned i = 0; i < 3 * first; ++i) REQUIRE(box.set("once" + std::to_string(i), bytes(200)) == Code::ok);
  const unsigned beside = left();
  CHECK(beside > first * 3 / 4);

  unsigned back = 0;
  for (unsigned i = 0; i < first / 2; ++i) {
    const std::string key = "back" + std::to_string(i % (first / 4));
    if (box.get(key).has_value()) continue;
    back += i >= first / 4;
    REQUIRE(box.set(key, bytes(200)) == Code::ok);
  }
  CHECK(back > first / 10);
  for (unsigned i = 0; i < first; ++i) REQUIRE(box.set("more" + std::to_string(i), bytes(200)) == Code::ok);
  CHECK(beside - left() > 2 * back);
  check_sound(box);
}

TEST_CASE("evictions are counted by where they come from") {
  StripeBox box(1 << 20);
  const StripeHeader& header = box.header();
  unsigned n = 0;
  while (header.evictions.load() < 100) REQUIRE(box.set("small" + std::to_string(n++), bytes(200)) == Code::ok);
  CHECK(header.large_evictions.load() == 0);
  for (unsigned i = 0; header.large_evictions.load() == 0 && i < 1000; ++i) {
    REQUIRE(box.set("large" + std::to_string(i), bytes(8000)) == Code::ok);
    for (unsigned j = 0; j < 10; ++j) REQUIRE(box.set("small" + std::to_string(n++), bytes(200)) == Code::ok);
  }
  CHECK(header.large_evictions.load() > 0);
  for (unsigned i = 0; i < 2000; ++i) {
    const std::string key = "back" + std::to_string(i % 800);
    if (!box.get(key).has_value()) REQUIRE(box.set(key, bytes(200)) == Code::ok);
  }
  CHECK(header.main_evictions.load() > 0);
  CHECK(header.main_evictions.load() + header.large_evictions.load() < header.evictions.load());
}

TEST_CASE("expired entries make room before live ones leave") {
  StripeBox box(1 << 20);
  const std::string value = bytes(500);
  for (unsigned i = 0; i < 600; ++i) REQUIRE(box.set("stays" + std::to_string(i), value) == Code::ok);
  for (unsigned round = 0; round < 20; ++round) {
    for (unsigned i = 0; i < 600; ++i) {
      REQUIRE(box.set(std::to_string(round) + "goes" + std::to_string(i), value, box.now + 10) == Code::ok);
    }
    box.now += 10;
  }
  CHECK(box.header().expirations.load() > 8'000);
  for (unsigned i = 0; i < 600; ++i) REQUIRE(box.get("stays" + std::to_string(i)) == value);
  CHECK(box.header().evictions.load() == 0);
}

TEST_CASE("overwriting the same keys for ever evicts nobody") {
  StripeBox box(1 << 20);
  for (unsigned i = 0; i < 50'000; ++i) {
    const std::string key = "key" + std::to_string(i * 7919 % 1000);
    REQUIRE(box.set(key, bytes(300 + i % 100, i)) == Code::ok);
  }
  CHECK(box.header().evictions.load() == 0);
  CHECK(box.stripe.totals().entries == 1000);
  check_sound(box);
}

TEST_CASE("a full stripe evicts nobody while more than 15 % of it has expired or was overwritten") {
  for (const std::uint64_t long_ttl : {std::uint64_t{1'000'000'000}, kNever}) {
    CAPTURE(long_ttl);
    StripeBox box(2 << 20);
    std::uint64_t stored_bytes = 0;
    unsigned n = 0;
    const auto store = [&](bool brief) {
      const std::string key = "key" + std::to_string(n++);
      REQUIRE(box.set(key, bytes(200, n), brief ? box.now + 1000 : long_ttl) == Code::ok);
      stored_bytes += 16 + key.size() + 200;
    };
    while (box.header().evictions.load() == 0) store(n % 2 == 0);
    const std::uint64_t full = box.stripe.totals().live_bytes;
    // All that is brief expires: half of the memory. Until most of it has been used again, nobody leaves.
    box.now += 2000;
    const std::uint64_t evicted = box.header().evictions.load();
    stored_bytes = 0;
    while (box.header().evictions.load() == evicted) store(n % 2 == 0);
    CHECK(stored_bytes > full * (50 - 15) / 100);
    check_sound(box);
  }
}

TEST_CASE("when somebody is evicted, no more than 15 % of a stripe has expired or was overwritten") {
  const std::uint64_t seed = tests::seed();
  MESSAGE("seed " << seed);
  CAPTURE(seed);
  for (const bool new_keys : {true, false}) {
    for (const bool end : {true, false}) {
      CAPTURE(new_keys);
      CAPTURE(end);
      StripeBox box(1 << 20);
      std::mt19937_64 random(seed);
      std::set<std::string> keys;
      unsigned evicting = 0, looks = 0;
      for (unsigned i = 0; i < 60'000; ++i) {
        // Some are overwritten again and again.
        const std::uint64_t number = new_keys ? i : random() % 8 != 0 ? random() % 2000 : random() % 20'000;
        const std::string key = "key" + std::to_string(number);
        const std::size_t size = new_keys ? 200 : random() % 600;
        // Half of them end, after a millisecond or half a minute.
        const std::uint64_t expiry = !end || random() % 2 == 0 ? kNever : box.now + (1u << random() % 15);
        if (i % 3 == 0) {
          ++box.now;
          static_cast<void>(box.get("key" + std::to_string(random() % 20'000)));
        }
        const std::uint64_t evicted = box.header().evictions.load();
        REQUIRE(box.set(key, bytes(size, i), expiry) == Code::ok);
        keys.insert(key);
        if (box.header().evictions.load() == evicted || ++evicting % 8 != 0) continue;
        ++looks;
        REQUIRE(garbage(box, keys) <= 0.15);
      }
      CHECK(looks > 10);
      check_sound(box);
    }
  }
}

TEST_CASE("overwriting one key for ever in a full stripe evicts nobody else for long") {
  StripeBox box(1 << 20);
  for (unsigned i = 0; box.header().evictions.load() == 0; ++i) {
    REQUIRE(box.set("key" + std::to_string(i), bytes(200, i)) == Code::ok);
  }
  const std::uint64_t before = box.stripe.totals().entries;
  for (unsigned i = 0; i < 2000; ++i) REQUIRE(box.set("one", bytes(700, i)) == Code::ok);
  const std::uint64_t evicted = box.header().evictions.load();
  CHECK(box.stripe.totals().entries > before * 9 / 10);
  for (unsigned i = 0; i < 20'000; ++i) REQUIRE(box.set("one", bytes(700, i)) == Code::ok);
  CHECK(box.header().evictions.load() == evicted);
}

TEST_CASE("entries of any size fill the memory beside the index") {
  for (const std::uint64_t capacity : {std::uint64_t{1} << 20, std::uint64_t{4} << 20}) {
    StripeBox plan(capacity);
    const std::size_t whole = std::size_t{plan.geometry.chunks} * plan.geometry.chunk_bytes;
    for (std::size_t size = 1; size + 64 < plan.geometry.max_entry; size += 1 + size / (tests::kSanitized ? 1 : 3)) {
      CAPTURE(capacity);
      CAPTURE(size);
      StripeBox box(capacity);
      const std::string value = bytes(size);
      const std::size_t entries = whole / (size + 24) + 1;
      std::size_t least = 100;
      for (std::size_t i = 0; i < 2 * entries + 40; ++i) {
        REQUIRE(box.set("key" + std::to_string(i), value) == Code::ok);
        if (i < entries + 4 || i % (entries / 8 + 1) != 0) continue;
        const StripeTotals totals = box.stripe.totals();
        const std::size_t room = whole - totals.index_chunks * box.geometry.chunk_bytes;
        least = std::min(least, totals.live_bytes * 100 / room);
      }
      CHECK(least >= (size <= box.geometry.stripe_bytes / 10 ? 90 : 70));
    }
  }
}

TEST_CASE("values near the largest leave no more than the gap of one") {
  for (const std::uint64_t capacity : {kSmallest, std::uint64_t{1} << 20, std::uint64_t{4} << 20}) {
    for (const std::size_t percent : {37u, 50u, 62u, 75u, 84u, 90u, 97u, 100u}) {
      CAPTURE(capacity);
      CAPTURE(percent);
      StripeBox box(capacity);
      const std::size_t whole = std::size_t{box.geometry.chunks} * box.geometry.chunk_bytes;
      const std::string value = bytes(box.geometry.shape.max_value * percent / 100);
      std::size_t least = 100;
      for (unsigned i = 0; i < 32; ++i) {
        REQUIRE(box.set("key" + std::to_string(i), value) == Code::ok);
        const StripeTotals totals = box.stripe.totals();
        const std::size_t room = whole - totals.index_chunks * box.geometry.chunk_bytes;
        if (i > 12) least = std::min(least, totals.live_bytes * 100 / room);
      }
      CHECK(least >= 70);
    }
  }
}
