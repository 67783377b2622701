// Entries that may be served stale: fresh for some time, then there for who asks for stale values, then gone.
#include <doctest/doctest.h>

#include "store/stripe_box.hpp"

using namespace forklore;
using namespace forklore::store;
using tests::StripeBox;

namespace {

struct TimedBox : StripeBox {
  TimedBox() : StripeBox(128 << 10) {}

  /// Fresh until then, and stale for so long after it.
  Code set_timed(std::string_view key, std::string_view value, std::uint64_t fresh_until, std::uint32_t stale_for,
                 std::uint16_t format = kBytes) {
    return decide(key, [&](const Present&) {
      const Timing timing{.stale_for = stale_for, .cost = 77};
      return Decision{.action = Decision::Action::store,
                      .value = value,
                      .format = format,
                      .expiry = timing.expiry_of(fresh_until),
                      .timed = true,
                      .timing = timing};
    });
  }
  std::optional<std::string> get_stale(std::string_view key) {
    std::string value;
    const auto room = [&](const Found& found) {
      value.resize(found.size);
      return value.data();
    };
    std::uint64_t rereads = 0;
    const Code code = stripe.read<Age::stale>({key, base::hash(key)}, now, room, reading, timeout, rereads);
    if (code != Code::ok) return std::nullopt;
    return value;
  }
  bool is_in_scan(std::string_view key) {
    std::vector<std::string> keys;
    ScanPosition place;
    stripe.scan(place, now, key, 10, keys);
    return !keys.empty();
  }

  Reading reading;
};

}  // namespace

TEST_CASE("an entry that may be stale is there for all, then for who takes it stale, then for nobody") {
  for (const std::size_t size : {std::size_t{0}, std::size_t{5}, std::size_t{100}, std::size_t{9000}}) {
    CAPTURE(size);
    TimedBox box;
    const std::string value(size, 'v');
    REQUIRE(box.set_timed("key", value, box.now + 10, 20) == Code::ok);
    CHECK(box.get("key") == value);
    CHECK(box.get_stale("key") == value);
    CHECK(box.reading.expiry == box.now + 10);
    CHECK(box.reading.timing.cost == 77);
    CHECK(box.is_in_scan("key"));
    box.now += 9;
    CHECK(box.get("key") == value);
    box.now += 1;
    CHECK_FALSE(box.get("key"));
    CHECK_FALSE(box.is_in_scan("key"));
    CHECK(box.get_stale("key") == value);
    box.now += 19;
    CHECK(box.get_stale("key") == value);
    box.now += 1;
    CHECK_FALSE(box.get_stale("key"));
    CHECK(box.verify().empty());
  }
}

TEST_CASE("to every decision a stale entry is absent; a write replaces it, an erase takes it away") {
  TimedBox box;
  REQUIRE(box.set_timed("key", "old", box.now + 10, 20) == Code::ok);
  const std::uint64_t version = box.version("key");
  box.now += 10;
  CHECK(box.compare_and_set("key", version, "new") == Code::changed);
  CHECK(box.touch("key", box.now + 100) == Code::not_found);
  CHECK(box.get_stale("key") == "old");
  REQUIRE(box.set("key", "new", box.now + 5) == Code::ok);
  CHECK(box.get("key") == "new");
  box.now += 5;
  CHECK_FALSE(box.get_stale("key"));  // a plain entry is never stale

  REQUIRE(box.set_timed("key", "old", box.now + 10, 20) == Code::ok);
  box.now += 10;
  CHECK(box.erase("key") == Code::not_found);
  CHECK_FALSE(box.get_stale("key"));
  CHECK(box.verify().empty());
}

TEST_CASE("an integer may be stale as well, and is changed in place while it is fresh") {
  TimedBox box;
  const std::int64_t seven = 7;
  REQUIRE(box.set_timed("n", {reinterpret_cast<const char*>(&seven), sizeof seven}, box.now + 10, 20, kInteger) ==
          Code::ok);
  CHECK(box.increment("n", 5) == Code::ok);
  std::int64_t now = 0;
  std::memcpy(&now, box.get("n").value().data(), sizeof now);
  CHECK(now == 12);
  box.now += 10;
  CHECK(box.increment("n", 5) == Code::not_a_number);
  CHECK(box.get_stale("n"));
  CHECK(box.verify().empty());
}

TEST_CASE("timed entries move, are collected and leave like others") {
  TimedBox box;
  std::vector<std::pair<std::string, std::string>> stored;
  for (unsigned i = 0; i < 3000; ++i) {
    const std::string key = "key" + std::to_string(i % 200);
    const std::string value(i * 37 % 900, static_cast<char>('a' + i % 26));
    if (i % 3 == 0) {
      REQUIRE(box.set(key, value) == Code::ok);
    } else {
      REQUIRE(box.set_timed(key, value, box.now + 50 + i % 50, i % 100) == Code::ok);
    }
    REQUIRE(box.get(key) == value);
    box.now += 1;
    if (i % 100 == 0) REQUIRE(box.verify().empty());
  }
  CHECK(box.header().moves + box.header().reclaims > 0);
  CHECK(box.header().resets == 0);
}

TEST_CASE("whatever an entry's timing says, it is there no longer than its expiry") {
  TimedBox box;
  REQUIRE(box.set_timed("key", "value", box.now + 10, 0xffffffff) == Code::ok);
  CHECK(box.get("key") == "value");
  box.now += 10;
  CHECK_FALSE(box.get("key"));
  REQUIRE(box.set_timed("key", "value", kNever, 0xffffffff) == Code::ok);
  box.now = kNever - 1;
  CHECK(box.get("key") == "value");
}
