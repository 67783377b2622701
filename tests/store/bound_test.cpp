// What one call does at most, whatever the stripe holds: the chunks that its own value needs and about 16 more.
#include <doctest/doctest.h>

#include <algorithm>

#include "sanitized.hpp"
#include "store/stripe_box.hpp"

using namespace forklore;
using namespace forklore::store;
using tests::StripeBox;

namespace {

constexpr std::uint64_t kMore = 16;

/// How many chunks the index has.
std::uint32_t indexed(StripeBox& box) { return Log(box.memory.data(), box.geometry).count(Kind::index); }

/// Stores, and holds the call to its bound: in chunks made free, and in chunks and so bytes written, of which those of
/// the value itself and of what is moved are all.
void add_bounded(StripeBox& box, const std::string& key, std::size_t size) {
  const StripeHeader& header = box.header();
  const std::uint64_t reclaims = header.reclaims.load();
  const std::uint64_t sequence = header.sequence.load();
  const std::uint32_t index = indexed(box);
  REQUIRE(box.set(key, std::string(size, 'v')) == Code::ok);
  const std::uint64_t own = (16 + key.size() + size) / box.geometry.chunk_bytes + 2;
  const std::uint64_t freed = header.reclaims.load() - reclaims;
  REQUIRE(freed <= own + kMore);
  // A chunk that is freed takes a sequence, also one that the index gives back, and so does one that is taken; each of
  // these is written once.
  const std::uint64_t given_back = index - std::min(index, indexed(box));
  const std::uint64_t taken = header.sequence.load() - sequence - freed - given_back;
  REQUIRE(taken <= own + kMore);
}

void read_all(StripeBox& box, const std::string& prefix, unsigned n) {
  for (unsigned round = 0; round < 3; ++round) {
    for (unsigned i = 0; i < n; ++i) static_cast<void>(box.get(prefix + std::to_string(i)));
  }
}

/// How many chunks a call takes back at most: for the value 2 * (what it needs + 16), for the index one a step.
std::uint64_t most_chunks(const Geometry& g, std::size_t bytes) {
  return 2 * ((bytes + g.chunk_bytes - 1) / g.chunk_bytes + 16) + 1 + bytes / 128;
}

}  // namespace

TEST_CASE("a call takes back a bounded number of chunks, however hot the entries of a full stripe are") {
  StripeBox box(512 << 10);
  const std::string value(100, 'v');
  const std::string large(box.geometry.shape.max_value - 8, 'l');
  unsigned keys = 0;
  const auto add = [&] { REQUIRE(box.set("key" + std::to_string(keys++), value) == Code::ok); };
  while (box.header().evictions.load() == 0) add();
  std::uint64_t most = 0;
  for (unsigned round = 0; round < 200; ++round) {
    for (unsigned key = 0; key < keys; ++key) {
      for (unsigned frequency = 0; frequency < kMaxFrequency; ++frequency) {
        static_cast<void>(box.get("key" + std::to_string(key)));
      }
    }
    // Small ones until room has to be made, and now and then a large one.
    std::uint64_t before = box.header().reclaims.load();
    while (box.header().reclaims.load() == before) add();
    std::uint64_t taken = box.header().reclaims.load() - before;
    REQUIRE(taken <= most_chunks(box.geometry, 128));
    most = std::max(most, taken);
    if (round % 10 != 9) continue;
    before = box.header().reclaims.load();
    REQUIRE(box.set("large", large) == Code::ok);
    taken = box.header().reclaims.load() - before;
    REQUIRE(taken <= most_chunks(box.geometry, large.size() + 16));
  }
  CHECK(most > 4);  // they were hot: one chunk would not have done
  CHECK(box.verify().empty());
}

TEST_CASE("a call's work is bounded: every entry is hot") {
  for (const std::uint64_t capacity : {kMinCapacityBytes, std::size_t{1} << 20, std::size_t{4} << 20}) {
    CAPTURE(capacity);
    StripeBox box(capacity);
    const auto n = static_cast<unsigned>(capacity / 250);
    for (unsigned i = 0; i < 2 * n; ++i) add_bounded(box, "key" + std::to_string(i), 200);
    for (unsigned round = 0; round < 4; ++round) {
      read_all(box, "key", 2 * n);
      for (unsigned i = 0; i < n / 8; ++i) add_bounded(box, std::to_string(round) + "new" + std::to_string(i), 200);
    }
    CHECK(box.header().moves.load() > n / 8);
    CHECK(box.verify().empty());
  }
}

