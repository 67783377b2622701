#include "store/log.hpp"

#include <doctest/doctest.h>

#include <random>
#include <set>
#include <string>
#include <vector>

#include "seed.hpp"
#include "store/log_writer.hpp"
#include "store/stripe_box.hpp"

using namespace forklore::store;

namespace {

struct LogBox {
  explicit LogBox(std::uint64_t capacity = 1 << 20)
      : geometry(forklore::tests::one_stripe(capacity)), memory(geometry.stripe_bytes), log(memory.data(), geometry) {
    log.create(99);
  }

  std::uint64_t append(Kind kind, const std::string& key, const std::string& value, std::uint64_t expiry = kNever) {
    last = {expiry, 0, static_cast<std::uint32_t>(value.size()), static_cast<std::uint16_t>(key.size())};
    return log.append(kind, 0x1234, last, [&](Writer& out) {
      out.write_word(last.first_word());
      out.write_word(last.second_word());
      out.write(key.data(), key.size());
      out.write(value.data(), value.size());
    });
  }
  Location place(std::uint64_t slot) {
    Location at;
    REQUIRE(log.locate(slot, at));
    REQUIRE(log.is_entry_place(at, slot));
    return at;
  }
  std::string key_at(Location at) {
    EntryHead head;
    REQUIRE(log.read_head(at, head));
    return {reinterpret_cast<const char*>(log.at(at)) + head.key_at(), head.key_size};
  }
  std::string value_at(Location at) {
    EntryHead head;
    REQUIRE(log.read_head(at, head));
    std::string value(head.value_size, '\0');
    REQUIRE(log.copy_out(at, head.value_at(), value.data(), value.size()));
    return value;
  }
  StripeHeader& header() { return *reinterpret_cast<StripeHeader*>(memory.data()); }

  Geometry geometry;
  forklore::tests::Lines memory;
  Log log;
  EntryHead last;
};

std::string bytes(std::size_t n, unsigned salt = 0) {
  std::string text(n, '\0');
  std::uint64_t x = salt + 1;
  for (char& c : text) c = static_cast<char>((x = x * 6364136223846793005u + 1442695040888963407u) >> 56);
  return text;
}

}  // namespace

TEST_CASE("a new log is all free chunks") {
  LogBox box;
  CHECK(box.log.count(Kind::free) == box.log.size());
  CHECK(box.log.open_chunk(Kind::small) == kNoChunk);
  CHECK(box.log.oldest(Kind::main) == kNoChunk);
  CHECK(box.log.derive());
}

TEST_CASE("entries lie one behind the other, and come back as they were") {
  LogBox box;
  std::vector<std::uint64_t> slots;
  for (unsigned i = 0; i < 20; ++i)
    slots.push_back(box.append(Kind::small, "key" + std::to_string(i), bytes(i * 5, i)));
  std::uint32_t offset = 0;
  for (unsigned i = 0; i < 20; ++i) {
    const Location at = box.place(slots[i]);
    CHECK(at.chunk == box.log.open_chunk(Kind::small));
    CHECK(at.offset == offset);
    CHECK(box.key_at(at) == "key" + std::to_string(i));
    CHECK(box.value_at(at) == bytes(i * 5, i));
    CHECK(fingerprint_of(slots[i]) == 0x1234);
    CHECK(frequency_of(slots[i]) == 0);
    EntryHead head;
    REQUIRE(box.log.read_head(at, head));
    offset += static_cast<std::uint32_t>(head.total());
  }
  CHECK(box.log.used(box.log.open_chunk(Kind::small)) == offset);
  CHECK(box.log.live(box.log.open_chunk(Kind::small)) == offset);
  CHECK(box.log.count(Kind::small) == 1);
}

TEST_CASE("the two logs take chunks of their own") {
  LogBox box;
  const Location small = box.place(box.append(Kind::small, "a", "1"));
  const Location main = box.place(box.append(Kind::main, "b", "2"));
  CHECK(small.chunk != main.chunk);
  CHECK(box.log.open_chunk(Kind::small) == small.chunk);
  CHECK(box.log.open_chunk(Kind::main) == main.chunk);
}

