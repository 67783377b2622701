#include "store/layout.hpp"

#include <doctest/doctest.h>

using namespace forklore::store;

TEST_CASE("what processes share has the sizes that the format says") {
  CHECK(sizeof(Bucket) == 64);
  CHECK(alignof(Bucket) == 64);
  CHECK(sizeof(CounterLine) == 64);
  CHECK(sizeof(StripeHeader) == 320);
  CHECK(alignof(StripeHeader) == 64);
  CHECK(sizeof(SegmentHeader) <= kHeaderBytes);
  CHECK(kHeaderBytes % kCacheLine == 0);
  CHECK(kEntryHeader == 16);
}

TEST_CASE("the lock, what follows from the states, and the counts lie on lines of their own") {
  CHECK(offsetof(StripeHeader, lock) / kCacheLine != offsetof(StripeHeader, index) / kCacheLine);
  CHECK(offsetof(StripeHeader, index) / kCacheLine != offsetof(StripeHeader, open) / kCacheLine);
  CHECK(offsetof(StripeHeader, ghost_bytes) / kCacheLine != offsetof(StripeHeader, evictions) / kCacheLine);
  // Who writes has the lock's line and sees whether anybody computes.
  CHECK(offsetof(StripeHeader, flights) / kCacheLine == offsetof(StripeHeader, lock) / kCacheLine);
}

TEST_CASE("an entry costs its header, its slot and at most 7 bytes beside key and value") {
  for (std::uint16_t key = 1; key <= 1024; key = static_cast<std::uint16_t>(key + 7)) {
    for (std::uint32_t value = 0; value < 300; ++value) {
      const EntryHead head{.value_size = value, .key_size = key};
      const std::size_t beside = head.total() + sizeof(Word) - key - value;
      REQUIRE(beside >= 24);
      REQUIRE(beside <= 31);
      REQUIRE(head.total() % 8 == 0);
      const EntryHead timed{.value_size = value, .key_size = key, .timed = true};
      REQUIRE(timed.total() == head.total() + kTimingBytes);
    }
  }
  CHECK(EntryHead{.value_size = 100, .key_size = 24}.total() == 144);
  CHECK(EntryHead{.value_size = 1, .key_size = 7}.total() == 24);
  CHECK(EntryHead{.value_size = 2, .key_size = 7}.total() == 32);
}

TEST_CASE("a header survives its two words, each field at its largest") {
  const EntryHead largest{
      .expiry = kNever, .format = 0xffff, .value_size = 0x7fffffff, .key_size = 0xffff, .timed = true};
  const EntryHead smallest{.expiry = 0, .format = 0, .value_size = 0, .key_size = 1};
  const EntryHead mixed{.expiry = 0x123456789abc, .format = 0xfeed, .value_size = 0x0badcafe, .key_size = 0x0101};
  for (const EntryHead& head : {largest, smallest, mixed}) {
    const EntryHead back = EntryHead::unpack(head.first_word(), head.second_word());
    CHECK(back.expiry == head.expiry);
    CHECK(back.format == head.format);
    CHECK(back.value_size == head.value_size);
    CHECK(back.key_size == head.key_size);
    CHECK(back.timed == head.timed);
    CHECK((head.second_word() >> 48) == 0);  // the spare bytes stay empty
  }
}

TEST_CASE("an integer's value lies aligned before its key, any other behind it") {
  const EntryHead integer{.format = kIntegerFormat, .value_size = 8, .key_size = 5};
  CHECK(integer.value_at() == 16);
  CHECK(integer.key_at() == 24);
  CHECK(integer.unspilled() == 29);
  CHECK(integer.total() == 32);
  const EntryHead bytes{.value_size = 8, .key_size = 5};
  CHECK(bytes.key_at() == 16);
  CHECK(bytes.value_at() == 21);
  CHECK(bytes.unspilled() == 21);
  CHECK(bytes.total() == 32);
}

TEST_CASE("a timed entry's timing lies aligned before its key, behind an integer's value") {
  const EntryHead bytes{.value_size = 8, .key_size = 5, .timed = true};
  CHECK(bytes.timing_at() == 16);
  CHECK(bytes.key_at() == 24);
  CHECK(bytes.value_at() == 29);
  CHECK(bytes.unspilled() == 29);
  const EntryHead integer{.format = kIntegerFormat, .value_size = 8, .key_size = 5, .timed = true};
  CHECK(integer.value_at() == 16);
  CHECK(integer.timing_at() == 24);
  CHECK(integer.key_at() == 32);
  CHECK(integer.unspilled() == 37);
  CHECK(integer.total() == 40);
}

TEST_CASE("timing survives its word; what never expires is never stale, and no bytes make an entry fresh for longer") {
  const Timing timing = Timing::unpack(Timing{.stale_for = 0xfffffffe, .cost = 7}.word());
  CHECK(timing.stale_for == 0xfffffffe);
  CHECK(timing.cost == 7);
  CHECK(Timing{.stale_for = 10}.fresh_until(100) == 90);
  CHECK(Timing{.stale_for = 100}.fresh_until(100) == 0);
  CHECK(Timing{.stale_for = 0xffffffff}.fresh_until(100) == 0);
  CHECK(Timing{.stale_for = 10}.fresh_until(kNever) == kNever);
}

TEST_CASE("a lease's word says who and what") {
  const std::uint64_t word = pack_lease(0x123456789, LeaseKind::lock);
  CHECK(token_of(word) == 0x123456789);
  CHECK(is_lease(word, LeaseKind::lock));
  CHECK_FALSE(is_lease(word, LeaseKind::flight));
  CHECK(is_held(word));
  CHECK_FALSE(is_held(pack_lease(0x123456789, LeaseKind::free)));
}

TEST_CASE("an entry is expired from its millisecond on, one that never expires is not") {
  CHECK_FALSE(EntryHead{.expiry = 10}.expired(9));
  CHECK(EntryHead{.expiry = 10}.expired(10));
  CHECK(EntryHead{.expiry = 0}.expired(0));
  CHECK_FALSE(EntryHead{}.expired(kNever - 1));
}

TEST_CASE("a slot's frequency is its own two bits") {
  const std::uint64_t slot = 0xabcd'0123'4567'89ab & ~kFrequencyMask;
  for (unsigned frequency = 0; frequency <= kMaxFrequency; ++frequency) {
    const std::uint64_t with = with_frequency(slot, frequency);
    CHECK(frequency_of(with) == frequency);
    CHECK(without_frequency(with) == slot);
    CHECK(fingerprint_of(with) == 0xabcd);
  }
  CHECK(frequency_of(with_frequency(slot, 2) + kOneFrequency) == 3);
  CHECK(fingerprint_of(with_frequency(~std::uint64_t{0}, 0)) == 0xffff);
}

TEST_CASE("a chunk's state is its kind and its sequence") {
  for (const Kind kind : {Kind::free, Kind::small, Kind::main}) {
    for (const std::uint64_t sequence : {std::uint64_t{0}, std::uint64_t{77}, kSequenceMask}) {
      const std::uint64_t state = pack_state(kind, sequence);
      CHECK(kind_of(state) == kind);
      CHECK(sequence_of(state) == sequence);
    }
  }
  CHECK(sequence_of(pack_state(Kind::main, kSequenceMask + 1)) == 0);
  CHECK(kind_of(pack_state(Kind::main, kSequenceMask + 1)) == Kind::main);
}
