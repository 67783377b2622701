#include "store/segment.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <thread>

#include "base/clock.hpp"
#include "store/stripe_box.hpp"

using namespace forklore;
using namespace forklore::store;

namespace {

struct SegmentBox {
  explicit SegmentBox(const Shape& shape = {.capacity = 4 << 20, .stripes = 4})
      : geometry(plan(shape)), memory(geometry.shape.capacity) {
    Segment::create(memory.data(), geometry, domain, origin);
  }
  SegmentHeader& header() { return *reinterpret_cast<SegmentHeader*>(memory.data()); }
  std::optional<Description> describe(std::string& fault) {
    return store::describe(header(), geometry.shape.capacity, fault);
  }
  Description description() {
    std::string fault;
    const auto d = describe(fault);
    REQUIRE(d);
    return *d;
  }
  StripeHeader& stripe_header(std::uint32_t i) {
    return *reinterpret_cast<StripeHeader*>(memory.data() + geometry.stripes_at + i * geometry.stripe_bytes);
  }

  Geometry geometry;
  base::LockDomain domain = base::lock_domain().domain;
  Origin origin{12, 34};
  tests::Lines memory;
};

Code set(Segment& segment, const std::string& key, const std::string& value) {
  const std::uint64_t hash = base::hash(key);
  return segment.stripe_of(hash).update({key, hash}, 1, std::chrono::milliseconds(1000), [&](const Present&) {
    return Decision{.action = Decision::Action::store, .value = value};
  });
}

bool has(Segment& segment, const std::string& key) {
  const std::uint64_t hash = base::hash(key);
  NoValue none;
  Reading reading;
  std::uint64_t rereads = 0;
  return segment.stripe_of(hash).read({key, hash}, 1, none, reading, std::chrono::milliseconds(1000), rereads) ==
         Code::ok;
}

Stats sum(Segment& segment) {
  Stats stats;
  segment.sum(stats);
  return stats;
}

}  // namespace