TEST_CASE("a value that does not fit goes on over chunks, and the room behind it is used") {
  LogBox box;
  const std::uint32_t chunk_bytes = box.log.chunk_bytes();
  box.append(Kind::small, "before", bytes(1000));
  for (const std::size_t n : {std::size_t{chunk_bytes}, std::size_t{3} * chunk_bytes + 123, std::size_t{50'000}}) {
    CAPTURE(n);
    const std::uint32_t free = box.log.count(Kind::free);
    const EntryHead head{.value_size = static_cast<std::uint32_t>(n), .key_size = 4};
    const std::uint32_t needed = box.log.chunks_needed(Kind::small, head);
    const Location begins = {box.log.open_chunk(Kind::small), box.log.used(box.log.open_chunk(Kind::small))};
    const std::uint64_t slot = box.append(Kind::small, "long", bytes(n, 5));
    CHECK(box.log.count(Kind::free) == free - needed);
    const Location at = box.place(slot);
    CHECK(at.chunk == begins.chunk);
    CHECK(at.offset == begins.offset);
    CHECK(box.value_at(at) == bytes(n, 5));

    // Every chunk it covers counts its part, knows who goes on there, and where the next entry begins.
    std::size_t covered = 0;
    box.log.for_each_chunk(at, box.last.total(), [&](std::uint32_t chunk, std::uint32_t part) {
      if (covered != 0) {
        CHECK(box.log.straddler(chunk) == without_frequency(slot));
        CHECK(box.log.first(chunk) == part);
        CHECK(box.log.live(chunk) == part);
      }
      covered += part;
    });
    CHECK(covered == box.last.total());
    const Location after = box.place(box.append(Kind::small, "after", "x"));
    CHECK(after.chunk == box.log.open_chunk(Kind::small));
    CHECK(box.value_at(after) == "x");
    CHECK(box.value_at(at) == bytes(n, 5));
  }
}

TEST_CASE("a header and its key never straddle a border") {
  LogBox box;
  const std::string key(1000, 'k');
  for (unsigned i = 0; i < 40; ++i) {
    const Location at = box.place(box.append(Kind::main, key, bytes(150 + i)));
    CHECK(at.offset + kEntryHeader + key.size() <= box.log.chunk_bytes());
    CHECK(box.key_at(at) == key);
    CHECK(box.value_at(at) == bytes(150 + i));
  }
}

TEST_CASE("as much of a value that spans chunks can be copied out as is wanted") {
  LogBox box;
  const std::string value = bytes(30'000, 3);
  const Location at = box.place(box.append(Kind::small, "key", value));
  for (std::size_t n = 1; n <= value.size(); n += n % 4096 == 0 ? 1 : 511) {
    std::string part(n, '\0');
    REQUIRE(box.log.copy_out(at, kEntryHeader + 3, part.data(), n));
    REQUIRE(value.compare(0, n, part) == 0);
  }
}

TEST_CASE("the chunk that was freed last is taken first, while it is warm") {
  LogBox box;
  std::vector<std::uint32_t> taken;
  const std::uint32_t n = box.log.size();
  const std::string filling = bytes(box.log.chunk_bytes() - kEntryHeader - 3);
  for (std::uint32_t i = 0; i < n; ++i) taken.push_back(box.place(box.append(Kind::small, "abc", filling)).chunk);
  CHECK(std::set<std::uint32_t>(taken.begin(), taken.end()).size() == n);
  CHECK(box.log.count(Kind::free) == 0);
  const std::vector<std::uint32_t> freed{taken[7], taken[2], taken[20], taken[3]};
  for (const std::uint32_t chunk : freed) box.log.free_chunk(chunk);
  CHECK(box.log.count(Kind::free) == 4);
  for (std::size_t i = freed.size(); i-- > 0;) {
    CHECK(box.place(box.append(Kind::main, "abc", filling)).chunk == freed[i]);
  }
  CHECK(box.log.oldest(Kind::main) == freed.back());
  CHECK(box.log.oldest(Kind::small) == taken[0]);
}

TEST_CASE("two processes know which chunks are free, whichever of them changed that last") {
  LogBox box;
  LogBox other;
  other.log = Log(box.memory.data(), box.geometry);
  const std::string filling = bytes(box.log.chunk_bytes() - kEntryHeader - 3);
  std::vector<std::uint32_t> taken;
  const std::uint64_t seed = forklore::tests::seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  const auto one_in = [&](std::uint64_t n) { return random() % n == 0; };
  for (unsigned i = 0; i < 5000; ++i) {
    LogBox& by = one_in(2) ? box : other;
    if (one_in(3)) {
      REQUIRE(by.log.count_free() == by.log.count(Kind::free));
    } else if (one_in(9)) {
      // One died between giving a sequence and storing the state.
      box.header().sequence.store(box.header().sequence + 1);
      REQUIRE(by.log.derive());
    } else if (one_in(2) && by.log.count(Kind::free) > 0) {
      const std::uint32_t newest = by.log.newest_free();
      taken.push_back(box.place(by.append(one_in(2) ? Kind::small : Kind::main, "abc", filling)).chunk);
      REQUIRE(taken.back() == newest);
    } else if (!taken.empty()) {
      std::swap(taken[random() % taken.size()], taken.back());
      by.log.free_chunk(taken.back());
      taken.pop_back();
    }
    if (one_in(500)) {
      by.log.free_all();
      taken.clear();
    }
  }
}

TEST_CASE("a chunk whose last entry died is known to be dead while that is so, unless it is open") {
  LogBox box;
  const std::string filling = bytes(box.log.chunk_bytes() - kEntryHeader - 3);
  const Location first = box.place(box.append(Kind::small, "abc", filling));
  CHECK(box.log.lately_dead() == kNoChunk);
  box.log.forget(first, box.last);
  CHECK(box.log.lately_dead() == kNoChunk);  // it is open
  const Location second = box.place(box.append(Kind::small, "abc", filling));
  CHECK(box.log.lately_dead() == first.chunk);
  box.log.free_chunk(first.chunk);
  CHECK(box.log.lately_dead() == kNoChunk);
  box.append(Kind::small, "abc", filling);
  box.log.forget(second, box.last);
  CHECK(box.log.lately_dead() == second.chunk);
}

TEST_CASE("of the chunks that died lately the last is known first, then those before it, as many as are remembered") {
  LogBox box;
  const std::string filling = bytes(box.log.chunk_bytes() - kEntryHeader - 3);
  std::vector<Location> places;
  for (std::uint32_t i = 0; i < KnownChunks::kMost + 4; ++i)
    places.push_back(box.place(box.append(Kind::small, "abc", filling)));
  box.append(Kind::small, "abc", filling);  // so that none of them is open
  for (const Location& place : places) box.log.forget(place, box.last);
  std::ranges::reverse(places);
  for (std::uint32_t i = 0; i < KnownChunks::kMost; ++i) {
    REQUIRE(box.log.lately_dead() == places[i].chunk);
    box.log.free_chunk(places[i].chunk);
  }
  CHECK(box.log.lately_dead() == kNoChunk);
}

TEST_CASE("the open chunk is never the oldest") {
  LogBox box;
  box.append(Kind::small, "a", "b");
  CHECK(box.log.oldest(Kind::small) == kNoChunk);
}

TEST_CASE("a chunk's generation grows when it is taken, and old slots lead nowhere from then on") {
  LogBox box;
  const std::string filling = bytes(box.log.chunk_bytes() - kEntryHeader - 3);
  std::set<std::uint64_t> seen;
  std::uint64_t previous = 0;
  for (unsigned i = 0; i < 2000; ++i) {
    const std::uint64_t slot = box.append(Kind::small, "abc", filling);
    REQUIRE(seen.insert(slot).second);
    if (previous != 0) {
      Location at;
      REQUIRE(box.log.locate(previous, at));
      box.log.free_chunk(at.chunk);
      REQUIRE_FALSE(box.log.is_entry_place(at, previous));
    }
    previous = slot;
  }
}

TEST_CASE("an entry that leaves is taken out of the live bytes of every chunk it covers") {
  LogBox box;
  const std::uint64_t slot = box.append(Kind::small, "key", bytes(10'000));
  const Location at = box.place(slot);
  const EntryHead head = box.last;
  const std::uint64_t other = box.append(Kind::small, "other", "value");
  const EntryHead other_head = box.last;
  box.log.forget(at, head);
  std::uint64_t live = 0;
  for (std::uint32_t chunk = 0; chunk < box.log.size(); ++chunk) live += box.log.live(chunk);
  CHECK(live == other_head.total());
  box.log.forget(box.place(other), other_head);
  box.log.forget(box.place(other), other_head);  // counted down twice, as after a death: it stops at zero
  CHECK(box.log.live(box.place(other).chunk) == 0);
}

TEST_CASE("no chunk is due after an entry that it holds expires") {
  LogBox box;
  const Location at = box.place(box.append(Kind::small, "key", bytes(10'000), 500));
  const EntryHead head = box.last;
  const auto due = [&](std::uint64_t time) {
    box.log.for_each_chunk(at, head.total(), [&](auto chunk, auto) { CHECK(box.log.due(chunk) == time); });
  };
  due(500);
  box.log.bring_forward(at, head, 900);
  due(500);
  box.log.bring_forward(at, head, 400);
  due(400);
}

TEST_CASE("what follows from the states is derived again after it was lost") {
  LogBox box;
  for (unsigned i = 0; i < 30; ++i) box.append(i % 3 == 0 ? Kind::main : Kind::small, "key", bytes(900 + i));
  const std::uint32_t small = box.log.open_chunk(Kind::small), main = box.log.open_chunk(Kind::main);
  const std::uint64_t sequence = box.header().sequence.load();
  box.log.derive();
  CHECK(box.header().sequence.load() == sequence);
  for (const std::uint32_t garbage : {0u, 1u, 17u, ~0u}) {
    for (HalfWord& open : box.header().open) open.store(garbage);
    box.header().sequence.store(garbage * std::uint64_t{0x10001});
    CHECK(box.log.derive());
    CHECK(box.log.open_chunk(Kind::small) == small);
    CHECK(box.log.open_chunk(Kind::main) == main);
    CHECK(box.header().sequence.load() == sequence);
  }
  const Location at = box.place(box.append(Kind::small, "key", "value"));
  CHECK(at.chunk == small);
}

TEST_CASE("a state of no kind is noticed") {
  LogBox box;
  box.append(Kind::small, "key", "value");
  reinterpret_cast<Word*>(box.memory.data() + box.geometry.states_at)[5].store(std::uint64_t{77} << kKindShift);
  CHECK_FALSE(box.log.derive());
}

TEST_CASE("any word leads into the chunks or nowhere, and any header is bounded") {
  LogBox box;
  const std::uint64_t seed = forklore::tests::seed();
  CAPTURE(seed);
  MESSAGE("seed " << seed);
  std::mt19937_64 random(seed);
  const std::uint64_t locations = std::uint64_t{1} << box.geometry.location_bits;
  unsigned found = 0;
  for (std::uint64_t i = 0; i < 200'000 + locations; ++i) {
    const std::uint64_t word = i < locations ? i : random();
    Location at;
    if (!box.log.locate(word, at)) continue;
    ++found;
    REQUIRE(at.chunk < box.log.size());
    REQUIRE(at.offset + kEntryHeader <= box.log.chunk_bytes());
    REQUIRE(box.log.at(at) >= box.memory.data() + box.geometry.chunks_at);
    auto* words = reinterpret_cast<Word*>(box.log.at(at));
    words[0].store(random());
    words[1].store(random() & random() & 0xffffff'000fffff);
    EntryHead head;
    if (box.log.read_head(at, head)) {
      REQUIRE(at.offset + head.unspilled() <= box.log.chunk_bytes());
      REQUIRE(head.total() <= box.geometry.max_entry);
      REQUIRE(head.key_size > 0);
      REQUIRE(head.key_size <= forklore::kMaxKeyBytes);
    }
  }
  CHECK(found > 1000);
}

TEST_CASE("a way from chunk to chunk that leads nowhere ends a copy") {
  LogBox box;
  const Location at = box.place(box.append(Kind::small, "key", bytes(20'000)));
  auto* next = reinterpret_cast<HalfWord*>(box.memory.data() + box.geometry.next_at);
  std::string out(20'000, '\0');
  for (const std::uint32_t wrong : {0u, box.log.size() + 1, ~0u}) {
    next[at.chunk].store(wrong);
    CHECK_FALSE(box.log.copy_out(at, kEntryHeader + 3, out.data(), out.size()));
  }
  next[at.chunk].store(at.chunk + 1);  // a circle is walked no longer than the value is
  CHECK(box.log.copy_out(at, kEntryHeader + 3, out.data(), out.size()));
}
