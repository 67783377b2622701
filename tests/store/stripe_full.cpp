// A stripe that is full: what makes room, who gives way, and what is refused.
#include <doctest/doctest.h>

#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "seed.hpp"
#include "store/soundness.hpp"

using namespace forklore;
using namespace forklore::store;
using tests::bytes;
using tests::check_sound;
using tests::StripeBox;

namespace {

/// Keys whose two buckets are the same two.
std::vector<std::string> keys_of_one_home(StripeBox& box, std::size_t n) {
  const Index::Snapshot index = Index(box.memory.data(), box.geometry).snapshot();
  std::vector<std::string> keys;
  std::set<Bucket*> home;
  for (unsigned i = 0; keys.size() < n; ++i) {
    std::string key = "k" + std::to_string(i);
    const auto both = index.candidates(base::hash(key));
    const std::set<Bucket*> mine(both.begin(), both.end());
    if (home.empty() && mine.size() == 2) home = mine;
    if (mine == home) keys.push_back(std::move(key));
  }
  return keys;
}

}  // namespace

TEST_CASE("one largest value after the other always finds room") {
  for (const std::uint64_t capacity : {kMinCapacityBytes, std::uint64_t{1} << 20}) {
    StripeBox box(capacity);
    for (unsigned i = 0; i < 200; ++i) {
      const std::string key = "key" + std::to_string(i % 7);
      const std::string value = bytes(box.geometry.shape.max_value - i % 3, i);
      REQUIRE(box.set(key, value) == Code::ok);
      REQUIRE(box.get(key) == value);
    }
    check_sound(box);
  }
}

TEST_CASE("a full stripe makes room for any entry, and forgets others whole") {
  const std::uint64_t seed = tests::seed();
  MESSAGE("seed " << seed);
  CAPTURE(seed);
  for (const std::uint64_t capacity : {kMinCapacityBytes, std::uint64_t{2} << 20}) {
    StripeBox box(capacity);
    std::mt19937_64 random(seed);
    for (unsigned i = 0; i < 20'000; ++i) {
      const std::uint64_t size = random() % 50 == 0 ? random() % box.geometry.shape.max_value : random() % 400;
      REQUIRE(box.set("key" + std::to_string(i), bytes(size, i)) == Code::ok);
      REQUIRE(box.get("key" + std::to_string(i)).value_or("gone") == bytes(size, i));
    }
    CHECK(box.header().evictions.load() > 1000);
    CHECK(box.stripe.totals().entries > 50);
    check_sound(box);
  }
}

TEST_CASE("a rejecting stripe that is full says so and leaves every entry as it was") {
  const std::uint64_t seed = tests::seed();
  MESSAGE("seed " << seed);
  CAPTURE(seed);
  for (const std::uint64_t capacity : {kMinCapacityBytes, std::uint64_t{2} << 20}) {
    StripeBox box(capacity, true);
    std::mt19937_64 random(seed);
    std::map<std::string, std::string> expected;
    unsigned full = 0;
    for (unsigned i = 0; i < 20'000; ++i) {
      const std::string key = "key" + std::to_string(random() % 5000);
      const std::string value = bytes(random() % 20 == 0 ? random() % box.geometry.shape.max_value : random() % 500, i);
      if (random() % 10 == 0) {
        REQUIRE((box.erase(key) == Code::ok) == (expected.erase(key) == 1));
        continue;
      }
      const Code code = box.set(key, value);
      if (code == Code::full) {
        ++full;
      } else {
        REQUIRE(code == Code::ok);
        expected[key] = value;
      }
    }
    CHECK(full > 100);
    for (const auto& [key, value] : expected) REQUIRE(box.get(key) == value);
    CHECK(box.stripe.totals().entries == expected.size());
    CHECK(box.header().evictions.load() == 0);
    check_sound(box);
  }
}

TEST_CASE("a rejecting stripe takes entries of live bytes for most of its size") {
  StripeBox box(2 << 20, true);
  std::uint64_t live = 0;
  for (unsigned i = 0; box.set("key" + std::to_string(i), bytes(1000)) == Code::ok; ++i) live += 1032;
  CHECK(live > box.geometry.stripe_bytes * 8 / 10);
}

