#include "cache/checked_calls.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <optional>

#include "test_clock.hpp"

namespace forklore::tests {
namespace {

void must(bool holds, const std::string& what) {
  if (!holds) throw Mismatch(what);
}

void must_be(Code code, Code wanted, const std::string& what) {
  must(code == wanted, what + " answered " + std::string(to_string(code)) + ", not " + std::string(to_string(wanted)));
}

std::string bytes_of(std::int64_t integer) {
  std::string bytes(sizeof integer, '\0');
  std::memcpy(bytes.data(), &integer, sizeof integer);
  return bytes;
}

std::int64_t integer_of(const std::string& bytes) {
  std::int64_t integer = 0;
  std::memcpy(&integer, bytes.data(), sizeof integer);
  return integer;
}

std::string name_of(const std::string& key) { return key.substr(0, 12) + " of " + std::to_string(key.size()); }

}  // namespace

std::string numbered_key(std::size_t number) {
  std::string key = "k" + std::to_string(number) + "-";
  key.resize(std::max<std::size_t>(key.size(), number % 7 == 0 ? 200 : number % 30), '.');
  if (number % 101 == 100) key.resize(kMaxKeyBytes, '~');
  return key;
}

CheckedCalls::CheckedCalls(Options options, Room room, Mix mix, Choices& choices)
    : options_(std::move(options)), room_(room), mix_(mix), choices_(choices), cache_(Cache::open(options_)) {}

std::string CheckedCalls::value() {
  const std::size_t most = std::min<std::size_t>(*cache_.options().max_value_bytes, mix_.largest);
  const std::size_t kind = pick(100);
  const std::size_t size = kind < 60   ? pick(200)
                           : kind < 90 ? pick(3000)
                           : kind < 98 ? pick(20000)
                           : kind < 99 ? pick(most)
                                       : most - pick(16);
  std::string value(std::min(size, most), '\0');
  std::uint64_t x = ++values_;
  for (char& c : value) c = static_cast<char>((x = x * 6364136223846793005u + 1442695040888963407u) >> 56);
  return value;
}

Ttl CheckedCalls::time_to_live() {
  constexpr std::array<Ttl, 8> kTimes{kForever,  kDefaultTtl, kForever, std::chrono::hours(1),
                                      Ttl(1000), Ttl(50),     Ttl(1),   Ttl(0)};
  const Ttl ttl = kTimes[pick(kTimes.size())];
  return ttl == kDefaultTtl ? options_.default_ttl : ttl;
}

CheckedCalls::Expected* CheckedCalls::expected(const std::string& key) {
  const auto it = map_.find(key);
  if (it == map_.end()) return nullptr;
  if (it->second.expiry > clock_ms()) return &it->second;
  ++expirations_;
  map_.erase(it);
  return nullptr;
}

void CheckedCalls::keep(const std::string& key, std::string value, std::uint16_t format, Ttl ttl) {
  stale_.erase(key);
  if (ttl <= Ttl::zero()) {
    map_.erase(key);
    return;
  }
  const std::uint64_t expiry = ttl == kForever ? kNoExpiry : clock_ms() + static_cast<std::uint64_t>(ttl.count());
  map_[key] = {std::move(value), format, expiry};
}

bool CheckedCalls::stored(Code code, const std::string& key) {
  if (room_ != Room::rejecting || code != Code::full) {
    must_be(code, Code::ok, "a call that stores under " + name_of(key));
    return true;
  }
  ++fulls_;
  std::size_t entries = 0, bytes = 0;
  for (const auto& [k, is] : map_) {
    if (is.expiry <= clock_ms()) continue;
    ++entries;
    bytes += 32 + k.size() + is.value.size();
  }
  must(entries >= 16 || bytes >= *cache_.options().capacity_bytes / 3,
       "full with " + std::to_string(entries) + " entries of " + std::to_string(bytes) + " bytes");
  return false;
}

CheckedCalls::Expected* CheckedCalls::compare(const std::string& key) {
  Expected* const is = expected(key);
  std::string out;
  Found found;
  const Code code = cache_.get(key, out, &found);
  if (code != Code::ok) {
    must_be(code, Code::not_found, "get of " + name_of(key));
    must(is == nullptr || room_ == Room::evicting, "an entry is lost: " + name_of(key));
    map_.erase(key);
    return nullptr;
  }
  ++hits_;
  must(is != nullptr, "an entry is there that should be gone: " + name_of(key));
  must(out == is->value, "another value than was stored: " + name_of(key));
  must(found.size == out.size() && found.format == is->format, "another size or format: " + name_of(key));
  return is;
}

void CheckedCalls::step() {
  const std::size_t what = pick(100);
  if (what < 4) return pass_time();
  if (what < 8) return many();
  if (what < 9) return scan("k1");
  if (what < 10) return reopen();
  const std::string k = key();
  if (what < 11) return refused(k);
  if (what < 35) return look_at(k);
  compare(k);
  if (what < 59) return set(k);
  if (what < 63) return compute(k);
  if (what < 69) return add(k);
  if (what < 73) return replace(k);
  if (what < 83) return increment(k);
  if (what < 89) return erase(k);
  if (what < 94) return touch(k);
  if (what < 99) return compare_and_set(k);
  if (pick(256) != 0) return;
  must_be(cache_.clear(), Code::ok, "clear");
  map_.clear();
  stale_.clear();
}

void CheckedCalls::set(const std::string& k) {
  const Ttl ttl = time_to_live();
  const auto format = static_cast<std::uint16_t>(256 + pick(9));
  std::string v = value();
  if (stored(cache_.set(k, v, ttl, format), k)) keep(k, std::move(v), format, ttl);
}

void CheckedCalls::add(const std::string& k) {
  const Ttl ttl = time_to_live();
  std::string v = value();
  const Code code = cache_.add(k, v, ttl);
  if (expected(k) != nullptr) return must_be(code, Code::exists, "add of what is there");
  if (stored(code, k)) keep(k, std::move(v), kBytes, ttl);
}

void CheckedCalls::replace(const std::string& k) {
  const Ttl ttl = time_to_live();
  std::string v = value();
  const Code code = cache_.replace(k, v, ttl);
  if (expected(k) == nullptr) return must_be(code, Code::not_found, "replace of what is not there");
  if (code == Code::not_found && room_ == Room::evicting) {  // making room evicted the very entry
    map_.erase(k);
  } else if (stored(code, k)) {
    keep(k, std::move(v), kBytes, ttl);
  }
}

void CheckedCalls::increment(const std::string& k) {
  constexpr std::int64_t kInitial = 7;
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  const Ttl ttl = time_to_live();
  const std::int64_t delta = pick(32) == 0 ? kMost : static_cast<std::int64_t>(pick(1000)) - 500;
  const bool may_make = pick(4) != 0;
  std::int64_t now = 0, sum = 0;
  const Code code = cache_.increment(k, delta, now, may_make ? std::optional(kInitial) : std::nullopt, ttl);
  Expected* const is = expected(k);
  if (is != nullptr && is->format != kInteger) return must_be(code, Code::not_a_number, "increment of bytes");
  if (is == nullptr && !may_make) return must_be(code, Code::not_found, "increment of what is not there");
  if (__builtin_add_overflow(is != nullptr ? integer_of(is->value) : kInitial, delta, &sum)) {
    return must_be(code, Code::overflow, "increment beyond the largest integer");
  }
  if (is != nullptr) {
    must_be(code, Code::ok, "increment");
    is->value = bytes_of(sum);
  } else {
    if (!stored(code, k)) return;
    keep(k, bytes_of(sum), kInteger, ttl);
  }
  must(now == sum, "increment makes " + std::to_string(now) + ", not " + std::to_string(sum));
}

void CheckedCalls::compare_and_set(const std::string& k) {
  const Ttl ttl = time_to_live();
  std::string out;
  Found found;
  if (expected(k) == nullptr || cache_.get(k, out, &found) != Code::ok) {
    return must_be(cache_.compare_and_set(k, Version{pick(1000)}, "never"), Code::not_found,
                   "compare_and_set of what is not there");
  }
  std::string v = value();
  must_be(cache_.compare_and_set(k, Version{found.version.word + 1}, v), Code::changed,
          "compare_and_set with another version");
  const Code code = cache_.compare_and_set(k, found.version, v, ttl);
  if (code == Code::changed) return;                         // making room moved the very entry
  if (code == Code::not_found && room_ == Room::evicting) {  // or evicted it
    map_.erase(k);
  } else if (stored(code, k)) {
    keep(k, std::move(v), kBytes, ttl);
    must(cache_.compare_and_set(k, found.version, "stale") != Code::ok, "a version is good for two stores");
  }
}

void CheckedCalls::erase(const std::string& k) {
  must_be(cache_.erase(k), expected(k) != nullptr ? Code::ok : Code::not_found, "erase");
  map_.erase(k);
  stale_.erase(k);
}

void CheckedCalls::touch(const std::string& k) {
  const Ttl ttl = time_to_live();
  Expected* const is = expected(k);
  must_be(cache_.touch(k, ttl), is != nullptr ? Code::ok : Code::not_found, "touch");
  if (is == nullptr) return;
  const auto stale = stale_.find(k);
  const Ttl stale_for = stale != stale_.end() ? stale->second.stale_for : Ttl(0);
  keep(k, is->value, is->format, ttl);
  keep_stale(k, stale_for);
}

void CheckedCalls::keep_stale(const std::string& k, Ttl stale_for) {
  const Expected* const is = expected(k);
  if (is == nullptr || stale_for <= Ttl(0)) return;
  const bool ends = is->expiry != kNoExpiry;
  stale_[k] = {is->value, stale_for, ends ? is->expiry + static_cast<std::uint64_t>(stale_for.count()) : kNoExpiry};
}

void CheckedCalls::compute(const std::string& k) {
  constexpr std::array<Ttl, 4> kStale{Ttl(0), Ttl(1), Ttl(50), Ttl(1000)};
  const Ttl stale_for = kStale[pick(kStale.size())];
  std::string out;
  Computation computation(cache_, k, {.stale_for = stale_for});
  const Turn turn = computation.begin(out);
  const Expected* const is = expected(k);
  if (turn == Turn::fresh) {
    return must(is != nullptr && out == is->value, "a fresh value that is not there: " + name_of(k));
  }
  must(is == nullptr || room_ == Room::evicting, "a value is computed that is there: " + name_of(k));
  const auto stale = stale_.find(k);
  const bool may_be_stale = stale != stale_.end() && stale->second.until > clock_ms();
  if (turn == Turn::refresh) {
    must(may_be_stale && out == stale->second.value, "a stale value that is none: " + name_of(k));
  } else {
    must(turn == Turn::compute, "nobody else computes, and there is no right to: " + name_of(k));
    must(!may_be_stale || room_ == Room::evicting, "a stale value is lost: " + name_of(k));
  }
  map_.erase(k);
  const Ttl ttl = time_to_live();
  std::string v = value();
  switch (pick(8)) {
    case 0:
      return computation.abandon();
    case 1:
      must_be(cache_.erase(k), Code::not_found, "erase of what is computed");
      stale_.erase(k);
      return must_be(computation.store(v, ttl), Code::not_held, "store of what was erased meanwhile");
    default:
      if (!stored(computation.store(v, ttl), k)) return;
      keep(k, std::move(v), kBytes, ttl);
      keep_stale(k, stale_for);
  }
}

void CheckedCalls::look_at(const std::string& k) {
  const Expected* const is = compare(k);
  const Code there = is != nullptr ? Code::ok : Code::not_found;
  must_be(cache_.contains(k), there, "contains");
  Ttl left{};
  must_be(cache_.ttl(k, left), there, "ttl");
  if (is == nullptr) return;
  const auto until = is->expiry == kNoExpiry ? kForever : Ttl(static_cast<Ttl::rep>(is->expiry - clock_ms()));
  must(left == until, "ttl says " + std::to_string(left.count()) + " ms, not " + std::to_string(until.count()));
  std::string buffer(pick(2) == 0 ? is->value.size() : is->value.size() / 2, '\0');
  Found found;
  const Code code = cache_.get_into(k, buffer, found);
  must(found.size == is->value.size(), "get_into says another size");
  if (buffer.size() < is->value.size()) return must_be(code, Code::buffer_too_small, "get_into a small buffer");
  must_be(code, Code::ok, "get_into");
  must(buffer == is->value, "get_into got another value");
}

/// What must change nothing.
void CheckedCalls::refused(const std::string& k) {
  std::int64_t now = 0;
  must_be(cache_.set(k, std::string(*cache_.options().max_value_bytes + 1, 'x')), Code::too_large, "a set too large");
  must_be(cache_.set(k, "seven b", kForever, kInteger), Code::invalid_argument, "a set of no integer");
  must_be(cache_.set("", "x"), Code::invalid_key, "a set without a key");
  must_be(cache_.set(std::string(kMaxKeyBytes + 1, 'k'), "x"), Code::invalid_key, "a set of too long a key");
  must_be(cache_.increment("", 1, now), Code::invalid_key, "an increment without a key");
  compare(k);
}

void CheckedCalls::many() {
  const std::size_t n = 1 + pick(40);
  std::vector<std::string> keys(n), values(n);
  for (std::string& k : keys) k = key();
  const std::size_t what = pick(4);
  std::vector<std::string_view> key_views(keys.begin(), keys.end()), value_views;
  std::vector<Code> codes(n);
  if (what == 0) {
    for (std::string& v : values) v = value();
    value_views.assign(values.begin(), values.end());
    const Ttl ttl = time_to_live();
    cache_.set_many(key_views, value_views, ttl, {}, codes);
    for (std::size_t i = 0; i < n; ++i) {
      if (stored(codes[i], keys[i])) keep(keys[i], values[i], kBytes, ttl);
    }
  } else if (what == 1) {
    for (const std::string& k : keys) compare(k);
    cache_.erase_many(key_views, codes);
    for (std::size_t i = 0; i < n; ++i) {
      must_be(codes[i], expected(keys[i]) != nullptr ? Code::ok : Code::not_found, "erase_many");
      map_.erase(keys[i]);
      stale_.erase(keys[i]);
    }
  } else {
    for (const std::string& k : keys) compare(k);
    std::vector<Result> results(n);
    const std::size_t found = cache_.get_many(key_views, results);
    std::size_t counted = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const Expected* const is = expected(keys[i]);
      must_be(results[i].code, is != nullptr ? Code::ok : Code::not_found, "get_many");
      must(is == nullptr || (results[i].value == is->value && results[i].found.format == is->format),
           "get_many got another value: " + name_of(keys[i]));
      counted += is != nullptr;
    }
    must(found == counted, "get_many counts wrong");
  }
}

