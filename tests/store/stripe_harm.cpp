// What others do to a stripe: they die in its lock, keep it, write beside its readers, and damage its bytes.
#include <doctest/doctest.h>
#include <linux/futex.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "seed.hpp"
#include "store/soundness.hpp"

using namespace forklore;
using namespace forklore::store;
using tests::bytes;
using tests::check_sound;
using tests::StripeBox;

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
    const HashedKey endless{"endless", base::hash("endless")};
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
    StripeBox box(kMinCapacityBytes << (round % 2), reject);
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
      ScanPosition place{log, random() % 64, static_cast<std::uint32_t>(random() % 4096)};
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
    StripeBox box(kMinCapacityBytes);
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
  for (const std::uint64_t capacity : {std::uint64_t{1} << 20, kMinCapacityBytes}) {
    CAPTURE(capacity);
    StripeBox box(capacity);
    const bool roomy = capacity > kMinCapacityBytes;
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

TEST_CASE("slots in use are counted anew after a death") {
  StripeBox box(1 << 20);
  for (unsigned i = 0; i < 500; ++i) REQUIRE(box.set("key" + std::to_string(i), "value") == Code::ok);
  box.header().slots_used.store(77);
  box.header().lock.store(FUTEX_OWNER_DIED | 12345);
  REQUIRE(box.set("key1", "value") == Code::ok);
  CHECK(box.stripe.totals().entries == 500);
  check_sound(box);
}