TEST_CASE("a rejecting stripe collects its garbage, between spilled values too, before it says full") {
  for (const std::uint64_t capacity : {kMinCapacityBytes, std::uint64_t{2} << 20}) {
    CAPTURE(capacity);
    StripeBox box(capacity, true);
    // Every second entry goes, by erase or in time; between them lie large values that stay, over several chunks.
    const std::size_t large = box.geometry.shape.max_value * 9 / 10;
    const std::uint64_t soon = box.now + 1000;
    unsigned n = 0;
    const auto add = [&] {
      const unsigned i = n++;
      const std::size_t size = i % 40 == 0 ? large : 300;
      return box.set("key" + std::to_string(i), bytes(size, i), i % 4 == 1 ? soon : kNever);
    };
    while (add() == Code::ok) {
    }
    const unsigned stored = --n;
    std::uint64_t gone = 0;
    for (unsigned i = 1; i < stored; i += 2) {
      gone += box.get("key" + std::to_string(i)).has_value();
      if (i % 4 == 3) REQUIRE(box.erase("key" + std::to_string(i)) == Code::ok);
    }
    box.now = soon;
    // As many come in again, but for what a call must keep free.
    const std::uint64_t spare = (box.geometry.reserve_chunks + 2) * std::uint64_t{box.geometry.chunk_bytes} / 300;
    std::uint64_t back = 0;
    while (box.set("new" + std::to_string(back), bytes(300, static_cast<unsigned>(back))) == Code::ok) ++back;
    CHECK(back + spare >= gone * 9 / 10);
    const auto before = box.stripe.totals();
    for (unsigned i = 0; i < 50; ++i) CHECK(box.set("more" + std::to_string(i), bytes(large)) == Code::full);
    CHECK(box.stripe.totals().entries == before.entries);
    for (unsigned i = 0; i < stored; i += 2) {
      REQUIRE(box.get("key" + std::to_string(i)) == bytes(i % 40 == 0 ? large : 300, i));
    }
    for (unsigned i = 0; i < back; ++i) REQUIRE(box.get("new" + std::to_string(i)) == bytes(300, i));
    CHECK(box.header().evictions.load() == 0);
    check_sound(box);
  }
}

TEST_CASE("when both buckets of a new key are full, the coldest entry gives way") {
  StripeBox box(1 << 20);
  const auto keys = keys_of_one_home(box, 17);
  for (unsigned i = 0; i < 16; ++i) REQUIRE(box.set(keys[i], "value") == Code::ok);
  for (unsigned i = 0; i < 16; ++i) {
    if (i != 11) REQUIRE(box.get(keys[i]));
  }
  REQUIRE(box.set(keys[16], "newcomer") == Code::ok);
  CHECK(box.get(keys[16]) == "newcomer");
  CHECK_FALSE(box.get(keys[11]));
  for (unsigned i = 0; i < 16; ++i) {
    if (i != 11) CHECK(box.get(keys[i]) == "value");
  }
  CHECK(box.header().bucket_evictions.load() == 1);
  CHECK(box.header().evictions.load() == 1);
  check_sound(box);
}

TEST_CASE("when both buckets are full, an expired entry gives way before any live one, in reject mode too") {
  for (const bool reject : {false, true}) {
    CAPTURE(reject);
    StripeBox box(1 << 20, reject);
    const auto keys = keys_of_one_home(box, 18);
    for (unsigned i = 0; i < 16; ++i) {
      REQUIRE(box.set(keys[i], "value", i == 5 ? box.now + 10 : kNever) == Code::ok);
    }
    if (reject) CHECK(box.set(keys[16], "newcomer") == Code::full);
    box.now += 10;
    CHECK(box.set(keys[17], "late") == Code::ok);
    CHECK(box.get(keys[17]) == "late");
    for (unsigned i = 0; i < 16; ++i) CHECK(box.get(keys[i]).has_value() == (i != 5));
    if (reject) CHECK(box.set(keys[16], "newcomer") == Code::full);
    if (reject) CHECK(box.set(keys[3], "an overwrite needs no slot") == Code::ok);
    CHECK(box.header().evictions.load() == 0);
    check_sound(box);
  }
}

TEST_CASE("the index follows the entries: it grows with small ones, and gives its memory back to large ones") {
  for (const bool reject : {false, true}) {
    CAPTURE(reject);
    StripeBox box(4 << 20, reject);
    const auto fill = [&](const std::string& prefix, unsigned n, std::size_t size) {
      unsigned stored = 0;
      for (unsigned i = 0; i < n; ++i) stored += box.set(prefix + std::to_string(i), bytes(size, i)) == Code::ok;
      return stored;
    };
    const unsigned small = fill("small", 200'000, 2);
    const StripeTotals full = box.stripe.totals();
    CHECK(full.index_chunks > box.geometry.chunks / 6);
    CHECK(full.index_chunks < box.geometry.chunks * 3 / 8);
    CHECK(full.entries > 60'000);
    CHECK(box.header().bucket_evictions.load() == 0);
    check_sound(box);
    if (reject) {
      CHECK(small == full.entries);
      for (unsigned i = 0; i < small; ++i) {
        REQUIRE(box.get("small" + std::to_string(i)) == bytes(2, i));
        REQUIRE(box.erase("small" + std::to_string(i)) == Code::ok);
      }
    }
    fill("large", 2000, 8000);
    check_sound(box);
    const StripeTotals large = box.stripe.totals();
    CHECK(large.index_chunks <= 1);

    StripeBox fresh(4 << 20, reject);
    for (unsigned i = 0; i < 2000; ++i) static_cast<void>(fresh.set("large" + std::to_string(i), bytes(8000, i)));
    CHECK(large.entries >= fresh.stripe.totals().entries * 95 / 100);
  }
}

TEST_CASE("an index of its largest size still takes keys: the coldest give way") {
  StripeBox box(1 << 20);
  for (unsigned i = 0; i < 300'000; ++i) {
    const char key[] = {static_cast<char>(i), static_cast<char>(i >> 8), static_cast<char>(i >> 16)};
    REQUIRE(box.set({key, sizeof key}, "") == Code::ok);
    REQUIRE(box.get({key, sizeof key}) == "");
  }
  CHECK(box.stripe.totals().index_chunks <= box.geometry.chunks * 3 / 8);
  check_sound(box);
}
