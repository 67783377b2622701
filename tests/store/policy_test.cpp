#include "store/policy.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <string>

#include "seed.hpp"
#include "store/log_writer.hpp"
#include "store/stripe_box.hpp"

using namespace forklore::store;
using forklore::base::mix;

namespace {

/// A policy over a stripe's parts, with entries that no slot leads to.
struct PolicyBox {
  explicit PolicyBox(bool reject = false)
      : geometry(forklore::tests::one_stripe(1 << 20, reject)),
        memory(geometry.stripe_bytes),
        log(memory.data(), geometry),
        index(memory.data(), geometry),
        ghost(memory.data(), geometry),
        policy(header(), log, index, ghost, reject) {
    log.create(7);
    index.set_size(index.least());
  }
  StripeHeader& header() { return *reinterpret_cast<StripeHeader*>(memory.data()); }

  /// Fills so many chunks of a log with entries of so many bytes, and counts them as held.
  void fill(Kind kind, std::uint32_t chunks, std::size_t bytes = 200) {
    const EntryHead head{kNever, 0, static_cast<std::uint32_t>(bytes - kEntryHeader - 8), 8};
    const std::string key(8, 'k'), value(head.value_size, 'v');
    for (const std::uint32_t full = log.count(kind) + chunks; log.count(kind) < full;) add(kind, head, key, value);
    while (log.chunks_needed(kind, head) == 0) add(kind, head, key, value);
  }
  void add(Kind kind, const EntryHead& head, const std::string& key, const std::string& value) {
    static_cast<void>(log.append(kind, 1, head, [&](Writer& out) {
      out.write_word(head.first_word());
      out.write_word(head.second_word());
      out.write(key.data(), key.size());
      out.write(value.data(), value.size());
    }));
    count(header().slots_used);
  }
  /// The log for a new entry of a key.
  Kind come(std::uint64_t key, std::size_t bytes = 200) { return policy.choose_log(mix(key), std::nullopt, bytes); }
  void leave(Kind from, std::uint64_t key, std::size_t bytes = 200) { policy.remember(from, mix(key), bytes); }
  Kind victim(Kind kind = Kind::small) {
    const std::uint32_t chunk = policy.choose_victim(kind, 1);
    return chunk < log.size() ? kind_of(log.state(chunk)) : Kind::free;
  }

  Geometry geometry;
  forklore::tests::Lines memory;
  Log log;
  Index index;
  Ghost ghost;
  Policy policy;
};

}  // namespace

TEST_CASE("a new entry goes to small, and an overwrite to the log of the old entry") {
  PolicyBox box;
  CHECK(box.come(1) == Kind::small);
  CHECK(box.come(1) == Kind::small);
  for (const Kind log : {Kind::small, Kind::main, Kind::large}) {
    CHECK(box.policy.keeps_log(log, 200));
    CHECK(box.policy.choose_log(mix(2), log, 200) == log);
  }
}

TEST_CASE("a key that left small and comes back goes to main, once") {
  PolicyBox box;
  box.leave(Kind::small, 1);
  CHECK(box.come(2) == Kind::small);
  CHECK(box.come(1) == Kind::main);
  CHECK(box.come(1) == Kind::small);
}

TEST_CASE("a key that left large is not remembered") {
  PolicyBox box;
  box.leave(Kind::large, 1);
  CHECK(box.come(1) == Kind::small);
}

TEST_CASE("an entry that is large beside those that are held goes to large, and moves there when it grows") {
  PolicyBox box;
  box.fill(Kind::small, 4);
  for (unsigned i = 0; i < 300; ++i) REQUIRE(box.come(i) == Kind::small);
  box.header().slots_used.store(box.geometry.chunks * std::uint64_t{box.geometry.chunk_bytes} / 200);  // a full stripe
  CHECK(box.come(1000, 250) == Kind::small);
  CHECK(box.come(1000, 4000) == Kind::large);
  CHECK_FALSE(box.policy.keeps_log(Kind::small, 4000));
  CHECK(box.policy.choose_log(mix(1), Kind::small, 4000) == Kind::large);
  CHECK(box.policy.choose_log(mix(1), Kind::large, 8) == Kind::large);
  CHECK(box.policy.choose_log(mix(1), Kind::main, 4000) == Kind::main);
}

TEST_CASE("large entries are the usual ones once as many bytes of them have come as the stripe has") {
  PolicyBox box;
  for (unsigned i = 0; i < 300; ++i) static_cast<void>(box.come(i));
  const std::uint64_t held = box.geometry.chunks * std::uint64_t{box.geometry.chunk_bytes};
  box.header().slots_used.store(held / 200);
  std::uint64_t large = 0;
  while (box.come(1000 + large, 4000) == Kind::large) ++large;
  CHECK(large * 4000 > held / 2);
  CHECK(large * 4000 < held * 2);
}

TEST_CASE("who stays, and with which frequency") {
  PolicyBox box;
  const auto left = [&](Kind from, unsigned frequency) -> int {
    return box.policy.stays(from, 200, frequency) ? static_cast<int>(frequency) : -1;
  };
  CHECK(left(Kind::small, 0) == -1);
  CHECK(left(Kind::small, 1) == 0);
  CHECK(left(Kind::small, 3) == 0);
  CHECK(left(Kind::large, 1) == -1);
  CHECK(left(Kind::large, 2) == 0);
  CHECK(left(Kind::main, 0) == -1);
  CHECK(left(Kind::main, 1) == 0);
  CHECK(left(Kind::main, 3) == 2);
}

