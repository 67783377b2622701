// What is told of an entry, and of all of them, without reading one.
#include <doctest/doctest.h>

#include <chrono>
#include <string>

#include "cache/box.hpp"
#include "test_clock.hpp"

using namespace forklore;
using namespace std::chrono_literals;
using tests::Box;
using tests::pass;
using tests::UniqueName;

TEST_CASE("info tells of an entry and leaves it alone") {
  Box box;
  EntryInfo info;
  CHECK(box.cache.info("k", info) == Code::not_found);
  CHECK(box.cache.info("", info) == Code::invalid_key);
  REQUIRE(box.cache.set("k", "value", 60s, 300) == Code::ok);
  const Stats before = box.cache.stats();
  for (int i = 0; i < 10; ++i) REQUIRE(box.cache.info("k", info) == Code::ok);
  CHECK(info.size == 5);
  CHECK(info.format == 300);
  CHECK(info.left <= 60s);
  CHECK(info.left > 30s);
  CHECK(info.frequency == 0);
  CHECK(box.cache.stats().hits == before.hits);
  CHECK(box.cache.stats().misses == before.misses);
  CHECK(box.cache.get("k") == "value");
  CHECK(box.cache.get("k") == "value");
  CHECK(box.cache.info("k", info) == Code::ok);
  CHECK(info.frequency == 2);
  std::int64_t sum = 0;
  REQUIRE(box.cache.increment("n", 1, sum, 0, kForever) == Code::ok);
  CHECK(box.cache.info("n", info) == Code::ok);
  CHECK(info.size == 8);
  CHECK(info.format == kInteger);
  CHECK(info.left == kForever);
  pass(61s);
  CHECK(box.cache.info("k", info) == Code::not_found);
  CHECK(info.size == 0);
}

TEST_CASE("how full a segment is, as one number") {
  for (const WhenFull when_full : {WhenFull::evict, WhenFull::reject}) {
    UniqueName name;
    Cache cache = Cache::open({.name = name.str(), .capacity_bytes = 4 * MiB, .when_full = when_full});
    CHECK(cache.stats().full() == 0);
    double last = 0;
    Code code = Code::ok;
    for (int i = 0; i < 100'000 && code == Code::ok && cache.stats().evictions == 0; ++i) {
      code = cache.set("key:" + std::to_string(i), std::string(300, 'x'));
      if (i % 100 != 0) continue;
      CHECK(cache.stats().full() > last);
      last = cache.stats().full();
    }
    CAPTURE(to_string(code));
    CHECK(cache.stats().full() > 0.9);
    for (int i = 0; i < 100'000; ++i) (void)cache.set("more:" + std::to_string(i), std::string(300, 'x'));
    CHECK(cache.stats().full() > 0.85);
    CHECK(cache.stats().full() <= 1);
    CHECK(cache.clear() == Code::ok);
    CHECK(cache.stats().full() < 0.01);
  }
}
