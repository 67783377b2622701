// What each call on a stripe leaves behind. stripe_full.cpp and stripe_harm.cpp have more of this program.
#include "store/stripe.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "seed.hpp"
#include "store/soundness.hpp"

using namespace forklore;
using namespace forklore::store;
using tests::bytes;
using tests::check_sound;
using tests::StripeBox;

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
  StripeBox box(kMinCapacityBytes);
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
  ScanPosition place;
  box.stripe.scan(place, box.now, "even", 10'000, keys);
  CHECK_FALSE(place.log.has_value());
  CHECK(keys.size() == expected.size());
  CHECK(std::set<std::string>(keys.begin(), keys.end()) == expected);
}
