// A rejecting stripe: an overwrite that takes no more than what it replaces never fails, whatever the stripe holds.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "sanitized.hpp"
#include "seed.hpp"
#include "store/soundness.hpp"

using namespace forklore;
using namespace forklore::store;
using tests::bytes;
using tests::check_sound;
using tests::StripeBox;

namespace {

/// A stripe beside a map of what it must hold.
class Checked {
 public:
  Checked(std::uint64_t capacity, std::uint64_t seed) : box(capacity, true), random(seed) {}

  std::uint64_t below(std::uint64_t n) { return random() % n; }
  bool one_in(std::uint64_t n) { return below(n) == 0; }

  /// An entry of a kind of its own, of so many bytes of value, or an integer.
  struct Wanted {
    std::string value;
    std::uint16_t format = kBytes;
    bool timed = false;
    std::uint64_t expiry = kNever;
  };
  [[nodiscard]] static EntryHead head_of(const std::string& key, const Wanted& wanted) {
    return {wanted.expiry, wanted.format, static_cast<std::uint32_t>(wanted.value.size()),
            static_cast<std::uint16_t>(key.size()), wanted.timed};
  }
  [[nodiscard]] static std::size_t total_of(const std::string& key, const Wanted& wanted) {
    return head_of(key, wanted).total();
  }
  Wanted some(std::size_t size) {
    size = std::min<std::size_t>(size, box.geometry.shape.max_value);
    Wanted wanted{.value = {}, .format = kBytes, .timed = one_in(5)};
    const auto value = static_cast<std::int64_t>(random());
    wanted.value = one_in(8) ? std::string(reinterpret_cast<const char*>(&value), sizeof value)
                             : bytes(size, static_cast<unsigned>(random()));
    if (wanted.value.size() == kIntegerBytes && one_in(2)) wanted.format = kIntegerFormat;
    if (one_in(10)) wanted.expiry = box.now + 1 + below(5'000);
    return wanted;
  }

  Code set(const std::string& key, const Wanted& wanted) {
    const Code code = box.decide(key, [&](const Present&) {
      return Decision{.action = Decision::Action::store,
                      .value = wanted.value,
                      .format = wanted.format,
                      .expiry = wanted.expiry,
                      .timed = wanted.timed};
    });
    if (code == Code::ok) entries[key] = wanted;
    return code;
  }
  [[nodiscard]] bool fresh(const Wanted& wanted) const { return wanted.expiry > box.now; }

  /// Any key that is there and fresh.
  const std::string* any() {
    for (unsigned tries = 0; tries < 20 && !entries.empty(); ++tries) {
      auto it = entries.lower_bound(key_of(below(keys)));
      if (it == entries.end()) it = entries.begin();
      if (fresh(it->second)) return &it->first;
      entries.erase(it);
    }
    return nullptr;
  }
  std::string key_of(std::uint64_t n) {
    std::string key = std::to_string(n * 2654435761 % 1'000'003) + "-key";
    const std::uint64_t h = base::mix(n + 1);
    if (longest_key > 40) key.resize(std::max<std::size_t>(key.size(), h % longest_key), 'k');
    return key;
  }
  /// No larger an entry for a key that is there; sometimes of the same size to the byte, sometimes of another kind.
  Wanted no_larger(const std::string& key) {
    const std::size_t most = total_of(key, entries.at(key));
    for (unsigned tries = 0;; ++tries) {
      const std::size_t old = entries.at(key).value.size();
      Wanted wanted = some(one_in(2) ? old : below(old + 17));
      if (total_of(key, wanted) <= most) return wanted;
      if (tries == 8) return {.value = bytes(old - std::min<std::size_t>(old, 8), static_cast<unsigned>(random()))};
    }
  }
  /// As many chunks are free as moving the largest entry may take: see stripe_compact.cpp.
  void check_kept() {
    std::size_t further = 0;
    for (const auto& [key, wanted] : entries) {
      const std::size_t total = total_of(key, wanted);
      const std::size_t rest = std::min(total, kEntryHeader + kIntegerBytes + kTimingBytes + key.size());
      if (fresh(wanted)) {
        further = std::max(further, (total - rest + box.geometry.chunk_bytes - 1) / box.geometry.chunk_bytes);
      }
    }
    REQUIRE(box.stripe.totals().free_chunks >= 1 + further);
  }
  void check_all() {
    check_kept();
    for (const auto& [key, wanted] : entries) {
      if (fresh(wanted)) REQUIRE(box.get(key) == wanted.value);
    }
    CHECK(box.header().evictions.load() == 0);
    CHECK(box.header().resets.load() == 0);
    check_sound(box);
  }

  StripeBox box;
  std::mt19937_64 random;
  std::map<std::string, Wanted> entries;
  std::uint64_t keys = 1'000'000;
  std::size_t longest_key = 40;
};

/// What sizes values have.
struct Sizes {
  const char* name;
  std::size_t (*pick)(Checked& box);
};

std::size_t largest(Checked& box) { return box.box.geometry.shape.max_value; }
std::size_t chunk(Checked& box) { return box.box.geometry.chunk_bytes; }

const Sizes kSizes[] = {
    {"tiny", [](Checked& box) { return std::size_t{box.below(40)}; }},
    {"100", [](Checked&) { return std::size_t{100}; }},
    {"half a chunk", [](Checked& box) { return chunk(box) / 2 - 50 + box.below(100); }},
    {"a chunk", [](Checked& box) { return chunk(box) - 70 + box.below(80); }},
    {"some chunks", [](Checked& box) { return std::size_t{box.below(6 * chunk(box))}; }},
    {"largest", [](Checked& box) { return largest(box) - box.below(3); }},
    {"mixed",
     [](Checked& box) {
       return box.one_in(60) ? largest(box) - box.below(100) : std::size_t{box.below(box.one_in(9) ? 5000 : 300)};
     }},
};

}  // namespace

TEST_CASE("an overwrite by as much or less never fails, however full the stripe is and of whatever") {
  const std::uint64_t seed = tests::seed();
  MESSAGE("seed " << seed);
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  for (const std::uint64_t capacity : {std::uint64_t{128} << 10, std::uint64_t{300} << 10, std::uint64_t{1} << 20}) {
    if (tests::kSanitized && capacity > std::uint64_t{128} << 10) continue;
    for (const std::size_t longest_key : {std::size_t{40}, std::size_t{200}, std::size_t{1024}}) {
      for (const Sizes& sizes : kSizes) {
        CAPTURE(capacity);
        CAPTURE(longest_key);
        const std::string values = sizes.name;
        CAPTURE(values);
        Checked box(capacity, random());
        box.longest_key = longest_key;
        // As many keys as fit, or many more; with erases from time to time, or with none at all.
        box.keys = box.one_in(2) ? 1'000'000 : 50 + box.below(5000);
        const std::uint64_t erases = box.one_in(2) ? 1'000'000 : 4 + box.below(30);
        unsigned full = 0;
        for (unsigned i = 0; i < 3000 || (full < 300 && i < 30'000); ++i) {
          const std::string key = box.key_of(box.below(box.keys));
          if (box.one_in(erases)) {
            if (const std::string* there = box.any(); there != nullptr) {
              REQUIRE(box.box.erase(*there) == Code::ok);
              box.entries.erase(std::string(*there));
            }
          }
          const Code code = box.set(key, box.some(sizes.pick(box)));
          full += code == Code::full;
          REQUIRE((code == Code::ok || code == Code::full));
          if (box.one_in(4)) {
            if (const std::string* there = box.any(); there != nullptr) {
              const std::string again = *there;
              REQUIRE(box.set(again, box.no_larger(again)) == Code::ok);
            }
          }
          if (box.one_in(50)) box.box.now += 10;
          if (i % 100 == 0) box.check_kept();
        }
        // Full: new keys alone are refused.
        for (unsigned i = 0; i < 4000; ++i) {
          const std::string* there = box.any();
          if (there == nullptr) break;
          const std::string key = *there;
          REQUIRE(box.set(key, box.no_larger(key)) == Code::ok);
          if (i % 50 == 0) box.check_kept();
          if (box.one_in(8)) static_cast<void>(box.set(box.key_of(box.below(box.keys)), box.some(sizes.pick(box))));
        }
        box.check_all();
      }
    }
  }
}

TEST_CASE("one key is rewritten 10,000 times in a full stripe, and then every other one") {
  for (const std::uint64_t capacity : {std::uint64_t{128} << 10, std::uint64_t{1} << 20, std::uint64_t{4} << 20}) {
    if (tests::kSanitized && capacity > std::uint64_t{1} << 20) continue;
    for (const std::size_t size : {std::size_t{8}, std::size_t{200}, std::size_t{2000}, std::size_t{30'000}}) {
      CAPTURE(capacity);
      CAPTURE(size);
      StripeBox box(capacity, true);
      if (size > box.geometry.shape.max_value) continue;
      unsigned n = 0;
      for (unsigned fails = 0; fails < 50;) {
        const bool stored = box.set("key" + std::to_string(n), bytes(size, n)) == Code::ok;
        n += stored;
        fails += !stored;
      }
      for (unsigned i = 0; box.set("small" + std::to_string(i), "x") == Code::ok; ++i) {
      }
      for (unsigned i = 0; i < 10'000; ++i) REQUIRE(box.set("key0", bytes(size, i)) == Code::ok);
      for (unsigned i = 1; i < n; ++i) REQUIRE(box.set("key" + std::to_string(i), bytes(size, i + 1)) == Code::ok);
      CHECK(box.get("key0") == bytes(size, 9999));
      for (unsigned i = 1; i < n; ++i) REQUIRE(box.get("key" + std::to_string(i)) == bytes(size, i + 1));
      check_sound(box);
    }
  }
}
