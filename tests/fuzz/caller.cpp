#include "caller.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "overwriter.hpp"
#include "store/layout.hpp"
#include "test_clock.hpp"

namespace forklore::fuzz {
namespace {

void must_be_one_of(Code code, std::initializer_list<Code> allowed, const char* call) {
  if (std::find(allowed.begin(), allowed.end(), code) != allowed.end()) return;
  std::fprintf(stderr, "%s answered %s\n", call, std::string(to_string(code)).c_str());
  std::abort();
}

}  // namespace

void must(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %s\n", what);
  std::abort();
}

Caller::Caller(Cache& cache, tests::Mix mix, tests::Choices& choices, bool alone)
    : cache_(cache),
      mix_(mix),
      choices_(choices),
      alone_(alone),
      most_(std::min<std::size_t>(*cache.options().max_value_bytes, mix.largest)) {}

std::string Caller::key() { return tests::numbered_key(choices_.below(mix_.keys + 16)); }
Ttl Caller::ttl() { return std::array<Ttl, 4>{kForever, Ttl(1000), Ttl(1), Ttl(0)}[choices_.below(4)]; }
std::uint16_t Caller::format() { return choices_.below(8) == 0 ? kInteger : std::uint16_t{300}; }

std::string Caller::value() {
  constexpr std::array<std::size_t, 8> kSizes{0, 8, 100, 1000, 3000, 4096, 9000, 31000};
  return std::string(std::min(kSizes[choices_.below(kSizes.size())], most_), 'v');
}

void Caller::call() {
  switch (choices_.below(18)) {
    case 0:
      return get(key());
    case 1:
      return get_into(key());
    case 2:
      return get_many();
    case 3:
      return look_at(key());
    case 4:
      return stored(cache_.set(key(), value(), ttl(), format()), {}, "set");
    case 5:
      return stored(cache_.add(key(), value(), ttl()), {Code::exists}, "add");
    case 6:
      return stored(cache_.replace(key(), value(), ttl()), {Code::not_found}, "replace");
    case 7:
      return compare_and_set(key());
    case 8:
      return must_be_one_of(cache_.erase(key()), {Code::ok, Code::not_found, Code::busy, Code::read_only}, "erase");
    case 9:
      return must_be_one_of(cache_.touch(key(), ttl()), {Code::ok, Code::not_found, Code::busy, Code::read_only},
                            "touch");
    case 10:
      return increment(key());
    case 11:
      return scan();
    case 12:
      static_cast<void>(cache_.stats());
      return;
    case 13:
      if (choices_.below(8) == 0) static_cast<void>(cache_.verify());
      return;
    case 15:
      return compute(key());
    case 16:
      return coordinate(key());
    case 14:
      if (choices_.below(16) != 0) return;
      return must_be_one_of(cache_.clear(), {Code::ok, Code::busy, Code::read_only}, "clear");
    default:
      tests::set_clock(tests::clock_ms() + (std::uint64_t{1} << choices_.below(32)));
      return;
  }
}

void Caller::stored(Code code, std::initializer_list<Code> also, const char* call) {
  if (std::find(also.begin(), also.end(), code) != also.end()) return;
  must_be_one_of(code, {Code::ok, Code::full, Code::busy, Code::not_a_number, Code::invalid_argument, Code::read_only},
                 call);
}

void Caller::check_size(std::size_t size) const {
  must(size <= *cache_.options().capacity_bytes, "a value is larger than its segment");
}

void Caller::get(const std::string& key) {
  std::string out;
  Found found;
  const Code code = cache_.get(key, out, &found);
  must_be_one_of(code, {Code::ok, Code::not_found}, "get");
  must(code != Code::ok || found.size == out.size(), "get says another size than it gives");
  check_size(found.size);
}

void Caller::get_into(const std::string& key) {
  std::array<char, 100> out;
  Found found;
  const Code code = cache_.get_into(key, out, found);
  must_be_one_of(code, {Code::ok, Code::not_found, Code::buffer_too_small}, "get_into");
  must(code != Code::ok || found.size <= out.size(), "get_into says more than fits");
  check_size(found.size);
}

void Caller::get_many() {
  std::vector<std::string> keys(1 + choices_.below(40));
  for (std::string& k : keys) k = key();
  const std::vector<std::string_view> views(keys.begin(), keys.end());
  std::vector<Result> results(keys.size());
  std::size_t found = cache_.get_many(views, results);
  for (const Result& result : results) {
    must_be_one_of(result.code, {Code::ok, Code::not_found}, "get_many");
    found -= result.code == Code::ok;
    check_size(result.found.size);
  }
  must(found == 0, "get_many counts wrong");
}

void Caller::look_at(const std::string& key) {
  Ttl left{};
  must_be_one_of(cache_.contains(key), {Code::ok, Code::not_found}, "contains");
  must_be_one_of(cache_.ttl(key, left), {Code::ok, Code::not_found}, "ttl");
}

void Caller::compare_and_set(const std::string& key) {
  Found found;
  std::string out;
  if (cache_.get(key, out, &found) != Code::ok) found.version.word = any_word(choices_);
  stored(cache_.compare_and_set(key, found.version, value(), ttl()), {Code::not_found, Code::changed},
         "compare_and_set");
}

void Caller::increment(const std::string& key) {
  std::int64_t now = 0;
  const auto delta = static_cast<std::int64_t>(any_word(choices_));
  stored(cache_.increment(key, delta, now, 7, ttl()), {Code::overflow}, "increment");
}

void Caller::compute(const std::string& key) {
  const ComputeOptions options{
      .stale_for = ttl(), .early = choices_.below(4) == 0 ? 1e9 : 0, .wait = std::chrono::milliseconds(0)};
  const std::string own = value();
  if (choices_.below(2) == 0) {
    check_size(get_or_compute(
                   cache_, key, ttl(), [&] { return own; }, options)
                   .size());
    return;
  }
  // One that is held while other calls are made: by erase below, and by whoever gets in between.
  std::string out;
  Computation computation(cache_, key, options);
  const Turn turn = computation.begin(out);
  if (turn == Turn::wait) return computation.wait();
  check_size(out.size());
  if (choices_.below(2) == 0) static_cast<void>(cache_.erase(key));
  stored(computation.store(own, ttl(), format()), {Code::not_held}, "store of a computed value");
  must(!computation.held(), "what was stored with is still held");
}

void Caller::coordinate(const std::string& key) {
  const auto waiting = std::chrono::milliseconds(0);
  const LockOptions options{.ttl = ttl(), .limit = 1 + static_cast<unsigned>(choices_.below(3))};
  Lock lock(cache_, key, options);
  must_be_one_of(lock.acquire(waiting), {Code::ok, Code::busy, Code::no_line, Code::invalid_argument, Code::read_only},
                 "acquire");
  must_be_one_of(lock.extend(ttl()), {Code::ok, Code::not_held, Code::invalid_argument, Code::busy, Code::read_only},
                 "extend");
  static_cast<void>(lock.held());
  RateDecision decision;
  const Rate rate{.count = 1 + static_cast<std::uint32_t>(choices_.below(5)), .burst = 3};
  stored(take(cache_, key, rate, decision, static_cast<std::uint32_t>(choices_.below(5))), {}, "take");
  must(decision.remaining <= 3, "more remains than the burst");
  WindowCount count;
  stored(count_in_window(cache_, key, std::chrono::milliseconds(1 + choices_.below(1 << 12)), count), {}, "count");
  must(count.current <= kMostInWindow && count.previous <= kMostInWindow, "a window counts more than it can");
}

void Caller::scan() {
  const std::size_t limit = std::array<std::size_t, 3>{1, 50, ~std::size_t{0}}[choices_.below(3)];
  const std::string_view prefix = choices_.below(2) == 0 ? "" : "k1";
  const std::uint64_t most = *cache_.options().capacity_bytes / store::kEntryHeader;  // keys that might be there
  std::vector<std::string> keys;
  std::uint64_t rounds = 0;
  for (Cursor cursor{choices_.below(4) == 0 ? any_word(choices_) : 0}; !cursor.finished(); ++rounds) {
    if (cache_.scan(cursor, limit, prefix, keys) == Code::busy) break;
    if (!alone_ && rounds > most) break;  // what changes all the time has no end
    must(rounds <= most, "a scan does not end");
  }
  must(!alone_ || keys.size() <= most, "a scan gives more keys than there can be");
  for (const std::string& k : keys) {
    must(k.starts_with(prefix), "a scan gives a key of another prefix");
    must(!k.empty() && k.size() <= kMaxKeyBytes, "a scan gives what is no key");
  }
}

}  // namespace forklore::fuzz
