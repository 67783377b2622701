#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <set>
#include <stdexcept>
#include <thread>

#include "forklore/compute.hpp"
#include "unique_name.hpp"

using namespace forklore;
using tests::UniqueName;

namespace {

std::vector<std::string> scan(Cache& cache, std::size_t limit, std::string_view prefix) {
  std::vector<std::string> keys;
  unsigned calls = 0;
  for (Cursor cursor; !cursor.finished(); ++calls) {
    const std::size_t before = keys.size();
    REQUIRE(cache.scan(cursor, limit, prefix, keys) == Code::ok);
    REQUIRE(keys.size() - before < limit + 8);  // about limit: a bucket is not torn apart
    REQUIRE((cursor.finished() || keys.size() - before >= limit));
  }
  std::sort(keys.begin(), keys.end());
  return keys;
}

}  // namespace

TEST_CASE("a scan finds every key once, in portions, by prefix") {
  UniqueName name;
  Cache cache = Cache::open({.name = name, .capacity_bytes = 8 * MiB});
  CHECK(scan(cache, 10, "").empty());
  std::vector<std::string> all, odd;
  for (unsigned i = 0; i < 3000; ++i) {
    const std::string key = (i % 2 == 0 ? "even:" : "odd:") + std::to_string(i);
    REQUIRE(cache.set(key, std::string(i % 300, 'v')) == Code::ok);
    all.push_back(key);
    if (i % 2 == 1) odd.push_back(key);
  }
  std::sort(all.begin(), all.end());
  std::sort(odd.begin(), odd.end());
  for (const std::size_t limit : {1u, 7u, 100u, 100'000u}) {
    CAPTURE(limit);
    CHECK(scan(cache, limit, "") == all);
    CHECK(scan(cache, limit, "odd:") == odd);
  }
  CHECK(scan(cache, 100, "odd:17") == [&] {
    std::vector<std::string> some;
    for (const std::string& key : odd) {
      if (key.starts_with("odd:17")) some.push_back(key);
    }
    return some;
  }());
  CHECK(scan(cache, 100, "none").empty());
  CHECK(cache.clear() == Code::ok);
  CHECK(scan(cache, 100, "").empty());
}

TEST_CASE("a scan appends, and leaves out what has expired") {
  UniqueName name;
  Cache cache = Cache::open({.name = name, .capacity_bytes = 1 * MiB});
  REQUIRE(cache.set("stays", "value") == Code::ok);
  REQUIRE(cache.set("goes", "value", Ttl(20)) == Code::ok);
  std::this_thread::sleep_for(Ttl(35));
  std::vector<std::string> keys{"before"};
  Cursor cursor;
  REQUIRE(cache.scan(cursor, 100, "", keys) == Code::ok);
  CHECK(cursor.finished());
  CHECK(keys == std::vector<std::string>{"before", "stays"});
}

TEST_CASE("a scan also finds what is stale and what only failed, if asked; a touch of no time erases that") {
  UniqueName name;
  Cache cache = Cache::open({.name = name, .capacity_bytes = 1 * MiB});
  const ComputeOptions options{.stale_for = std::chrono::hours(1), .error_ttl = std::chrono::hours(1)};
  const auto fail = []() -> std::string { throw std::runtime_error("down"); };
  REQUIRE(get_or_compute(
              cache, "stale", Ttl(1), [] { return std::string("old"); }, options) == "old");
  CHECK_THROWS(get_or_compute(cache, "failed", Ttl(1), fail, options));
  while (cache.contains("stale") == Code::ok) std::this_thread::yield();
  CHECK(scan(cache, 100, "").empty());
  std::vector<std::string> keys;
  for (Cursor cursor; !cursor.finished();) REQUIRE(cache.scan(cursor, 100, "", keys, true) == Code::ok);
  std::ranges::sort(keys);
  CHECK(keys == std::vector<std::string>{"failed", "stale"});
  for (const std::string& key : keys) CHECK(cache.touch(key, Ttl(0)) == Code::not_found);
  keys.clear();
  for (Cursor cursor; !cursor.finished();) REQUIRE(cache.scan(cursor, 100, "", keys, true) == Code::ok);
  CHECK(keys.empty());
}

TEST_CASE("a scan without a limit ends, whatever keys are there before") {
  UniqueName name;
  Cache cache = Cache::open({.name = name, .capacity_bytes = 1 * MiB});
  for (unsigned i = 0; i < 100; ++i) REQUIRE(cache.set("key" + std::to_string(i), "value") == Code::ok);
  std::vector<std::string> keys{"one", "two"};
  Cursor cursor;
  REQUIRE(cache.scan(cursor, ~std::size_t{0}, "", keys) == Code::ok);
  CHECK(cursor.finished());
  CHECK(keys.size() == 102);
}

TEST_CASE("a limit of nothing moves nothing, and a scan that is at its end stays there") {
  UniqueName name;
  Cache cache = Cache::open({.name = name, .capacity_bytes = 1 * MiB});
  REQUIRE(cache.set("key", "value") == Code::ok);
  std::vector<std::string> keys;
  Cursor cursor;
  CHECK(cache.scan(cursor, 0, "", keys) == Code::ok);
  CHECK_FALSE(cursor.finished());
  CHECK(keys.empty());
  CHECK(cache.scan(cursor, 10, "", keys) == Code::ok);
  CHECK(cursor.finished());
  CHECK(cache.scan(cursor, 10, "", keys) == Code::ok);
  CHECK(cursor.finished());
  CHECK(keys.size() == 1);
  Cursor wild{12345678901234};
  CHECK(cache.scan(wild, 10, "", keys) == Code::ok);
  CHECK(wild.finished());
}

TEST_CASE("a key that is present throughout comes at least once, while others write beside it") {
  UniqueName name;
  Cache cache = Cache::open({.name = name, .capacity_bytes = 4 * MiB});
  std::set<std::string> steady;
  for (unsigned i = 0; i < 300; ++i) steady.insert("steady" + std::to_string(i));
  for (const std::string& key : steady) REQUIRE(cache.set(key, "value") == Code::ok);
  std::atomic<bool> end{false};
  std::thread writer([&] {
    for (unsigned i = 0; !end.load(); ++i) {
      const std::string n = std::to_string(i % 300);
      static_cast<void>(cache.set("steady" + n, std::string(i % 2000, 'w')));
      static_cast<void>(cache.set("comes" + n, "value"));
      static_cast<void>(cache.erase("comes" + std::to_string(i * 7 % 300)));
    }
  });
  for (unsigned round = 0; round < 100; ++round) {
    std::vector<std::string> keys;
    for (Cursor cursor; !cursor.finished();) REQUIRE(cache.scan(cursor, 20, "steady", keys) == Code::ok);
    REQUIRE(std::set<std::string>(keys.begin(), keys.end()) == steady);
  }
  end = true;
  writer.join();
}