void CheckedCalls::scan(std::string_view prefix) {
  std::vector<std::string> keys;
  for (Cursor cursor; !cursor.finished();) must_be(cache_.scan(cursor, 50, prefix, keys), Code::ok, "scan");
  std::sort(keys.begin(), keys.end());
  must(std::adjacent_find(keys.begin(), keys.end()) == keys.end(), "scan gives a key twice");
  for (const std::string& k : keys) {
    must(k.starts_with(prefix), "scan gives a key of another prefix");
    must(expected(k) != nullptr, "scan gives a key that should be gone: " + name_of(k));
  }
  if (room_ == Room::evicting) return;
  for (const auto& [k, is] : map_) {
    if (k.starts_with(prefix) && is.expiry > clock_ms()) {
      must(std::binary_search(keys.begin(), keys.end(), k), "scan misses " + name_of(k));
    }
  }
}

void CheckedCalls::pass_time() {
  constexpr std::array<std::uint64_t, 6> kSteps{1, 49, 50, 1000, 60'000, 3'600'000};
  set_clock(clock_ms() + kSteps[pick(kSteps.size())]);
}

/// A second handle to the same segment, the first let go.
void CheckedCalls::reopen() { cache_ = Cache::open(options_); }

void CheckedCalls::look_over() {
  for (const std::string& fault : cache_.verify()) throw Mismatch(fault);
  scan("");
  std::vector<std::string> keys;
  for (const auto& [k, is] : map_) keys.push_back(k);
  for (const std::string& k : keys) compare(k);
  const Stats stats = cache_.stats();
  most_slots_ = std::max(most_slots_, stats.slots);
  must(stats.entries >= map_.size(), "stats count too few entries");
  must(stats.resets == 0 && stats.recoveries == 0, "a stripe was recovered, and nobody died");
  must(room_ == Room::evicting || stats.evictions == 0, "an entry was evicted where none may be");
}

}  // namespace forklore::tests