TEST_CASE("a segment describes itself as it was made") {
  SegmentBox box({.capacity = 4 << 20, .stripes = 4, .max_value = 5000, .reject = true});
  const Description d = box.description();
  CHECK(d.geometry.check() == box.geometry.check());
  CHECK(d.geometry.shape.reject);
  CHECK(d.geometry.shape.max_value == 5000);
  CHECK(d.domain == box.domain);
  CHECK(d.origin == box.origin);
  CHECK_FALSE(d.clean);
  CHECK(base::boottime_ms() - d.birth_boottime < 60'000);
  CHECK(base::realtime_ms() - d.birth_realtime < 60'000);
}

TEST_CASE("a header without the magic word is no segment yet, one that is wrong says in what") {
  SegmentBox box;
  std::string fault;
  const auto wrong = [&](auto& field, auto value, const char* says) {
    const auto before = field;
    field = value;
    CHECK_FALSE(box.describe(fault));
    CHECK(fault.find(says) != std::string::npos);
    field = before;
    CHECK(box.describe(fault));
    CHECK(fault.empty());
  };
  SegmentHeader& h = box.header();
  wrong(h.format_version, 9u, "its format is version 9");
  wrong(h.layout_check, h.layout_check ^ 1, "differs from this one");
  wrong(h.capacity, h.capacity + 1, "its header says 4194305 bytes and it has 4194304");
  wrong(h.stripes, 8u, "damaged");
  wrong(h.stripes, 3u, "damaged");
  wrong(h.stripes, 0u, "damaged");
  wrong(h.stripes, ~0u, "damaged");
  wrong(h.reject, 1u, "damaged");
  wrong(h.reject, 2u, "damaged");
  wrong(h.max_value, h.max_value - 1, "damaged");
  wrong(h.max_value, ~std::uint64_t{0}, "damaged");
  wrong(h.max_value, std::uint64_t{0}, "damaged");
  wrong(h.geometry_check, h.geometry_check + 1, "damaged");

  h.magic.store(kMagic ^ 1);
  CHECK_FALSE(box.describe(fault));
  CHECK(fault.find("does not begin as a Forklore segment") != std::string::npos);
  h.magic.store(0);
  CHECK_FALSE(box.describe(fault));
  CHECK(fault.empty());
}

TEST_CASE("a header that agrees with itself but not with the size of the file is refused") {
  SegmentBox box;
  std::string fault;
  CHECK_FALSE(store::describe(box.header(), box.geometry.shape.capacity / 2, fault));
  CHECK(fault.find("and it has 2097152") != std::string::npos);
}

TEST_CASE("an entry takes exactly its own size from the chunks, and a slot") {
  SegmentBox box({.capacity = 32 << 20});
  Segment segment(box.memory.data(), box.description(), true);
  std::uint64_t live = sum(segment).live_bytes, entries = 0;
  CHECK(live == 0);
  for (const std::size_t key : {1u, 7u, 8u, 24u, 100u, 1024u}) {
    for (const std::size_t value : {0u, 1u, 8u, 99u, 100u, 512u, 5000u, 100'000u}) {
      std::string name = std::to_string(++entries);
      name.resize(key, '.');
      if (has(segment, name)) continue;  // two of the shortest names are the same
      REQUIRE(set(segment, name, std::string(value, 'v')) == Code::ok);
      const std::uint64_t now = sum(segment).live_bytes;
      CAPTURE(key);
      CAPTURE(value);
      REQUIRE(now - live == (16 + key + value + 7) / 8 * 8);
      live = now;
    }
  }
}

TEST_CASE("capacity is the sum of the chunks and of all else, and the figures say so") {
  SegmentBox box({.capacity = 16 << 20});
  Segment segment(box.memory.data(), box.description(), true);
  const Stats stats = sum(segment);
  CHECK(stats.capacity_bytes == 16 << 20);
  CHECK(stats.index_bytes + std::uint64_t{stats.chunks} * stats.chunk_bytes == stats.capacity_bytes);
  CHECK(stats.free_chunks == stats.chunks);
  CHECK(stats.stripes == box.geometry.shape.stripes);
  CHECK(stats.slots == std::uint64_t{box.geometry.least_buckets} * 8 * box.geometry.shape.stripes);
  CHECK(stats.entries == 0);
}

TEST_CASE("keys spread over the stripes") {
  SegmentBox box({.capacity = 32 << 20});
  Segment segment(box.memory.data(), box.description(), true);
  REQUIRE(segment.stripes() >= 8);
  for (unsigned i = 0; i < 8000; ++i) REQUIRE(set(segment, "key" + std::to_string(i), "value") == Code::ok);
  for (std::uint32_t i = 0; i < segment.stripes(); ++i) {
    const std::uint64_t entries = segment.stripe(i).totals().entries;
    CHECK(entries > 8000 / segment.stripes() * 7 / 10);
    CHECK(entries < 8000 / segment.stripes() * 13 / 10);
  }
  CHECK(sum(segment).entries == 8000);
}

TEST_CASE("adoption frees what another boot or namespace left, keeps the entries and goes on with their age") {
  SegmentBox box;
  {
    Segment segment(box.memory.data(), box.description(), true);
    for (unsigned i = 0; i < 100; ++i) REQUIRE(set(segment, "key" + std::to_string(i), "value") == Code::ok);
    segment.counters().add(segment.counters().claim(), &CounterLine::hits, 5);
  }
  box.stripe_header(0).lock.store(1);  // held by what is a living thread here: the init process
  box.stripe_header(1).open[1].store(200);
  box.stripe_header(1).sequence.store(0);
  box.header().birth_realtime -= 5'000'000;  // it was made 5,000 seconds ago, on a boot that began just then
  box.header().birth_boottime = 100;
  box.header().domain.boot_id[0] ^= 1;

  Segment::adopt(box.memory.data(), box.description(), box.domain, {56, 78});
  const Description d = box.description();
  CHECK(d.domain == box.domain);
  CHECK(d.origin == Origin{56, 78});
  Segment segment(box.memory.data(), d, true);
  CHECK(segment.age(base::boottime_ms()) / 1000 >= 5000);
  CHECK(segment.age(base::boottime_ms()) / 1000 < 5060);
  const Stats stats = sum(segment);
  CHECK(stats.hits == 5);
  CHECK(stats.processes.empty());
  for (unsigned i = 0; i < 100; ++i) CHECK(has(segment, "key" + std::to_string(i)));
  for (unsigned i = 0; i < 100; ++i) REQUIRE(set(segment, "more" + std::to_string(i), "value") == Code::ok);
  std::vector<std::string> faults;
  for (std::uint32_t i = 0; i < segment.stripes(); ++i) {
    REQUIRE(segment.stripe(i).verify("stripe", std::chrono::milliseconds(100), faults) == Code::ok);
  }
  CHECK(faults.empty());
}

TEST_CASE("age is counted from birth, and a time before it is no age") {
  SegmentBox box;
  const Description d = box.description();
  const Segment segment(box.memory.data(), d, true);
  CHECK(segment.age(d.birth_boottime) == 0);
  CHECK(segment.age(d.birth_boottime + 1234) == 1234);
  CHECK(segment.age(d.birth_boottime - 10) == 0);

  box.header().birth_boottime = d.birth_boottime - (std::uint64_t{1} << 60);  // damaged: what never expires stays
  CHECK(Segment(box.memory.data(), box.description(), true).age(d.birth_boottime) == kNever - 1);
}

TEST_CASE("clean is what was last said") {
  SegmentBox box;
  Segment segment(box.memory.data(), box.description(), true);
  segment.set_clean(true);
  CHECK(box.description().clean);
  segment.set_clean(false);
  CHECK_FALSE(box.description().clean);
}
