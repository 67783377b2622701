// What each call answers, and what it leaves behind.
#include <doctest/doctest.h>

#include <array>
#include <cstring>
#include <limits>
#include <set>
#include <thread>

#include "unique_name.hpp"

using namespace forklore;
using std::chrono::hours;
using std::chrono::milliseconds;
using tests::UniqueName;

namespace {

/// A segment of a test's own, and a handle to it.
struct Fixture {
  UniqueName name;
  Cache cache;
  Fixture() : Fixture({.capacity_bytes = 8 * MiB}) {}
  explicit Fixture(Options options) : cache(Cache::open((options.name = name.str(), options))) {}
  ~Fixture() {
    for (const std::string& fault : cache.verify()) FAIL_CHECK(fault);
  }
  Fixture(const Fixture&) = delete;
  Fixture& operator=(const Fixture&) = delete;
};

std::int64_t integer(const std::string& bytes) {
  std::int64_t value = 0;
  REQUIRE(bytes.size() == sizeof value);
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
constexpr auto kLeast = std::numeric_limits<std::int64_t>::min();

}  // namespace

TEST_CASE_FIXTURE(Fixture, "set stores whatever was there, get reads it with its size, format and version") {
  std::string out = "left from before";
  Found found;
  CHECK(cache.get("key", out, &found) == Code::not_found);
  CHECK(cache.set("key", "value", kForever, 300) == Code::ok);
  CHECK(cache.get("key", out, &found) == Code::ok);
  CHECK(out == "value");
  CHECK(found.size == 5);
  CHECK(found.format == 300);
  CHECK(cache.set("key", "") == Code::ok);
  CHECK(cache.get("key", out, &found) == Code::ok);
  CHECK(out.empty());
  CHECK(found.format == kBytes);
}

TEST_CASE_FIXTURE(Fixture, "add stores only what is absent, replace only what is present") {
  CHECK(cache.replace("key", "a") == Code::not_found);
  CHECK_FALSE(cache.get("key"));
  CHECK(cache.add("key", "b") == Code::ok);
  CHECK(cache.add("key", "c") == Code::exists);
  CHECK(cache.get("key") == "b");
  CHECK(cache.replace("key", "d") == Code::ok);
  CHECK(cache.get("key") == "d");
}

TEST_CASE_FIXTURE(Fixture, "erase removes, once") {
  CHECK(cache.erase("key") == Code::not_found);
  CHECK(cache.set("key", "value") == Code::ok);
  CHECK(cache.contains("key") == Code::ok);
  CHECK(cache.erase("key") == Code::ok);
  CHECK(cache.erase("key") == Code::not_found);
  CHECK(cache.contains("key") == Code::not_found);
}

TEST_CASE_FIXTURE(Fixture, "keys are 1 to 1,024 bytes of any kind, in every call") {
  const std::string longest(kMaxKeyBytes, '\xff'), longer(kMaxKeyBytes + 1, 'x'), none;
  const std::string odd("a\0b\n\xc3", 5);
  for (const std::string& key : {longest, odd, std::string(1, '\0')}) {
    CHECK(cache.set(key, "value") == Code::ok);
    CHECK(cache.get(key) == "value");
    CHECK(cache.erase(key) == Code::ok);
  }
  for (const std::string& key : {longer, none}) {
    std::string out;
    Found found;
    Ttl left{};
    std::int64_t now = 0;
    CHECK(cache.get(key, out) == Code::invalid_key);
    CHECK_FALSE(cache.get(key));
    CHECK(cache.get_into(key, {}, found) == Code::invalid_key);
    CHECK(cache.contains(key) == Code::invalid_key);
    CHECK(cache.ttl(key, left) == Code::invalid_key);
    CHECK(cache.set(key, "x") == Code::invalid_key);
    CHECK(cache.add(key, "x") == Code::invalid_key);
    CHECK(cache.replace(key, "x") == Code::invalid_key);
    CHECK(cache.compare_and_set(key, {}, "x") == Code::invalid_key);
    CHECK(cache.erase(key) == Code::invalid_key);
    CHECK(cache.touch(key, kForever) == Code::invalid_key);
    CHECK(cache.increment(key, 1, now, 0) == Code::invalid_key);
  }
  CHECK(cache.stats().entries == 0);
}

TEST_CASE_FIXTURE(Fixture, "a value that is too large leaves the old one, and the largest fits with the longest key") {
  const std::size_t most = cache.stats().max_value_bytes;
  const std::string key(kMaxKeyBytes, 'k'), largest(most, 'v'), larger(most + 1, 'w');
  CHECK(cache.set(key, "old") == Code::ok);
  const Found before = [&] {
    Found found;
    std::string out;
    CHECK(cache.get(key, out, &found) == Code::ok);
    return found;
  }();
  CHECK(cache.set(key, larger) == Code::too_large);
  CHECK(cache.replace(key, larger) == Code::too_large);
  CHECK(cache.add(key, larger) == Code::too_large);
  CHECK(cache.compare_and_set(key, before.version, larger) == Code::too_large);
  CHECK(cache.get(key) == "old");
  CHECK(cache.stats().refused == 4);
  CHECK(cache.set(key, largest) == Code::ok);
  CHECK(cache.get(key) == largest);
}

TEST_CASE("every largest value that plans allow can be stored, in either mode") {
  for (const WhenFull when_full : {WhenFull::evict, WhenFull::reject}) {
    for (const std::size_t capacity : {kMinCapacityBytes, std::size_t{1} << 20, std::size_t{40} << 20}) {
      CAPTURE(capacity);
      Fixture f({.capacity_bytes = capacity, .when_full = when_full});
      const std::string largest(f.cache.stats().max_value_bytes, 'v');
      CHECK(f.cache.set("key", largest) == Code::ok);
      CHECK(f.cache.set("key", largest) == Code::ok);
      CHECK(f.cache.get("key") == largest);
    }
  }
}

TEST_CASE_FIXTURE(Fixture, "increment adds in place, from an initial value, and keeps the time to live") {
  std::int64_t now = 77;
  CHECK(cache.increment("n", 5, now) == Code::not_found);
  CHECK(now == 77);
  CHECK(cache.increment("n", 5, now, 10, hours(1)) == Code::ok);
  CHECK(now == 15);
  CHECK(cache.increment("n", -20, now, 999, kForever) == Code::ok);
  CHECK(now == -5);
  Ttl left{};
  REQUIRE(cache.ttl("n", left) == Code::ok);
  CHECK(left <= hours(1));
  CHECK(left > std::chrono::minutes(59));
  std::string out;
  Found found;
  CHECK(cache.get("n", out, &found) == Code::ok);
  CHECK(integer(out) == -5);
  CHECK(found.format == kInteger);
  const std::int64_t seven = 7;
  CHECK(cache.set("n", {reinterpret_cast<const char*>(&seven), sizeof seven}, kForever, kInteger) == Code::ok);
  CHECK(cache.increment("n", 1, now) == Code::ok);
  CHECK(now == 8);
}

TEST_CASE_FIXTURE(Fixture, "an increment past the range is refused and changes nothing") {
  std::int64_t now = 0;
  REQUIRE(cache.increment("most", 0, now, kMost) == Code::ok);
  CHECK(cache.increment("most", 1, now) == Code::overflow);
  CHECK(cache.increment("most", kMost, now) == Code::overflow);
  CHECK(integer(*cache.get("most")) == kMost);
  REQUIRE(cache.increment("least", 0, now, kLeast) == Code::ok);
  CHECK(cache.increment("least", -1, now) == Code::overflow);
  CHECK(cache.increment("least", kLeast, now) == Code::overflow);
  CHECK(integer(*cache.get("least")) == kLeast);
  CHECK(cache.increment("new", 1, now, kMost) == Code::overflow);
  CHECK_FALSE(cache.get("new"));
  CHECK(cache.increment("most", kLeast, now) == Code::ok);
  CHECK(now == -1);
  CHECK(cache.stats().refused == 5);
}

TEST_CASE_FIXTURE(Fixture, "what is no integer is not counted with") {
  std::int64_t now = 0;
  CHECK(cache.set("text", "12345678") == Code::ok);
  CHECK(cache.increment("text", 1, now, 0) == Code::not_a_number);
  CHECK(cache.get("text") == "12345678");
  CHECK(cache.set("n", "1234567", kForever, kInteger) == Code::invalid_argument);
  CHECK_FALSE(cache.get("n"));
}

TEST_CASE_FIXTURE(Fixture, "a version names one value: it changes with the value, and with nothing that leaves it") {
  std::string out;
  Found first, second;
  REQUIRE(cache.set("key", "a") == Code::ok);
  REQUIRE(cache.get("key", out, &first) == Code::ok);
  REQUIRE(cache.get("key", out, &second) == Code::ok);
  CHECK(first.version == second.version);
  CHECK(cache.touch("key", hours(1)) == Code::ok);
  CHECK(cache.compare_and_set("key", first.version, "b", hours(2), 700) == Code::ok);
  CHECK(cache.compare_and_set("key", first.version, "c") == Code::changed);
  REQUIRE(cache.get("key", out, &second) == Code::ok);
  CHECK(out == "b");
  CHECK(second.format == 700);
  CHECK(second.version != first.version);
  Ttl left{};
  REQUIRE(cache.ttl("key", left) == Code::ok);
  CHECK(left > hours(1));
  REQUIRE(cache.set("key", "b") == Code::ok);  // the same bytes are another value
  CHECK(cache.compare_and_set("key", second.version, "c") == Code::changed);
  CHECK(cache.erase("key") == Code::ok);
  CHECK(cache.compare_and_set("key", second.version, "c") == Code::not_found);

  std::int64_t now = 0;
  REQUIRE(cache.increment("n", 0, now, 1) == Code::ok);
  REQUIRE(cache.get("n", out, &first) == Code::ok);
  REQUIRE(cache.increment("n", 1, now) == Code::ok);
  CHECK(cache.compare_and_set("n", first.version, "x") == Code::changed);
}

TEST_CASE_FIXTURE(Fixture, "what has expired is gone for every call") {
  const auto store = [&] {
    REQUIRE(cache.set("key", "value", milliseconds(30)) == Code::ok);
    std::int64_t now = 0;
    REQUIRE(cache.increment("n", 1, now, 5, milliseconds(30)) == Code::ok);
  };
  const auto begin = std::chrono::steady_clock::now();
  store();
  const auto early = cache.get("key");
  if (std::chrono::steady_clock::now() - begin < milliseconds(30)) CHECK(early == "value");
  std::this_thread::sleep_for(milliseconds(45));
  std::int64_t now = 0;
  Ttl left{};
  CHECK_FALSE(cache.get("key"));
  CHECK(cache.contains("key") == Code::not_found);
  CHECK(cache.ttl("key", left) == Code::not_found);
  CHECK(cache.replace("key", "x") == Code::not_found);
  CHECK(cache.touch("key", kForever) == Code::not_found);
  CHECK(cache.erase("key") == Code::not_found);
  CHECK(cache.increment("n", 1, now) == Code::not_found);
  CHECK(cache.increment("n", 1, now, 100) == Code::ok);
  CHECK(now == 101);
  CHECK(cache.ttl("n", left) == Code::ok);
  CHECK(left == kForever);
  CHECK(cache.add("key", "fresh") == Code::ok);
  CHECK(cache.get("key") == "fresh");
}

TEST_CASE_FIXTURE(Fixture, "a time to live is told, renewed and taken away") {
  Ttl left{};
  REQUIRE(cache.set("key", "value") == Code::ok);
  REQUIRE(cache.ttl("key", left) == Code::ok);
  CHECK(left == kForever);
  CHECK(cache.touch("key", hours(10)) == Code::ok);
  REQUIRE(cache.ttl("key", left) == Code::ok);
  CHECK(left <= hours(10));
  CHECK(left > hours(10) - std::chrono::minutes(1));
  CHECK(cache.touch("key", kForever) == Code::ok);
  REQUIRE(cache.ttl("key", left) == Code::ok);
  CHECK(left == kForever);
  for (const Ttl ttl : {Ttl(0), Ttl(-1), Ttl::min() + Ttl(1)}) {
    REQUIRE(cache.set("key", "value") == Code::ok);
    CHECK(cache.touch("key", ttl) == Code::ok);
    CHECK_FALSE(cache.get("key"));
    REQUIRE(cache.set("key", "value") == Code::ok);
    CHECK(cache.set("key", "other", ttl) == Code::ok);
    CHECK_FALSE(cache.get("key"));
    CHECK(cache.add("key", "other", ttl) == Code::ok);
    CHECK_FALSE(cache.get("key"));
  }
  CHECK(cache.set("long", "value", Ttl::max() - Ttl(1)) == Code::ok);  // longer than the format can say, and no wrap
  CHECK(cache.get("long") == "value");
}

TEST_CASE("default_ttl is what is not said, and each handle has its own") {
  Fixture f({.capacity_bytes = 1 * MiB, .default_ttl = hours(1)});
  Cache& cache = f.cache;
  Ttl left{};
  std::int64_t now = 0;
  for (const char* key : {"set", "add", "n"}) {
    if (key[0] == 's') REQUIRE(cache.set(key, "value") == Code::ok);
    if (key[0] == 'a') REQUIRE(cache.add(key, "value") == Code::ok);
    if (key[0] == 'n') REQUIRE(cache.increment(key, 1, now, 0) == Code::ok);
    REQUIRE(cache.ttl(key, left) == Code::ok);
    CHECK(left <= hours(1));
    CHECK(left > std::chrono::minutes(59));
  }
  REQUIRE(cache.set("said", "value", kForever) == Code::ok);
  REQUIRE(cache.ttl("said", left) == Code::ok);
  CHECK(left == kForever);
  Cache other = Cache::open({.name = f.name});
  REQUIRE(other.set("key", "value") == Code::ok);
  REQUIRE(other.ttl("key", left) == Code::ok);
  CHECK(left == kForever);
  Fixture gone({.capacity_bytes = 1 * MiB, .default_ttl = Ttl(0)});
  CHECK(gone.cache.set("key", "value") == Code::ok);
  CHECK_FALSE(gone.cache.get("key"));
}

TEST_CASE_FIXTURE(Fixture, "a read into a buffer fills no more than it, and says how much is wanted") {
  REQUIRE(cache.set("key", "12345", kForever, 400) == Code::ok);
  std::array<char, 8> buffer{};
  buffer.fill('#');
  Found found;
  CHECK(cache.get_into("key", {buffer.data(), 4}, found) == Code::buffer_too_small);
  CHECK(found.size == 5);
  CHECK(buffer[0] == '#');
  CHECK(cache.get_into("key", {}, found) == Code::buffer_too_small);
  CHECK(cache.get_into("key", {buffer.data(), 5}, found) == Code::ok);
  CHECK(std::string(buffer.data(), 8) == "12345###");
  CHECK(found.format == 400);
  CHECK(cache.get_into("none", buffer, found) == Code::not_found);
  REQUIRE(cache.set("empty", "") == Code::ok);
  CHECK(cache.get_into("empty", {}, found) == Code::ok);
  CHECK(found.size == 0);
}

TEST_CASE_FIXTURE(Fixture, "a sink may give up or throw, and the cache is as before") {
  REQUIRE(cache.set("key", "value") == Code::ok);
  Found found;
  CHECK(cache.get_to("key", {nullptr, [](void*, std::size_t, const Found&) -> Into { return nullptr; }}, found) ==
        Code::buffer_too_small);
  const Sink throws{nullptr, [](void*, std::size_t, const Found&) -> Into { throw std::bad_alloc(); }};
  CHECK_THROWS_AS(static_cast<void>(cache.get_to("key", throws, found)), std::bad_alloc);
  CHECK(cache.set("key", "other") == Code::ok);
  CHECK(cache.get("key") == "other");
}

TEST_CASE_FIXTURE(Fixture, "a sink is told whether a value is ASCII, in one chunk or many") {
  struct Text {
    std::string value;
    bool ascii = false;
  } text;
  const Sink sink{&text, [](void* context, std::size_t, const Found& is) -> Into {
                    auto& to = *static_cast<Text*>(context);
                    to.value.resize(is.size);
                    return {to.value.data(), &to.ascii};
                  }};
  Found found;
  for (const std::size_t size : {0u, 1u, 100u, 5'000u, 30'000u}) {
    std::string value(size, 'x');
    REQUIRE(cache.set("key", value) == Code::ok);
    text.ascii = false;
    CHECK(cache.get_to("key", sink, found) == Code::ok);
    CHECK(text.value == value);
    CHECK(text.ascii);
    for (std::size_t at = 0; at < size; at += size / 10 + 1) {
      value[at] = '\xe9';
      REQUIRE(cache.set("key", value) == Code::ok);
      text.ascii = true;
      CHECK(cache.get_to("key", sink, found) == Code::ok);
      CHECK(text.value == value);
      CHECK_FALSE(text.ascii);
      value[at] = 'x';
    }
  }
}

TEST_CASE_FIXTURE(Fixture, "many keys are read in order, twice if asked twice, in any number") {
  for (unsigned i = 0; i < 100; i += 2) REQUIRE(cache.set("key" + std::to_string(i), std::to_string(i)) == Code::ok);
  std::vector<std::string> names;
  for (unsigned i = 0; i < 100; ++i) names.push_back("key" + std::to_string(i * 37 % 100));
  names.insert(names.end(), {"key4", "key4", "", std::string(kMaxKeyBytes + 1, 'x'), "key5"});
  std::vector<std::string_view> keys(names.begin(), names.end());
  std::vector<Result> results(keys.size());
  CHECK(cache.get_many(keys, results) == 52);
  for (unsigned i = 0; i < 100; ++i) {
    const unsigned n = i * 37 % 100;
    CHECK(results[i].code == (n % 2 == 0 ? Code::ok : Code::not_found));
    if (n % 2 == 0) CHECK(results[i].value == std::to_string(n));
  }
  CHECK(results[100].value == "4");
  CHECK(results[101].value == "4");
  CHECK(results[101].found.size == 1);
  CHECK(results[102].code == Code::invalid_key);
  CHECK(results[103].code == Code::invalid_key);
  CHECK(results[104].code == Code::not_found);
  CHECK(cache.get_many({}, {}) == 0);
}

TEST_CASE_FIXTURE(Fixture, "many keys are written each by itself: one that fails hinders no other") {
  const std::string large(cache.stats().max_value_bytes + 1, 'x');
  const std::array<std::string_view, 4> keys{"a", "b", "", "d"};
  const std::array<std::string_view, 4> values{"1", large, "3", "4"};
  const std::array<std::uint16_t, 4> formats{500, 501, 502, 503};
  std::array<Code, 4> codes{};
  CHECK(cache.set_many(keys, values, kForever, formats, codes) == 2);
  CHECK(codes == std::array{Code::ok, Code::too_large, Code::invalid_key, Code::ok});
  std::string out;
  Found found;
  CHECK(cache.get("d", out, &found) == Code::ok);
  CHECK(found.format == 503);
  CHECK(cache.set_many(keys, values, kForever, {}, codes) == 2);
  CHECK(cache.get("d", out, &found) == Code::ok);
  CHECK(found.format == kBytes);
  CHECK(cache.erase_many(keys, codes) == 2);
  CHECK(codes == std::array{Code::ok, Code::not_found, Code::invalid_key, Code::ok});
  CHECK(cache.stats().entries == 0);
}

TEST_CASE_FIXTURE(Fixture, "clear removes all") {
  for (unsigned i = 0; i < 1000; ++i) REQUIRE(cache.set("key" + std::to_string(i), "value") == Code::ok);
  CHECK(cache.stats().entries == 1000);
  CHECK(cache.clear() == Code::ok);
  CHECK(cache.stats().entries == 0);
  CHECK(cache.stats().live_bytes == 0);
  for (unsigned i = 0; i < 1000; ++i) REQUIRE(cache.contains("key" + std::to_string(i)) == Code::not_found);
  CHECK(cache.set("key", "value") == Code::ok);
}

TEST_CASE_FIXTURE(Fixture, "calls are counted") {
  std::int64_t now = 0;
  CHECK(cache.set("a", "1") == Code::ok);
  CHECK(cache.set("b", "2") == Code::ok);
  CHECK(cache.add("a", "3") == Code::exists);
  CHECK(cache.increment("n", 1, now, 0) == Code::ok);
  CHECK(cache.get("a"));
  CHECK(cache.contains("b") == Code::ok);
  CHECK_FALSE(cache.get("c"));
  CHECK(cache.erase("a") == Code::ok);
  CHECK(cache.erase("a") == Code::not_found);
  const Stats stats = cache.stats();
  CHECK(stats.hits == 2);
  CHECK(stats.misses == 1);
  CHECK(stats.erases == 1);
  CHECK(stats.entries == 2);
  CHECK(stats.busy == 0);
  CHECK(stats.refused == 0);
  CHECK(stats.processes == std::vector<::pid_t>{::getpid()});
}

TEST_CASE("a rejecting cache says full, and a cache evicts") {
  for (const WhenFull when_full : {WhenFull::reject, WhenFull::evict}) {
    Fixture f({.capacity_bytes = 1 * MiB, .when_full = when_full});
    const std::string value(500, 'v');
    unsigned stored = 0;
    while (stored < 10'000 && f.cache.set("key" + std::to_string(stored), value) == Code::ok) ++stored;
    if (when_full == WhenFull::evict) {
      CHECK(stored == 10'000);
      CHECK(f.cache.stats().evictions > 7000);
    } else {
      CHECK(stored > 1000);
      CHECK(stored < 2000);
      CHECK(f.cache.stats().evictions == 0);
      CHECK(f.cache.stats().refused == 1);
      for (unsigned i = 0; i < stored; ++i) REQUIRE(f.cache.get("key" + std::to_string(i)) == value);
      std::int64_t now = 0;
      CHECK(f.cache.erase("key0") == Code::ok);
      CHECK((f.cache.increment("n", 1, now, 0) == Code::ok || f.cache.get("n") == std::nullopt));
    }
  }
}

TEST_CASE("a handle moves, and its segment outlives it") {
  UniqueName name;
  {
    Cache first = Cache::open({.name = name, .capacity_bytes = 1 * MiB});
    REQUIRE(first.set("key", "value") == Code::ok);
    Cache second = std::move(first);
    CHECK(second.get("key") == "value");
    first = Cache::open({.name = name});
    CHECK(first.get("key") == "value");
  }
  CHECK(Cache::attach(name.str()).get("key") == "value");
}

TEST_CASE("codes have names") {
  CHECK(to_string(Code::ok) == "ok");
  CHECK(to_string(Code::not_found) == "not_found");
  CHECK(to_string(Code::buffer_too_small) == "buffer_too_small");
}

TEST_CASE("every code has a word of its own") {
  std::set<std::string_view> words;
  for (int i = 0; i <= static_cast<int>(Code::no_memory); ++i) words.insert(to_string(static_cast<Code>(i)));
  CHECK(words.size() == static_cast<std::size_t>(Code::no_memory) + 1);
  CHECK_FALSE(words.contains("unknown"));
  CHECK(to_string(Code::invalid_argument) == "invalid_argument");
}
