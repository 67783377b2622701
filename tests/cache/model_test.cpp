// Random calls against a plain map: every read is compared, and what a full segment may forget is only ever forgotten
// whole. The seed is printed; FORKLORE_SEED repeats a run.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <map>
#include <random>

#include "seed.hpp"
#include "unique_name.hpp"

using namespace forklore;

namespace {

struct Expected {
  std::string value;
  std::uint16_t format = kBytes;
  bool forever = true;
};

/// How a segment under test may differ from a map.
enum class Room { enough, too_little, rejecting };

class Model {
 public:
  Model(Options options, Room room, std::uint64_t seed)
      : options_(std::move(options)), room_(room), random_(seed), cache_(Cache::open(options_)) {}

  void run(unsigned calls) {
    for (unsigned i = 0; i < calls; ++i) {
      step();
      if (i % 5000 == 4999) look_over();
    }
    look_over();
  }

  [[nodiscard]] Stats stats() const { return cache_.stats(); }
  unsigned hits = 0, fulls = 0;

 private:
  std::size_t pick(std::size_t below) { return std::uniform_int_distribution<std::size_t>(0, below - 1)(random_); }

  std::string key() {
    const std::size_t n = pick(room_ == Room::enough ? 300 : 2000);
    std::string key = "k" + std::to_string(n);
    key.resize(std::max<std::size_t>(key.size(), n % 7 == 0 ? 200 : n % 30), '.');
    if (n % 101 == 0) key.resize(kMaxKeyBytes, '~');
    return key;
  }
  std::string value() {
    const std::size_t most = cache_.options().max_value_bytes;
    const std::size_t kind = pick(100);
    std::size_t n = kind < 60 ? pick(200) : kind < 90 ? pick(3000) : kind < 99 ? pick(20000) : pick(most);
    std::string value(std::min(n, most), '\0');
    std::uint64_t x = random_();
    for (char& c : value) c = static_cast<char>((x = x * 6364136223846793005u + 1442695040888963407u) >> 56);
    return value;
  }

  /// What the segment may have lost is taken out of the model; what it has must be what the model says.
  void compare(const std::string& k) {
    std::string out;
    Found found;
    const Code code = cache_.get(k, out, &found);
    const auto it = model_.find(k);
    if (code == Code::ok) {
      ++hits;
      REQUIRE(it != model_.end());
      REQUIRE(out == it->second.value);
      REQUIRE(found.size == out.size());
      REQUIRE(found.format == it->second.format);
    } else {
      REQUIRE(code == Code::not_found);
      if (room_ != Room::too_little) REQUIRE(it == model_.end());
      if (it != model_.end()) model_.erase(it);
    }
  }

  /// The answer to a write that stores; false if nothing was stored.
  bool stored(Code code) {
    if (room_ == Room::rejecting && code == Code::full) {
      ++fulls;
      return false;
    }
    REQUIRE(code == Code::ok);
    return true;
  }

  void step() {
    const std::string k = key();
    const std::size_t what = pick(100);
    if (what < 30) return compare(k);
    compare(k);  // so that the model knows whether the key is there
    const auto it = model_.find(k);
    const bool there = it != model_.end();
    if (what < 60) {
      const std::string v = value();
      const auto format = static_cast<std::uint16_t>(256 + pick(9));
      if (stored(cache_.set(k, v, kForever, format))) model_[k] = {v, format};
    } else if (what < 66) {
      const std::string v = value();
      const Code code = cache_.add(k, v);
      if (there && room_ != Room::too_little) {
        REQUIRE(code == Code::exists);
      } else if (code != Code::exists && stored(code)) {
        model_[k] = {v};
      }
    } else if (what < 70) {
      const std::string v = value();
      const Code code = cache_.replace(k, v);
      if (!there) {
        REQUIRE(code == Code::not_found);
      } else if (code != Code::not_found && stored(code)) {
        model_[k] = {v};
      }
    } else if (what < 82) {
      increment(k, it);
    } else if (what < 88) {
      const Code code = cache_.erase(k);
      REQUIRE((code == Code::ok || code == Code::not_found));
      if (room_ != Room::too_little) REQUIRE((code == Code::ok) == there);
      model_.erase(k);
    } else if (what < 92) {
      const Code code = cache_.touch(k, pick(2) == 0 ? kForever : std::chrono::hours(1));
      if (room_ != Room::too_little) REQUIRE((code == Code::ok) == there);
    } else if (what < 95) {
      REQUIRE((cache_.touch(k, Ttl(0)) == Code::ok || !there || room_ == Room::too_little));
      model_.erase(k);
    } else if (what < 99) {
      compare_and_set(k, there);
    } else {
      cache_ = Cache::open(options_);  // a second handle to the same segment, the first let go
    }
  }

