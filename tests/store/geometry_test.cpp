#include "store/geometry.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <vector>

#include "forklore/options.hpp"

using namespace forklore;
using namespace forklore::store;

namespace {

constexpr std::uint64_t kMaxStripe = std::uint64_t{kMaxChunks} << 20;  // more of one is left unused

/// Capacities from the smallest to the largest: powers of two, and odd sizes between them.
std::vector<std::uint64_t> capacities() {
  std::vector<std::uint64_t> all;
  for (std::uint64_t capacity = kMinCapacityBytes; capacity <= kMaxCapacityBytes; capacity *= 2) {
    for (const std::uint64_t more : {std::uint64_t{0}, std::uint64_t{1}, capacity / 3, capacity / 2 + 4097}) {
      if (capacity + more <= kMaxCapacityBytes) all.push_back(capacity + more);
    }
  }
  return all;
}

std::vector<Shape> shapes() {
  std::vector<Shape> all;
  for (const std::uint64_t capacity : capacities()) {
    for (const bool reject : {false, true}) {
      for (const std::uint32_t stripes : {0u, 1u, 2u, 4u, 8u, 16u, 32u, 64u}) {
        for (const std::uint64_t value : {0u, 1u, 1000u, 100'000u, 1u << 20, 20u << 20}) {
          all.push_back({capacity, stripes, value, reject});
        }
      }
    }
  }
  return all;
}

}  // namespace

TEST_CASE("every part lies behind the one before, aligned, and within the segment") {
  unsigned planned = 0;
  for (const Shape& shape : shapes()) {
    const Geometry g = plan(shape);
    if (g.chunks == 0) continue;
    ++planned;
    CAPTURE(shape.capacity);
    CAPTURE(shape.stripes);
    CAPTURE(shape.max_value);
    CAPTURE(shape.reject);
    REQUIRE(g.shape.capacity == shape.capacity);
    REQUIRE(g.stripes_at >= kHeaderBytes + g.counter_lines * sizeof(CounterLine));
    REQUIRE(g.stripes_at + g.shape.stripes * g.stripe_bytes <= shape.capacity);
    REQUIRE(g.stripes_at % kCacheLine == 0);
    REQUIRE(g.stripe_bytes % kCacheLine == 0);

    const struct {
      std::uint64_t at, bytes;
    } parts[] = {{0, sizeof(StripeHeader)},
                 {g.states_at, sizeof(Word) * g.chunks},
                 {g.due_at, sizeof(Word) * g.chunks},
                 {g.straddlers_at, sizeof(Word) * g.chunks},
                 {g.generations_at, sizeof(HalfWord) * g.chunks},
                 {g.used_at, sizeof(HalfWord) * g.chunks},
                 {g.first_at, sizeof(HalfWord) * g.chunks},
                 {g.live_at, sizeof(HalfWord) * g.chunks},
                 {g.next_at, sizeof(HalfWord) * g.chunks},
                 {g.leases_at, kLeaseBytes * g.leases},
                 {g.ghost_at, sizeof(HalfWord) * g.ghost_words},
                 {g.buckets_at, sizeof(Bucket) * g.least_buckets},
                 {g.chunks_at, std::uint64_t{g.chunk_bytes} * g.chunks}};
    std::uint64_t end = 0;
    for (const auto& part : parts) {
      REQUIRE(part.at >= end);
      REQUIRE(part.at % kCacheLine == 0);
      end = part.at + part.bytes;
    }
    REQUIRE(end <= g.stripe_bytes);
    REQUIRE((g.flights % 8 == 0 && g.leases % 8 == 0));
    REQUIRE((g.flights >= kMinFlights && g.flights <= kMaxFlights));
    REQUIRE((g.leases - g.flights >= kMinLocks && g.leases - g.flights <= kMaxLocks));
    // The buckets go on in the chunks without a gap, and leave most of them to entries.
    REQUIRE(g.buckets_at + sizeof(Bucket) * g.least_buckets == g.chunks_at);
    REQUIRE(std::has_single_bit(g.least_buckets));
    REQUIRE(g.most_buckets >= g.least_buckets);
    REQUIRE(g.buckets_at + sizeof(Bucket) * g.most_buckets <=
            g.chunks_at + std::uint64_t{g.chunk_bytes} * g.chunks / 2);
    REQUIRE(g.most_buckets < 1u << kIndexSizeBits);
  }
  MESSAGE(planned << " shapes planned");
  CHECK(planned > 3000);
}

TEST_CASE("a plan planned again is the same, so that a header needs to keep no more than the shape") {
  for (const Shape& shape : shapes()) {
    const Geometry g = plan(shape);
    if (g.chunks == 0) continue;
    CAPTURE(shape.capacity);
    const Geometry again = plan(g.shape);
    REQUIRE(again.check() == g.check());
    REQUIRE(g.shape.satisfies(shape));
    REQUIRE(g.shape.stripes != 0);
    REQUIRE(g.shape.max_value != 0);
  }
}

TEST_CASE("the check differs between any two geometries that differ") {
  const Geometry g = plan({.capacity = 32 << 20});
  for (auto change : {+[](Geometry& x) { x.shape.reject = true; }, +[](Geometry& x) { ++x.shape.max_value; },
                      +[](Geometry& x) { --x.chunks; }, +[](Geometry& x) { x.chunks_at += 64; },
                      +[](Geometry& x) { ++x.least_buckets; }, +[](Geometry& x) { ++x.most_buckets; },
                      +[](Geometry& x) { ++x.reserve_chunks; }}) {
    Geometry other = g;
    change(other);
    CHECK(other.check() != g.check());
  }
}

TEST_CASE("stripes and chunks are powers of two within their bounds") {
  for (const Shape& shape : shapes()) {
    const Geometry g = plan(shape);
    if (g.chunks == 0) continue;
    CAPTURE(shape.capacity);
    CAPTURE(shape.stripes);
    REQUIRE(std::has_single_bit(g.shape.stripes));
    REQUIRE(g.shape.stripes <= kMaxStripes);
    REQUIRE(std::has_single_bit(g.chunk_bytes));
    REQUIRE(g.chunk_bytes >= (g.stripe_bytes < 1 << 18 && !shape.reject ? 2048 : 4096));
    REQUIRE(g.chunk_bytes <= (1 << 20));
    REQUIRE(g.chunk_bytes == (std::uint32_t{1} << g.chunk_shift));
    REQUIRE(g.chunks <= kMaxChunks);
    REQUIRE(g.chunks >= 8);
    if (g.chunk_bytes > 4096) REQUIRE(g.chunks >= kMaxChunks / 2);
  }
}

TEST_CASE("a capacity is used: what is no chunk is less than a tenth of it") {
  for (const std::uint64_t capacity : capacities()) {
    CAPTURE(capacity);
    const Geometry g = plan({.capacity = capacity});
    REQUIRE(g.chunks != 0);
    const std::uint64_t chunks = std::uint64_t{g.chunks} * g.chunk_bytes * g.shape.stripes;
    CHECK(static_cast<double>(chunks) > (capacity < (1 << 20) ? 0.85 : 0.9) * static_cast<double>(capacity));
  }
}

TEST_CASE("the largest value fits an entry, with the largest key, and can be made room for") {
  for (const Shape& shape : shapes()) {
    const Geometry g = plan(shape);
    if (g.chunks == 0) continue;
    CAPTURE(shape.capacity);
    CAPTURE(shape.max_value);
    const EntryHead largest{.value_size = static_cast<std::uint32_t>(g.shape.max_value), .key_size = kMaxKeyBytes};
    REQUIRE(largest.total() <= g.max_entry);
    REQUIRE(largest.unspilled() <= g.chunk_bytes);
    if (shape.max_value != 0) REQUIRE(g.shape.max_value == shape.max_value);
    const std::uint32_t whole = (g.max_entry + g.chunk_bytes - 1) / g.chunk_bytes;
    REQUIRE(whole + g.reserve_chunks < g.chunks);
    if (shape.reject) REQUIRE(g.reserve_chunks > whole);  // a live entry of any size can always be moved
    if (!shape.reject) REQUIRE(largest_value(shape.capacity, false) > std::min(shape.capacity, kMaxStripe) / 4);
  }
}

TEST_CASE("a slot has room for any location, and for generations that last terabytes of writes") {
  for (const std::uint64_t capacity : capacities()) {
    CAPTURE(capacity);
    const Geometry g = plan({.capacity = capacity});
    REQUIRE(g.location_bits < kFrequencyShift);
    REQUIRE(((g.stripe_bytes / 8) >> g.location_bits) == 0);
    const std::uint64_t generations = std::uint64_t{1} << std::min(kFrequencyShift - g.location_bits, 32u);
    CHECK(generations * g.chunk_bytes * 2 >= (std::uint64_t{2} << 40));
  }
}

TEST_CASE("what cannot be had is refused") {
  CHECK(plan({.capacity = kMinCapacityBytes - 1}).chunks == 0);
  CHECK(plan({.capacity = kMaxCapacityBytes + 1}).chunks == 0);
  CHECK(plan({.capacity = 0}).chunks == 0);
  CHECK(plan({.capacity = 32 << 20, .stripes = 3}).chunks == 0);
  CHECK(plan({.capacity = 32 << 20, .stripes = 128}).chunks == 0);
  CHECK(plan({.capacity = kMinCapacityBytes, .stripes = 64}).chunks == 0);
  for (const bool reject : {false, true}) {
    for (const std::uint64_t capacity : capacities()) {
      CAPTURE(capacity);
      const std::uint64_t most = largest_value(capacity, reject);
      CHECK(plan({.capacity = capacity, .max_value = most, .reject = reject}).chunks != 0);
      CHECK(plan({.capacity = capacity, .max_value = most + 1, .reject = reject}).chunks == 0);
    }
  }
}

TEST_CASE("a wish is satisfied by what it leaves open, and by nothing else") {
  const Shape is{64 << 20, 16, 1 << 20, false};
  CHECK(is.satisfies({.capacity = 64 << 20}));
  CHECK(is.satisfies({64 << 20, 16, 1 << 20, false}));
  CHECK_FALSE(is.satisfies({.capacity = 32 << 20}));
  CHECK_FALSE(is.satisfies({.capacity = 64 << 20, .stripes = 8}));
  CHECK_FALSE(is.satisfies({.capacity = 64 << 20, .max_value = 100}));
  CHECK_FALSE(is.satisfies({.capacity = 64 << 20, .reject = true}));
}