TEST_CASE("a call's work is bounded: a quarter-stripe value comes in, and another") {
  for (const std::uint64_t capacity : {std::size_t{1} << 20, std::size_t{4} << 20}) {
    if (tests::kSanitized && capacity > std::size_t{1} << 20) continue;
    for (const std::size_t size : {std::size_t{8}, std::size_t{300}, std::size_t{9'000}}) {
      CAPTURE(capacity);
      CAPTURE(size);
      StripeBox box(capacity);
      const auto n = static_cast<unsigned>(2 * capacity / (size + 40));
      for (unsigned i = 0; i < n; ++i) add_bounded(box, "key" + std::to_string(i), size);
      for (unsigned round = 0; round < 8; ++round) {
        read_all(box, "key", n);
        add_bounded(box, "large" + std::to_string(round), box.geometry.stripe_bytes / 4);
        CHECK(box.get("large" + std::to_string(round)).has_value());
        for (unsigned i = 0; i < 100; ++i) add_bounded(box, std::to_string(round) + "new" + std::to_string(i), size);
      }
      CHECK(box.verify().empty());
    }
  }
}

TEST_CASE("a call's work is bounded: all sizes change at once") {
  StripeBox box(std::size_t{2} << 20);
  unsigned number = 0;
  for (const std::size_t size : {2u, 100u, 512u, 20'000u, 2u, 5'000u, 30u, 100'000u, 1u}) {
    CAPTURE(size);
    const std::uint64_t n = std::min<std::uint64_t>(2 * box.geometry.stripe_bytes / (size + 40), 40'000);
    for (unsigned i = 0; i < n; ++i) {
      add_bounded(box, "key" + std::to_string(number++), size);
      if (i % 3 == 0) static_cast<void>(box.get("key" + std::to_string(number - 1 - i / 2)));
    }
    CHECK(box.verify().empty());
  }
}

TEST_CASE("a call's work is bounded: all has expired") {
  StripeBox box(std::size_t{2} << 20);
  for (unsigned round = 0; round < 3; ++round) {
    for (unsigned i = 0; i < 10'000; ++i) {
      const std::string key = std::to_string(round) + "brief" + std::to_string(i);
      REQUIRE(box.set(key, std::string(150, 'v'), box.now + 1 + i % 50) == Code::ok);
    }
    box.now += 100;
    for (unsigned i = 0; i < 2'000; ++i) add_bounded(box, std::to_string(round) + "key" + std::to_string(i), 400);
  }
  CHECK(box.verify().empty());
}

TEST_CASE("sizes that change in a full stripe leave as many entries as a fresh one holds") {
  for (const auto& sizes : {std::pair{100, 512},
                            {512, 100},
                            {100, 4'000},
                            {4'000, 100},
                            {8, 100},
                            {20'000, 500},
                            {500, 20'000},
                            {8'000, 2'000},
                            {1, 60'000},
                            {100, 100'000},
                            {100, 300'000}}) {
    const int before = sizes.first;
    const int after = sizes.second;
    CAPTURE(before);
    CAPTURE(after);
    StripeBox box(std::size_t{4} << 20), fresh(std::size_t{4} << 20);
    const auto fill = [](StripeBox& of, const std::string& prefix, int size) {
      const auto n = static_cast<unsigned>(2 * of.geometry.stripe_bytes / (static_cast<unsigned>(size) + 32));
      for (unsigned i = 0; i < n; ++i) {
        REQUIRE(of.set(prefix + std::to_string(i), std::string(static_cast<std::size_t>(size), 'v')) == Code::ok);
      }
      return n;
    };
    const auto held = [](StripeBox& of, unsigned n) {
      unsigned found = 0;
      for (unsigned i = 0; i < n; ++i) found += of.get("after" + std::to_string(i)).has_value();
      return found;
    };
    fill(box, "before", before);
    const unsigned n = fill(box, "after", after);
    fill(fresh, "after", after);
    CHECK(held(box, n) >= held(fresh, n) * 95 / 100);
    CHECK(box.verify().empty());
  }
}
