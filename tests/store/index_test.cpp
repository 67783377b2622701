#include "store/index.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <vector>

#include "store/stripe_box.hpp"

using namespace forklore;
using namespace forklore::store;

namespace {

struct IndexBox {
  explicit IndexBox(std::uint32_t buckets) : memory(std::size_t{buckets} * sizeof(Bucket)) {
    geometry.buckets = buckets;
  }
  Geometry geometry;
  tests::Lines memory;
  Index index() { return {memory.data(), geometry}; }
};

std::vector<unsigned> slots(const Bucket& bucket, std::uint64_t tag) {
  std::vector<unsigned> all;
  for (Index::Matches match(bucket, tag); match.any(); match.next()) all.push_back(match.slot());
  return all;
}

std::uint64_t word_of(std::uint64_t tag) { return tag << kTagShift | 12345; }

}  // namespace

TEST_CASE("a key's two buckets differ and are in range, whatever the number of buckets") {
  for (const std::uint32_t buckets : {2u, 3u, 7u, 81u, 4096u, 100'001u}) {
    CAPTURE(buckets);
    IndexBox box(buckets);
    const Index index = box.index();
    for (std::uint64_t i = 0; i < 20000; ++i) {
      const std::uint64_t hash = i < 10 ? std::uint64_t{0} - i : base::mix(i);
      const auto [one, two] = index.candidates(hash);
      REQUIRE(one != two);
      for (const Bucket* bucket : {one, two}) {
        REQUIRE(bucket >= &index.bucket(0));
        REQUIRE(bucket <= &index.bucket(buckets - 1));
      }
    }
  }
}

TEST_CASE("keys spread over the buckets, and first and second choice are not tied to each other") {
  constexpr std::uint32_t kBuckets = 64;
  IndexBox box(kBuckets);
  const Index index = box.index();
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

TEST_CASE("two choices of eight slots fill most of an index before a key finds no place") {
  constexpr std::uint32_t kBuckets = 1000;
  IndexBox box(kBuckets);
  const Index index = box.index();
  unsigned stored = 0;
  for (;; ++stored) {
    const std::uint64_t hash = base::mix(stored + 1);
    Word* slot = index.find_empty(hash);
    if (slot == nullptr) break;
    REQUIRE(slot->load() == 0);
    slot->store(word_of(Index::tag(hash)) + stored);
    REQUIRE(index.find_word(hash, word_of(Index::tag(hash)) + stored) == slot);
  }
  CHECK(stored > kBuckets * kSlotsPerBucket * 7 / 10);
}

TEST_CASE("a bucket's matches are the slots of a tag, each once, in order") {
  IndexBox box(2);
  Bucket& bucket = box.index().bucket(0);
  for (const std::uint64_t tag : {0x0001u, 0x1234u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu}) {
    CAPTURE(tag);
    for (unsigned i = 0; i < kSlotsPerBucket; ++i) {
      for (Word& slot : bucket.slot) slot.store(word_of(tag ^ 0x0100));
      bucket.slot[i].store(word_of(tag));
      CHECK(slots(bucket, tag) == std::vector<unsigned>{i});
    }
    for (unsigned pattern = 0; pattern < 256; ++pattern) {
      std::vector<unsigned> expected;
      for (unsigned i = 0; i < kSlotsPerBucket; ++i) {
        const bool here = (pattern >> i & 1) != 0;
        // All else of the word is made to look like the tag: it must not be taken for it.
        const std::uint64_t rest = (tag | tag << 16 | tag << 32) & ((std::uint64_t{1} << kTagShift) - 1);
        bucket.slot[i].store((here ? tag : tag ^ 0x8000) << kTagShift | rest);
        if (here) expected.push_back(i);
      }
      REQUIRE(slots(bucket, tag) == expected);
    }
  }
}

TEST_CASE("a word is found whatever its frequency, and no other") {
  IndexBox box(16);
  const Index index = box.index();
  const std::uint64_t hash = base::mix(7);
  const std::uint64_t word = word_of(Index::tag(hash));
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

TEST_CASE("a new key goes to its first bucket while that has room to spare, then to the emptier") {
  IndexBox box(16);
  const Index index = box.index();
  const std::uint64_t hash = base::mix(3);
  const auto [one, two] = index.candidates(hash);
  const auto in = [](const Bucket* bucket, const Word* slot) {
    return slot >= bucket->slot && slot < bucket->slot + kSlotsPerBucket;
  };
  for (unsigned i = 0; i < 6; ++i) {
    Word* slot = index.find_empty(hash);
    REQUIRE(in(one, slot));
    slot->store(word_of(1));
  }
  Word* slot = index.find_empty(hash);  // two left there, eight here
  REQUIRE(in(two, slot));
  for (unsigned i = 0; i < 8; ++i) two->slot[i].store(word_of(2));
  CHECK(in(one, index.find_empty(hash)));
  for (Word& full : one->slot) full.store(word_of(3));
  CHECK(index.find_empty(hash) == nullptr);
}