TEST_CASE("a log that has but its open chunk gives nothing; then another one does") {
  PolicyBox box;
  CHECK(box.victim() == Kind::free);
  box.fill(Kind::small, 1);
  CHECK(box.victim() == Kind::free);
  box.fill(Kind::main, 3);
  CHECK(box.victim() == Kind::main);
  PolicyBox other;
  other.fill(Kind::large, 2);
  CHECK(other.victim() == Kind::large);
}

TEST_CASE("a large entry takes the place of a large one once they have their share") {
  PolicyBox box;
  box.fill(Kind::small, 100);
  box.fill(Kind::large, 2, 2000);
  CHECK(box.victim(Kind::large) == Kind::small);
  box.fill(Kind::large, box.geometry.chunks / 20, 2000);
  CHECK(box.victim(Kind::large) == Kind::large);
  CHECK(box.victim(Kind::small) == Kind::small);
}

TEST_CASE("while memory is free, main gets what small has beyond a tenth") {
  PolicyBox box;
  box.fill(Kind::small, 50);
  for (unsigned i = 0; i < 300; ++i) static_cast<void>(box.come(i));
  box.policy.fill_main(Kind::small, 1);
  CHECK(box.log.count(Kind::small) < box.geometry.chunks / 9);
  CHECK(box.log.count(Kind::small) > box.geometry.chunks / 12);
  CHECK(box.log.count(Kind::small) + box.log.count(Kind::main) == 50);
  CHECK(box.log.filled(box.log.oldest(Kind::main)));
}

TEST_CASE("what main was filled with gives way as far as keys come back that left small, and more if they come soon") {
  for (const bool soon : {true, false}) {
    CAPTURE(soon);
    PolicyBox box;
    box.fill(Kind::small, 100);
    for (unsigned i = 0; i < 300; ++i) static_cast<void>(box.come(i));
    box.policy.fill_main(Kind::small, 1);
    box.fill(Kind::small, 10);
    const std::uint64_t chunk = box.geometry.chunk_bytes;
    const auto come_back = [&](std::uint64_t bytes) {
      for (std::uint64_t sum = 0; sum < bytes; sum += 200) box.leave(Kind::small, 1000 + sum);
      box.header().ghost_bytes[0].fetch_add(soon ? 0 : box.geometry.chunks * chunk / 2);
      for (std::uint64_t sum = 0; sum < bytes; sum += 200) REQUIRE(box.come(1000 + sum) == Kind::main);
    };
    const auto given = [&] {
      unsigned n = 0;
      while (box.victim() == Kind::main) ++n;
      return n;
    };
    CHECK(given() == 0);
    come_back(2 * chunk);
    const unsigned chunks = given();
    CHECK(chunks >= (soon ? 20 : 4));
    CHECK(chunks <= (soon ? 22 : 5));
  }
}

TEST_CASE("the share of small follows keys that come back soon") {
  PolicyBox box;
  box.fill(Kind::small, box.geometry.chunks / 5);
  box.fill(Kind::main, 60);
  for (unsigned i = 0; i < 300; ++i) static_cast<void>(box.come(1'000'000 + i));
  CHECK(box.victim() == Kind::small);  // it has more than a tenth
  const std::uint64_t stripe = box.geometry.chunks * std::uint64_t{box.geometry.chunk_bytes};
  const auto come_back = [&](Kind from, std::uint64_t bytes) {
    for (std::uint64_t key = 0; key < bytes / 200; ++key) box.leave(from, key);
    for (std::uint64_t key = 0; key < bytes / 200; ++key) static_cast<void>(box.come(key));
  };
  come_back(Kind::small, stripe / 8);
  CHECK(box.victim() == Kind::main);
  come_back(Kind::main, stripe / 8);
  CHECK(box.victim() == Kind::small);
}

TEST_CASE("reject mode has one log and gives nothing to another") {
  PolicyBox box(true);
  box.leave(Kind::small, 1);
  CHECK(box.come(1) == Kind::small);
  CHECK(box.come(2, 100'000) == Kind::small);
  box.fill(Kind::small, 50);
  box.policy.fill_main(Kind::small, 1);
  CHECK(box.log.count(Kind::small) == 50);
}

TEST_CASE("whatever its hints are, all that the policy says is within bounds") {
  const std::uint64_t seed = forklore::tests::seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  PolicyBox box;
  box.fill(Kind::small, 40);
  box.fill(Kind::main, 40);
  box.fill(Kind::large, 10, 2000);
  StripeHeader& header = box.header();
  for (unsigned round = 0; round < 2000; ++round) {
    for (Word* word : {&header.owed, &header.usual_spread, &header.large_run, &header.usual_size, &header.slots_used,
                       &header.ghost_bytes[0], &header.ghost_bytes[1]}) {
      word->store(random() >> random() % 64);
    }
    header.small_share.store(static_cast<std::uint32_t>(random() >> random() % 64));
    for (unsigned key = 0; key < 8; ++key) {
      REQUIRE(is_log(box.come(key, 16 + random() % 100'000)));
      box.leave(random() % 2 == 0 ? Kind::small : Kind::main, key, 16 + random() % 100'000);
      unsigned frequency = key % 4;
      static_cast<void>(box.policy.stays(Kind::main, 16 + random() % 100'000, frequency));
      REQUIRE(frequency <= kMaxFrequency);
      REQUIRE(is_log(box.victim()));
    }
  }
}
