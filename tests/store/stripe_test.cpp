#include "store/stripe.hpp"

#include <doctest/doctest.h>
#include <linux/futex.h>

#include <atomic>
#include <map>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "seed.hpp"
#include "store/soundness.hpp"

using namespace forklore;
using namespace forklore::store;
using tests::bytes;
using tests::check_sound;
using tests::StripeBox;

namespace {

constexpr std::uint64_t kSmallest = kMinCapacityBytes;

/// Keys whose two buckets are the same two.
std::vector<std::string> keys_of_one_home(StripeBox& box, std::size_t n) {
  const Index::View index = Index(box.memory.data(), box.geometry).view();
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

TEST_CASE("what is set is read, overwritten and erased") {
  StripeBox box(1 << 20);
  CHECK_FALSE(box.get("key"));
  CHECK(box.erase("key") == Code::not_found);
  CHECK(box.set("key", "value") == Code::ok);
  CHECK(box.get("key") == "value");
  CHECK(box.set("key", "") == Code::ok);
  CHECK(box.get("key") == "");
  CHECK(box.set("key", "another value, longer") == Code::ok);
  CHECK(box.get("key") == "another value, longer");
  CHECK(box.stripe.totals().entries == 1);
  CHECK(box.stripe.totals().live_bytes == 40);
  CHECK(box.erase("key") == Code::ok);
  CHECK_FALSE(box.get("key"));
  CHECK(box.stripe.totals().entries == 0);
  CHECK(box.stripe.totals().live_bytes == 0);
  check_sound(box);
}

TEST_CASE("keys and values are bytes, of any length up to the limits") {
  StripeBox box(4 << 20);
  const std::string longest(kMaxKeyBytes, '\0');
  const std::string most = bytes(box.geometry.shape.max_value, 1);
  CHECK(box.set(longest, most) == Code::ok);
  CHECK(box.set(longest.substr(1), "shorter by one") == Code::ok);
  CHECK(box.set(std::string(1, '\0'), "shortest") == Code::ok);
  CHECK(box.get(longest) == most);
  CHECK(box.get(longest.substr(1)) == "shorter by one");
  CHECK(box.get(std::string(1, '\0')) == "shortest");
  check_sound(box);
}

TEST_CASE("the format comes back with the value") {
  StripeBox box(1 << 20);
  std::string value;
  Reading reading;
  REQUIRE(box.set("key", "value", kNever, 0xfffe) == Code::ok);
  REQUIRE(box.read("key", value, reading) == Code::ok);
  CHECK(reading.found.format == 0xfffe);
  CHECK(reading.found.size == 5);
  CHECK(reading.expiry == kNever);
}

TEST_CASE("an entry is gone from its millisecond on, and its slot is used again") {
  StripeBox box(1 << 20);
  REQUIRE(box.set("key", "value", box.now + 5) == Code::ok);
  box.now += 4;
  CHECK(box.get("key") == "value");
  box.now += 1;
  CHECK_FALSE(box.get("key"));
  CHECK(box.erase("key") == Code::not_found);
  CHECK(box.touch("key", kNever) == Code::not_found);
  REQUIRE(box.set("key", "fresh") == Code::ok);
  CHECK(box.get("key") == "fresh");
  CHECK(box.stripe.totals().entries == 1);
  check_sound(box);
}

TEST_CASE("touch changes when an entry goes, of a spilled value too, and keeps the rest") {
  StripeBox box(1 << 20);
  const std::string longer = bytes(30'000);
  for (const std::string& value : {std::string("short"), longer}) {
    REQUIRE(box.set("key", value, box.now + 10, 321) == Code::ok);
    REQUIRE(box.touch("key", box.now + 1000) == Code::ok);
    box.now += 999;
    CHECK(box.get("key") == value);
    check_sound(box);
    REQUIRE(box.touch("key", box.now + 1) == Code::ok);
    box.now += 1;
    CHECK_FALSE(box.get("key"));
    REQUIRE(box.set("key", value, box.now + 10, 321) == Code::ok);
    REQUIRE(box.touch("key", kNever) == Code::ok);
    box.now += 1'000'000'000;
    std::string out;
    Reading reading;
    REQUIRE(box.read("key", out, reading) == Code::ok);
    CHECK(out == value);
    CHECK(reading.found.format == 321);
    CHECK(reading.expiry == kNever);
  }
}

TEST_CASE("an integer changes in place and keeps its time, its place and its frequency") {
  StripeBox box(1 << 20);
  REQUIRE(box.set_integer("n", 40) == Code::ok);
  REQUIRE(box.touch("n", box.now + 100) == Code::ok);
  const StripeTotals before = box.stripe.totals();
  for (int i = 0; i < 1000; ++i) REQUIRE(box.increment("n", -3) == Code::ok);
  CHECK(box.stripe.totals().live_bytes == before.live_bytes);
  CHECK(box.stripe.totals().free_chunks == before.free_chunks);
  std::int64_t value = 0;
  const auto out = box.get("n");
  REQUIRE(out);
  REQUIRE(out->size() == sizeof value);
  std::memcpy(&value, out->data(), sizeof value);
  CHECK(value == 40 - 3000);
  box.now += 100;
  CHECK_FALSE(box.get("n"));
}

TEST_CASE("a version is the value's: it changes with every store and every increment, and with nothing else") {
  StripeBox box(kSmallest);
  std::set<std::uint64_t> seen;
  for (unsigned i = 0; i < 30'000; ++i) {  // the smallest stripe's memory is used over and over
    REQUIRE(box.set("key", "value") == Code::ok);
    REQUIRE(seen.insert(box.version("key")).second);
  }
  const std::uint64_t version = box.version("key");
  CHECK(box.touch("key", kNever - 1) == Code::ok);
  CHECK(box.version("key") == version);
  CHECK(box.compare_and_set("key", version + 1, "wrong") == Code::changed);
  CHECK(box.compare_and_set("key", version, "right") == Code::ok);
  CHECK(box.compare_and_set("key", version, "stale") == Code::changed);
  CHECK(box.get("key") == "right");

  REQUIRE(box.set_integer("n", 0) == Code::ok);
  const std::uint64_t zero = box.version("n");
  REQUIRE(box.increment("n", 1) == Code::ok);
  CHECK(box.version("n") != zero);
  REQUIRE(box.increment("n", -1) == Code::ok);
  CHECK(box.version("n") == zero);  // the same value in the same place
}

TEST_CASE("values of every size up to the largest are kept whole, in any order") {
  StripeBox box(8 << 20);
  const std::uint64_t seed = tests::seed();
  MESSAGE("seed " << seed);
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  std::map<std::string, std::string> expected;
  const std::uint64_t most = box.geometry.shape.max_value;
  for (unsigned i = 0; i < 300; ++i) {
    const std::string key = "key" + std::to_string(random() % 60);
    const std::uint64_t size = i == 0 ? most : random() % (std::uint64_t{1} << (random() % 16 + 1));
    expected[key] = bytes(size, random());
    REQUIRE(box.set(key, expected[key]) == Code::ok);
  }
  for (const auto& [key, value] : expected) REQUIRE(box.get(key) == value);
  CHECK(box.header().evictions.load() == 0);
  check_sound(box);
}

TEST_CASE("one largest value after the other always finds room") {
  for (const std::uint64_t capacity : {kSmallest, std::uint64_t{1} << 20}) {
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
  for (const std::uint64_t capacity : {kSmallest, std::uint64_t{2} << 20}) {
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
  for (const std::uint64_t capacity : {kSmallest, std::uint64_t{2} << 20}) {
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
  for (const std::uint64_t capacity : {kSmallest, std::uint64_t{2} << 20}) {
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

TEST_CASE("a cleared stripe is empty and takes entries as before") {
  StripeBox box(1 << 20);
  for (unsigned round = 0; round < 3; ++round) {
    for (unsigned i = 0; i < 3000; ++i) REQUIRE(box.set("key" + std::to_string(i), bytes(100, i)) == Code::ok);
    REQUIRE(box.stripe.clear(box.timeout) == Code::ok);
    CHECK(box.stripe.totals().entries == 0);
    CHECK(box.stripe.totals().live_bytes == 0);
    CHECK(box.stripe.totals().free_chunks == box.geometry.chunks);
    for (unsigned i = 0; i < 3000; ++i) REQUIRE_FALSE(box.get("key" + std::to_string(i)));
    check_sound(box);
  }
}

TEST_CASE("a scan gives the keys of the stripe, by prefix") {
  StripeBox box(1 << 20);
  std::set<std::string> expected;
  for (unsigned i = 0; i < 500; ++i) {
    const std::string key = (i % 2 == 0 ? "even" : "odd") + std::to_string(i);
    REQUIRE(box.set(key, "value", i % 5 == 0 ? box.now + 1 : kNever) == Code::ok);
    if (i % 2 == 0 && i % 5 != 0) expected.insert(key);
  }
  box.now += 1;
  std::vector<std::string> keys;
  ScanPlace place;
  box.stripe.scan(place, box.now, "even", 10'000, keys);
  CHECK(place.log == Kind::free);
  CHECK(keys.size() == expected.size());
  CHECK(std::set<std::string>(keys.begin(), keys.end()) == expected);
}

TEST_CASE("a lock whose owner died is taken over, and what it left half-done is derived anew") {
  StripeBox box(1 << 20);
  for (unsigned i = 0; i < 2000; ++i) REQUIRE(box.set("key" + std::to_string(i), bytes(50 + i % 900, i)) == Code::ok);
  for (const std::uint32_t garbage : {0u, 3u, ~0u}) {
    for (HalfWord& open : box.header().open) open.store(garbage);
    box.header().sequence.store(garbage);
    const std::uint64_t before = box.header().recoveries.load();
    box.header().lock.store(FUTEX_OWNER_DIED | 12345);
    REQUIRE(box.set("after", "value") == Code::ok);
    CHECK(box.header().recoveries.load() == before + 1);
    CHECK(box.header().lock.load() == 0);
    CHECK(box.header().resets.load() == 0);
    CHECK(box.get("after") == "value");
    for (unsigned i = 1000; i < 2000; ++i)
      REQUIRE(box.get("key" + std::to_string(i)).value_or("") == bytes(50 + i % 900, i));
    check_sound(box);
  }
}

TEST_CASE("a lock that a living thread keeps makes a write busy, and hinders no read") {
  StripeBox box(1 << 20);
  REQUIRE(box.set("key", "value") == Code::ok);
  box.timeout = std::chrono::milliseconds(20);
  box.header().lock.store(1);  // process 1 lives
  CHECK(box.set("key", "other") == Code::busy);
  CHECK(box.erase("key") == Code::busy);
  CHECK(box.stripe.clear(box.timeout) == Code::busy);
  CHECK(box.get("key") == "value");
  std::vector<std::string> faults;
  CHECK(box.stripe.verify("stripe", box.timeout, faults) == Code::busy);
  box.header().lock.store(0);
  CHECK(box.set("key", "other") == Code::ok);
}

TEST_CASE("a stripe that may not be written is read and stays as it is, its lock too") {
  StripeBox box(1 << 20);
  REQUIRE(box.set("key", "value") == Code::ok);
  REQUIRE(box.set("endless", bytes(20'000)) == Code::ok);
  std::memset(box.memory.data() + box.geometry.next_at, 0, box.geometry.chunks * sizeof(HalfWord));  // nor ever read
  box.header().lock.store(FUTEX_OWNER_DIED);
  Stripe reader(box.memory.data(), box.geometry, false);
  SUBCASE("on a read-only mapping") {}
  SUBCASE("or because it has been forbidden") {
    reader = Stripe(box.memory.data(), box.geometry, true);
    reader.forbid_writing();
  }
  const std::string before(reinterpret_cast<const char*>(box.memory.data()), box.memory.size());
  std::string out;
  Reading reading;
  std::uint64_t rereads = 0;
  auto room = [&](const Found& found) {
    out.resize(found.size);
    return out.data();
  };
  for (unsigned i = 0; i < 5; ++i) {
    REQUIRE(reader.read({"key", base::hash("key")}, box.now, room, reading, box.timeout, rereads) == Code::ok);
    CHECK(out == "value");
    const Key endless{"endless", base::hash("endless")};
    REQUIRE(reader.read(endless, box.now, room, reading, box.timeout, rereads) == Code::not_found);
  }
  CHECK(std::memcmp(before.data(), box.memory.data(), before.size()) == 0);
}

TEST_CASE("a stripe whose bytes are damaged crashes nobody, keeps nobody waiting, and is whole again once cleared") {
  const std::uint64_t seed = tests::seed();
  MESSAGE("seed " << seed);
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  for (unsigned round = 0; round < 400; ++round) {
    CAPTURE(round);
    const bool reject = round % 4 == 3;
    StripeBox box(kSmallest << (round % 2), reject);
    for (unsigned i = 0; i < 300; ++i) {
      static_cast<void>(box.set("key" + std::to_string(i), bytes(i % 20 == 0 ? 6000 : i % 300, i)));
    }
    // Some rounds hit anywhere, the others what leads from one thing to the next: all before the chunks.
    const std::size_t begin = sizeof(StripeHeader::lock);
    const std::size_t end = round % 3 == 0 ? box.geometry.stripe_bytes : box.geometry.chunks_at;
    const unsigned hits = 1u << (random() % 11);
    for (unsigned i = 0; i < hits; ++i) {
      const std::size_t at = begin + random() % (end - begin);
      box.memory.data()[at] = static_cast<std::byte>(random() % 3 == 0 ? 0xff : random());
    }
    const auto start = std::chrono::steady_clock::now();
    for (unsigned i = 0; i < 600; ++i) {
      const std::string key = "key" + std::to_string(random() % 400);
      switch (random() % 7) {
        case 0:
        case 1:
          static_cast<void>(box.set(key, bytes(random() % 15 == 0 ? 9000 : random() % 500)));
          break;
        case 2:
          static_cast<void>(box.erase(key));
          break;
        case 3:
          static_cast<void>(box.touch(key, box.now + random() % 100));
          break;
        case 4:
          static_cast<void>(box.set_integer(key, 1));
          static_cast<void>(box.increment(key, 1));
          break;
        default:
          static_cast<void>(box.get(key));
      }
    }
    std::vector<std::string> keys;
    for (const Kind log : {Kind::small, Kind::main}) {
      ScanPlace place{log, random() % 64, static_cast<std::uint32_t>(random() % 4096)};
      box.stripe.scan(place, box.now, "", 10'000, keys);
    }
    static_cast<void>(box.stripe.totals());
    static_cast<void>(box.verify());
    box.header().lock.store(FUTEX_OWNER_DIED | 12345);
    static_cast<void>(box.set("key", "value"));
    REQUIRE(std::chrono::steady_clock::now() - start < std::chrono::seconds(5));

    REQUIRE(box.stripe.clear(box.timeout) == Code::ok);
    check_sound(box);
    for (unsigned i = 0; i < 30; ++i) {
      const std::string key = "key" + std::to_string(i);
      REQUIRE(box.set(key, bytes(400, i)) == Code::ok);
      REQUIRE(box.get(key) == bytes(400, i));
    }
    check_sound(box);
  }
}

TEST_CASE("a chunk of no kind is found when room is made, and the stripe begins anew") {
  for (const unsigned kind : {kKinds, 200u, 255u}) {
    CAPTURE(kind);
    StripeBox box(kSmallest);
    unsigned i = 0;
    for (; box.header().evictions == 0; ++i) REQUIRE(box.set("key" + std::to_string(i), bytes(1000, i)) == Code::ok);
    auto* states = reinterpret_cast<Word*>(box.memory.data() + box.geometry.states_at);
    std::uint32_t chunk = 0;  // of the small log, and not the one that it appends to
    while (kind_of(states[chunk]) != Kind::small || chunk + 1 == box.header().open[1]) ++chunk;
    REQUIRE(chunk < box.geometry.chunks);
    states[chunk] = std::uint64_t{kind} << kKindShift | sequence_of(states[chunk]);
    for (const unsigned last = i + 10; i < last; ++i) {
      REQUIRE(box.set("key" + std::to_string(i), bytes(1000, i)) == Code::ok);
    }
    CHECK(box.header().resets.load() == 1);
    CHECK(box.get("key" + std::to_string(i - 1)) == bytes(1000, i - 1));
    check_sound(box);
  }
}

TEST_CASE("readers beside a writer see whole values, and miss nothing that is there all the time") {
  constexpr unsigned kKeys = 6;
  for (const std::uint64_t capacity : {std::uint64_t{1} << 20, kSmallest}) {
    CAPTURE(capacity);
    StripeBox box(capacity);
    const bool roomy = capacity > kSmallest;
    const auto key = [](unsigned i) { return "key" + std::to_string(i); };
    const auto value = [](unsigned k, std::uint64_t n) {
      std::string text = bytes(n % 5 == 0 ? 9000 + n % 3000 : n % 700, k * 1'000'003 + n);
      text += std::to_string(n);
      text.resize(text.size() + 1, '#');
      return text + std::string(text.rbegin(), text.rend());
    };
    for (unsigned k = 0; k < kKeys; ++k) REQUIRE(box.set(key(k), value(k, k)) == Code::ok);
    std::atomic<bool> end{false};
    std::atomic<std::uint64_t> hits{0}, misses{0}, torn{0};
    std::vector<std::thread> readers;
    for (unsigned r = 0; r < 2; ++r) {
      readers.emplace_back([&, r] {
        Stripe stripe(box.memory.data(), box.geometry, true);
        std::string out;
        Reading reading;
        std::uint64_t rereads = 0;
        auto room = [&](const Found& found) {
          out.resize(found.size);
          return out.data();
        };
        for (unsigned i = r; !end.load(std::memory_order_relaxed); ++i) {
          const std::string k = key(i % kKeys);
          if (stripe.read({k, base::hash(k)}, 1, room, reading, std::chrono::seconds(10), rereads) != Code::ok) {
            ++misses;
            continue;
          }
          ++hits;
          const bool whole =
              out.size() % 2 == 0 && !out.empty() &&
              std::equal(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(out.size() / 2), out.rbegin());
          torn += !whole;
        }
      });
    }
    std::uint64_t n = kKeys;
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(700);
    while (std::chrono::steady_clock::now() < until || hits <= 1000 || n <= 1000) {
      for (unsigned k = 0; k < kKeys; ++k, ++n) REQUIRE(box.set(key(k), value(k, n)) == Code::ok);
    }
    end = true;
    for (std::thread& reader : readers) reader.join();
    CHECK(torn == 0);
    CHECK(hits > 1000);
    CHECK(n > 1000);
    if (roomy) CHECK(misses == 0);
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

TEST_CASE("slots in use are counted anew after a death") {
  StripeBox box(1 << 20);
  for (unsigned i = 0; i < 500; ++i) REQUIRE(box.set("key" + std::to_string(i), "value") == Code::ok);
  box.header().slots_used.store(77);
  box.header().lock.store(FUTEX_OWNER_DIED | 12345);
  REQUIRE(box.set("key1", "value") == Code::ok);
  CHECK(box.stripe.totals().entries == 500);
  check_sound(box);
}
