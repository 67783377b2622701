// Processes that are stopped (SIGSTOP, a debugger, docker pause) inside a lock or inside a read.
#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <random>
#include <vector>

#include "base/hash.hpp"
#include "child.hpp"
#include "crash/segment_file.hpp"
#include "process/checked_value.hpp"
#include "process/waiting.hpp"
#include "seed.hpp"
#include "shared.hpp"
#include "unique_name.hpp"

using namespace forklore;
using tests::checked_value;
using tests::Child;
using tests::comes_true;
using tests::number_of;
using tests::Shared;
using tests::UniqueName;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::uint32_t kStripes = 4;
std::uint64_t stripe_of(std::string_view key) { return base::hash(key) >> 58 & (kStripes - 1); }

void stop(const Child& child) {
  int status = 0;
  child.signal(SIGSTOP);
  REQUIRE(::waitpid(child.pid(), &status, WUNTRACED) == child.pid());
  REQUIRE(WIFSTOPPED(status));
}

std::atomic<int> waits{0};

/// What readers tell of themselves.
constexpr unsigned kReaders = 6;
struct Readers {
  std::atomic<std::uint64_t> reads[kReaders], hits, torn;
};

/// What the writer tells.
struct Writes {
  std::atomic<std::uint64_t> done, busy;
};

[[noreturn]] void read_on(Cache& cache, Readers& tally, unsigned number) {
  std::string out;
  for (;;) {
    if (cache.get("key", out) == Code::ok) {
      ++tally.hits;
      if (!number_of("key", out)) ++tally.torn;
    }
    ++tally.reads[number];
  }
}

}  // namespace

TEST_CASE("a writer stopped inside a lock makes its stripe busy and no other, and goes on when it is let") {
  UniqueName name;
  Cache cache = Cache::open({.name = name,
                             .capacity_bytes = 32 * MiB,
                             .max_value_bytes = 1 * MiB,
                             .stripes = kStripes,
                             .lock_timeout = std::chrono::milliseconds(100)});
  REQUIRE(cache.stats().stripes == kStripes);
  const crash::SegmentFile file(name);
  const std::byte* stripe = file.stripe() + stripe_of("big") * file.geometry().stripe_bytes;
  const auto& lock = reinterpret_cast<const store::StripeHeader*>(stripe)->lock;
  std::vector<std::string> same, others;
  for (unsigned i = 0; i < 400; ++i) {
    const std::string key = "key" + std::to_string(i);
    (stripe_of(key) == stripe_of("big") ? same : others).push_back(key);
    REQUIRE(cache.set(key, "before") == Code::ok);
  }

  Shared<Writes> writes;
  const std::string big(1 << 20, 'x');
  Child writer([&]() -> int {
    for (;;) {
      const Code code = cache.set("big", big);
      if (code != Code::ok && code != Code::busy) return 1;
      ++(code == Code::ok ? writes->done : writes->busy);
    }
  });
  REQUIRE(comes_true([&] { return writes->done > 10; }));
  const auto inside = [&] {
    stop(writer);
    if ((lock & FUTEX_TID_MASK) == static_cast<std::uint32_t>(writer.pid())) return true;
    writer.signal(SIGCONT);
    return false;
  };
  REQUIRE(comes_true(inside));

  const auto start = Clock::now();
  CHECK(cache.set(same[0], "other") == Code::busy);
  CHECK(Clock::now() - start >= std::chrono::milliseconds(100));
  CHECK(cache.stats().busy == 1);
  set_hooks({.before_wait = [] { ++waits; }});
  for (const std::string& key : others) CHECK(cache.set(key, "meanwhile") == Code::ok);
  for (const std::string& key : same) CHECK(cache.get(key) == "before");
  CHECK(waits == 0);  // neither the other stripes' writers nor anybody's reader
  set_hooks({});
  CHECK((lock & FUTEX_TID_MASK) == static_cast<std::uint32_t>(writer.pid()));  // not robbed

  const std::uint64_t written = writes->done;
  writer.signal(SIGCONT);
  CHECK(comes_true([&] { return writes->done > written + 3; }));
  std::uint64_t busy = 1;  // a machine under load may add some, which each answer said
  const auto store = [&](const std::string& key) {
    const Code code = cache.set(key, "after");
    busy += code == Code::busy;
    return code == Code::ok;
  };
  for (const std::string& key : same) CHECK(comes_true([&] { return store(key); }));
  stop(writer);
  busy += writes->busy;
  writer.kill();
  CHECK(cache.get("big") == big);
  CHECK(cache.stats().busy - busy <= 1);  // of the last call of the writer nobody may know
  CHECK(cache.verify().empty());
}

TEST_CASE("a reader stopped amid a value answers one that is whole, however often its chunks are used meanwhile") {
  const std::uint64_t seed = tests::seed();
  MESSAGE("seed " << seed);
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  UniqueName name;
  Cache cache = Cache::open({.name = name, .capacity_bytes = 1 * MiB, .max_value_bytes = 200'000ul, .stripes = 1});
  std::uint64_t number = 0;
  std::uint64_t bytes = 0;
  const auto write_for = [&](std::chrono::milliseconds time) {
    for (const auto until = Clock::now() + time; Clock::now() < until;) {
      const std::string key = random() % 4 == 0 ? "key" : "other" + std::to_string(random() % 20);
      const std::size_t size = key == "key" ? 100'000 + random() % 100'000 : 24 + random() % 50'000;
      REQUIRE(cache.set(key, checked_value(key, ++number, size)) == Code::ok);
      bytes += size;
    }
  };
  write_for(std::chrono::milliseconds(20));
  REQUIRE(cache.set("key", checked_value("key", ++number, 200'000)) == Code::ok);

  Shared<Readers> tally;
  std::vector<Child> readers;
  for (unsigned i = 0; i < kReaders; ++i) {
    readers.emplace_back([&, i]() -> int { read_on(cache, *tally, i); });
  }
  unsigned overtaken = 0;
  // Nobody writes but while all readers stand still, so whoever begins again was stopped amid a read. Where most of
  // their time goes elsewhere, as under a sanitizer, it takes some rounds until one is.
  const auto stop_all_for = [&](int ms) {
    CHECK(comes_true([&] { return tally->hits > 0; }));
    ::usleep(static_cast<::useconds_t>(random() % 20'000));
    for (const Child& reader : readers) stop(reader);
    const Stats before = cache.stats();
    const std::uint64_t bytes_before = bytes;
    std::uint64_t reads[kReaders];
    for (unsigned i = 0; i < kReaders; ++i) reads[i] = tally->reads[i];
    write_for(std::chrono::milliseconds(ms));
    const std::uint64_t reclaims = cache.stats().reclaims - before.reclaims;
    for (const Child& reader : readers) reader.signal(SIGCONT);
    for (unsigned i = 0; i < kReaders; ++i) {
      CHECK(comes_true([&] { return tally->reads[i] > reads[i] + 1; }));
    }
    const std::uint64_t rereads = cache.stats().rereads - before.rereads;
    overtaken += rereads > 0 ? 1 : 0;
    if (ms >= 1000) {
      MESSAGE("stopped for " << ms << " ms: " << ((bytes - bytes_before) >> 20) << " MiB written, each chunk used "
                             << reclaims / before.chunks << " times, " << rereads << " reads begun again");
    }
  };
  for (unsigned round = 0; round < 10 || (overtaken == 0 && round < 200); ++round) stop_all_for(20);
  stop_all_for(4000);
  CHECK(tally->torn == 0);
  CHECK(overtaken > 0);
  CHECK(cache.verify().empty());
}