  void increment(const std::string& k, std::map<std::string, Expected>::iterator it) {
    std::int64_t now = 0;
    const auto delta = static_cast<std::int64_t>(pick(1000)) - 500;
    const Code code = cache_.increment(k, delta, now, 7);
    if (code == Code::not_a_number) {
      REQUIRE(it != model_.end());
      REQUIRE(it->second.format != kInteger);
      return;
    }
    if (!stored(code)) return;
    std::int64_t before = 7;
    if (it != model_.end() && !(room_ == Room::too_little && now == 7 + delta)) {
      REQUIRE(it->second.format == kInteger);
      std::memcpy(&before, it->second.value.data(), sizeof before);
    }
    REQUIRE(now == before + delta);
    std::string bytes(sizeof now, '\0');
    std::memcpy(bytes.data(), &now, sizeof now);
    model_[k] = {bytes, kInteger};
  }

  void compare_and_set(const std::string& k, bool there) {
    std::string out;
    Found found;
    if (!there || cache_.get(k, out, &found) != Code::ok) {
      REQUIRE(cache_.compare_and_set(k, Version{pick(1000)}, "never") != Code::ok);
      return;
    }
    const std::string v = value();
    REQUIRE(cache_.compare_and_set(k, Version{found.version.word + 1}, v) != Code::ok);
    const Code code = cache_.compare_and_set(k, found.version, v);
    if (code == Code::ok) {
      model_[k] = {v};
      REQUIRE(cache_.compare_and_set(k, found.version, "stale") != Code::ok);
    } else if (code != Code::changed) {  // making room moved the very entry
      if (room_ == Room::too_little && code == Code::not_found) {
        model_.erase(k);
      } else {
        stored(code);
      }
    }
  }

  void look_over() {
    for (const std::string& fault : cache_.verify()) FAIL(fault);
    std::vector<std::string> keys;
    for (Cursor cursor; !cursor.finished();) REQUIRE(cache_.scan(cursor, 50, "", keys) == Code::ok);
    std::sort(keys.begin(), keys.end());
    REQUIRE(std::adjacent_find(keys.begin(), keys.end()) == keys.end());
    for (const std::string& key : keys) REQUIRE(model_.count(key) == 1);
    if (room_ != Room::too_little) REQUIRE(keys.size() == model_.size());
    std::vector<std::string> all;
    for (const auto& [key, expected] : model_) all.push_back(key);
    for (const std::string& key : all) compare(key);
  }

  Options options_;
  Room room_;
  std::mt19937_64 random_;
  Cache cache_;
  std::map<std::string, Expected> model_;
};

}  // namespace

TEST_CASE("a segment with room is a map") {
  const std::uint64_t s = tests::seed();
  CAPTURE(s);
  MESSAGE("seed " << s);
  tests::UniqueName name;
  Model model({.name = name, .capacity_bytes = 64 << 20}, Room::enough, s);
  model.run(60000);
  CHECK(model.stats().evictions == 0);
  CHECK(model.stats().reclaims > 0);
}

TEST_CASE("a segment that is too small forgets entries whole, and nothing else") {
  const std::uint64_t s = tests::seed();
  CAPTURE(s);
  MESSAGE("seed " << s);
  for (const std::size_t capacity : {kMinCapacityBytes, std::size_t{1} << 20}) {
    CAPTURE(capacity);
    tests::UniqueName name;
    Model model({.name = name, .capacity_bytes = capacity}, Room::too_little, s);
    model.run(60000);
    CHECK(model.stats().evictions > 100);
    CHECK(model.stats().moves > 0);
    CHECK(model.hits > 1000);
  }
}

TEST_CASE("a rejecting segment never loses an entry, and says when it is full") {
  const std::uint64_t s = tests::seed();
  CAPTURE(s);
  MESSAGE("seed " << s);
  for (const std::size_t capacity : {kMinCapacityBytes, std::size_t{2} << 20}) {
    CAPTURE(capacity);
    tests::UniqueName name;
    Model model({.name = name, .capacity_bytes = capacity, .when_full = WhenFull::reject}, Room::rejecting, s);
    model.run(60000);
    CHECK(model.stats().evictions == 0);
    CHECK(model.fulls > 0);
    CHECK(model.stats().moves > 0);
  }
}
