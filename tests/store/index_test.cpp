#include "store/index.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <vector>

#include "store/stripe_box.hpp"

using namespace forklore;
using namespace forklore::store;

namespace {

/// An index of so many buckets, of which most began as chunks.
struct IndexBox {
  explicit IndexBox(std::uint32_t buckets) : memory(sizeof(StripeHeader) + std::size_t{buckets} * sizeof(Bucket)) {
    geometry.buckets_at = sizeof(StripeHeader);
    geometry.least_buckets = std::min(buckets, 2u);
    geometry.most_buckets = buckets;
    index().set_size(buckets);
  }
  Index index() { return {memory.data(), geometry}; }
  Index::Snapshot snapshot() { return index().snapshot(); }
  Geometry geometry;
  tests::Lines memory;
};

std::vector<unsigned> slots(const Bucket& bucket, std::uint64_t fingerprint) {
  std::vector<unsigned> all;
  for (Matches match(bucket, fingerprint); match.any(); match.next()) all.push_back(match.slot());
  return all;
}

std::uint64_t word_of(std::uint64_t fingerprint) { return fingerprint << kFingerprintShift | 12345; }

}  // namespace

TEST_CASE("a key's two buckets are in range and seldom the same, whatever the number of buckets") {
  for (const std::uint32_t buckets : {2u, 3u, 7u, 81u, 4096u, 100'001u}) {
    CAPTURE(buckets);
    IndexBox box(buckets);
    const Index::Snapshot index = box.snapshot();
    unsigned same = 0;
    for (std::uint64_t i = 0; i < 20000; ++i) {
      const std::uint64_t hash = i < 10 ? std::uint64_t{0} - i : base::mix(i);
      const auto [one, two] = index.candidates(hash);
      same += one == two;
      REQUIRE(&index.other(hash, *one) == two);
      REQUIRE((one == two || &index.other(hash, *two) == one));
      for (const Bucket* bucket : {one, two}) {
        REQUIRE(bucket >= &index.bucket(0));
        REQUIRE(bucket <= &index.bucket(buckets - 1));
        REQUIRE(index.is_candidate(hash, *bucket));
      }
    }
    CHECK(same < 2 * 20000 / buckets + 100);
  }
}

TEST_CASE("keys spread over the buckets, and first and second choice are not tied to each other") {
  constexpr std::uint32_t kBuckets = 64;
  IndexBox box(kBuckets);
  const Index::Snapshot index = box.snapshot();
  std::vector<unsigned> count(kBuckets);
  std::set<std::pair<const Bucket*, const Bucket*>> pairs;
  constexpr unsigned kKeys = 64000;
  for (std::uint64_t i = 0; i < kKeys; ++i) {
    const auto [one, two] = index.candidates(base::mix(i));
    ++count[static_cast<std::size_t>(one - &index.bucket(0))];
    ++count[static_cast<std::size_t>(two - &index.bucket(0))];
    pairs.insert({one, two});
  }
  for (const unsigned n : count) {
    CHECK(n > 2 * kKeys / kBuckets * 8 / 10);
    CHECK(n < 2 * kKeys / kBuckets * 12 / 10);
  }
  CHECK(pairs.size() > kBuckets * (kBuckets - 1) * 9 / 10);
}

TEST_CASE("a bucket's matches are the slots of a fingerprint, each once, in order") {
  IndexBox box(2);
  Bucket& bucket = box.snapshot().bucket(0);
  for (const std::uint64_t fingerprint : {0x0001u, 0x1234u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu}) {
    CAPTURE(fingerprint);
    for (unsigned i = 0; i < kSlotsPerBucket; ++i) {
      for (Word& slot : bucket.slot) slot.store(word_of(fingerprint ^ 0x0100));
      bucket.slot[i].store(word_of(fingerprint));
      CHECK(slots(bucket, fingerprint) == std::vector<unsigned>{i});
    }
    for (unsigned pattern = 0; pattern < 256; ++pattern) {
      std::vector<unsigned> expected;
      for (unsigned i = 0; i < kSlotsPerBucket; ++i) {
        const bool here = (pattern >> i & 1) != 0;
        // All else of the word is made to look like the fingerprint: it must not be taken for it.
        const std::uint64_t rest =
            (fingerprint | fingerprint << 16 | fingerprint << 32) & ((std::uint64_t{1} << kFingerprintShift) - 1);
        bucket.slot[i].store((here ? fingerprint : fingerprint ^ 0x8000) << kFingerprintShift | rest);
        if (here) expected.push_back(i);
      }
      REQUIRE(slots(bucket, fingerprint) == expected);
    }
  }
}

TEST_CASE("a word is found whatever its frequency, and no other") {
  IndexBox box(16);
  const Index::Snapshot index = box.snapshot();
  const std::uint64_t hash = base::mix(7);
  const std::uint64_t word = word_of(Index::fingerprint(hash));
  CHECK(index.find_word(hash, word) == nullptr);
  for (Bucket* bucket : index.candidates(hash)) {
    for (Word& slot : bucket->slot) {
      slot.store(with_frequency(word, 2));
      CHECK(index.find_word(hash, with_frequency(word, 1)) == &slot);
      CHECK(index.find_word(hash, word + 1) == nullptr);
      slot.store(0);
    }
  }
}

TEST_CASE("a new key goes to its first bucket if that has room, then to the second") {
  IndexBox box(16);
  const Index::Snapshot index = box.snapshot();
  const std::uint64_t hash = base::mix(3);
  const auto [one, two] = index.candidates(hash);
  REQUIRE(one != two);
  for (Bucket* bucket : {one, two}) {
    for (Word& slot : bucket->slot) {
      REQUIRE(index.find_empty(hash) == &slot);
      slot.store(word_of(1));
    }
  }
  CHECK(index.find_empty(hash) == nullptr);
}

TEST_CASE("when a bucket is added, only keys of its parent change their home, and only to it") {
  IndexBox box(3000);
  for (std::uint32_t size = 2; size < 3000; size += 1 + size / 37) {
    CAPTURE(size);
    const Index::Snapshot before = box.snapshot().resized(size);
    const Index::Snapshot after = before.resized(size + 1);
    const std::uint32_t parent = Index::parent(size);
    REQUIRE(parent < size);
    unsigned moved = 0;
    for (std::uint64_t i = 0; i < 3000; ++i) {
      const std::uint64_t hash = base::mix(i);
      for (const auto& [old, now] :
           {std::pair{&before.first(hash), &after.first(hash)}, std::pair{&before.second(hash), &after.second(hash)}}) {
        if (old == now) continue;
        ++moved;
        REQUIRE(old == &before.bucket(parent));
        REQUIRE(now == &after.bucket(size));
      }
    }
    if (size < 500) CHECK(moved > 0);
  }
}

TEST_CASE("whatever the index word holds, all buckets are in range, and every move changes it") {
  IndexBox box(100);
  auto& word = reinterpret_cast<StripeHeader*>(box.memory.data())->index;
  for (const std::uint64_t value : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{101}, ~std::uint64_t{0}}) {
    word.store(value);
    const Index::Snapshot snapshot = box.snapshot();
    CHECK(snapshot.size() >= 2);
    CHECK(snapshot.size() <= 100);
    CHECK_FALSE(box.index().moved(snapshot));
    box.index().move_on();
    CHECK(box.index().moved(snapshot));
    CHECK(box.snapshot().size() == snapshot.size());
  }
}
