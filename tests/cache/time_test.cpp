// Steps of the clock, suspend and reboot, by clocks that the test moves: what expires, and when.
#include <doctest/doctest.h>

#include <cstddef>
#include <ctime>
#include <forklore/forklore.hpp>
#include <fstream>

#include "scratch.hpp"
#include "store/layout.hpp"
#include "unique_name.hpp"

using namespace forklore;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using tests::Scratch;
using tests::UniqueName;

namespace {

/// The kernel's clocks. They stand still but for what is called here, or go on by so much whenever they are read.
struct Clocks {
  std::chrono::nanoseconds running = hours(5), asleep{0}, since_1970 = hours(24 * 365 * 55);
  std::chrono::nanoseconds a_look{0};
  void pass(std::chrono::nanoseconds time) {
    running += time;
    since_1970 += time;
  }
  void suspend(std::chrono::nanoseconds time) {
    asleep += time;
    since_1970 += time;
  }
  void reboot(std::chrono::nanoseconds downtime) {
    running = seconds(20);
    asleep = {};
    since_1970 += downtime;
  }
} clocks;

bool has(Cache& cache, const char* key) { return cache.contains(key) == Code::ok; }

Ttl left(Cache& cache, const char* key) {
  Ttl ttl{};
  CHECK(cache.ttl(key, ttl) == Code::ok);
  return ttl;
}

}  // namespace

// A program's own definition is taken before glibc's, by the libraries it uses too.
extern "C" int clock_gettime(clockid_t clock, timespec* now) noexcept {
  const std::chrono::nanoseconds time = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE ? clocks.since_1970
                                        : clock == CLOCK_BOOTTIME ? clocks.running + clocks.asleep
                                                                  : clocks.running;
  clocks.pass(clocks.a_look);
  now->tv_sec = std::chrono::duration_cast<seconds>(time).count();
  now->tv_nsec = (time % seconds(1)).count();
  return 0;
}

TEST_CASE("who takes long to open has not waited long for others") {
  UniqueName name;
  clocks.a_look = seconds(15);
  for (const std::size_t capacity : {kMinCapacityBytes, 2 * kMinCapacityBytes}) {
    Cache cache = Cache::open({.name = name, .capacity_bytes = capacity});
    CHECK(cache.set("key", "value") == Code::ok);
  }
  clocks.a_look = {};
}

TEST_CASE("a step of the wall clock, either way, changes nothing") {
  UniqueName name;
  Cache cache = Cache::open({.name = name, .capacity_bytes = kMinCapacityBytes});
  REQUIRE(cache.set("key", "value", hours(1)) == Code::ok);
  for (const auto step : {hours(24 * 400), hours(-24 * 4000), hours(24 * 3600)}) {
    clocks.since_1970 += step;
    clocks.pass(minutes(10));
    CHECK(has(cache, "key"));
  }
  CHECK(left(cache, "key") == minutes(30));
  CHECK(left(cache, "key") == minutes(30));
  clocks.pass(minutes(30));
  CHECK_FALSE(has(cache, "key"));
}

TEST_CASE("the time asleep counts, from at most a second after waking") {
  UniqueName name;
  Cache cache = Cache::open({.name = name, .capacity_bytes = kMinCapacityBytes});
  REQUIRE(cache.set("short", "lived", minutes(10)) == Code::ok);
  REQUIRE(cache.set("long", "lived", hours(9)) == Code::ok);
  clocks.suspend(hours(8));
  clocks.pass(seconds(1));
  CHECK_FALSE(has(cache, "short"));
  CHECK(left(cache, "long") == hours(1) - seconds(1));
  REQUIRE(cache.set("new", "value", minutes(10)) == Code::ok);
  CHECK(left(cache, "new") == minutes(10));
}

TEST_CASE("a file's entries go on with their time after a reboot, by the wall clock") {
  Scratch scratch;
  const auto path = scratch / "segment";
  const Options options{.place = Place::file, .path = path, .capacity_bytes = kMinCapacityBytes};
  {
    Cache cache = Cache::open(options);
    clocks.pass(hours(2));
    REQUIRE(cache.set("key", "value", hours(1)) == Code::ok);
    REQUIRE(cache.set("for ever", "value") == Code::ok);
  }
  const auto come_up = [&](std::chrono::nanoseconds downtime) {
    clocks.reboot(downtime);
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekg(offsetof(store::SegmentHeader, domain));
    const int byte = file.get();
    file.seekp(offsetof(store::SegmentHeader, domain));
    file.put(static_cast<char>(~byte));  // the boot id was another's
  };
  come_up(minutes(20));
  {
    Cache cache = Cache::open(options);
    CHECK(left(cache, "key") == minutes(40));
    clocks.pass(minutes(5));
    CHECK(left(cache, "key") == minutes(35));
  }
  come_up(-hours(24 * 365 * 50));  // the wall clock has lost its battery: nothing is lost by it
  {
    Cache cache = Cache::open(options);
    CHECK(left(cache, "key") > minutes(35));
    CHECK(has(cache, "for ever"));
  }
  come_up(hours(24 * 365 * 60));
  Cache cache = Cache::open(options);
  CHECK_FALSE(has(cache, "key"));
  CHECK(has(cache, "for ever"));
}
