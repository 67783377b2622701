#include "forklore/cache.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "cache/call.hpp"

namespace forklore {
namespace {

constexpr std::size_t kBatch = 32;  // get_many fetches the memory of so many keys together

using cache::answer;
using cache::Call;
using cache::check;
using cache::left_of;
using cache::put;
using store::CounterLine;
using store::Decision;
using store::Present;
using Action = store::Decision::Action;

// A scan's position is one word: the stripe, the log, the offset in a chunk, and the lower bits of its sequence.
//
//    63    58 57 56 55                 39 38                  0
//   +--------+-----+---------------------+---------------------+
//   | stripe | log | offset, of 8 bytes  |      sequence       |   log: its place in kScanned
//   +--------+-----+---------------------+---------------------+

constexpr unsigned kStripeShift = 58, kLogShift = 56, kOffsetShift = 39;
constexpr std::uint64_t kSequenceBits = (std::uint64_t{1} << kOffsetShift) - 1;

std::uint64_t scan_position(std::uint32_t stripe, const store::ScanPosition& place) noexcept {
  const auto log = static_cast<std::uint64_t>(std::ranges::find(store::kScanned, place.log) - store::kScanned.begin());
  return std::uint64_t{stripe} << kStripeShift | log << kLogShift | std::uint64_t{place.offset / 8} << kOffsetShift |
         (place.sequence & kSequenceBits);
}

/// The inverse. end: the stripe's sequence_end(). The sequence is one of the 2^39 before it.
store::ScanPosition scan_place(std::uint64_t position, std::uint64_t end) noexcept {
  const std::uint64_t back = (end - position) & kSequenceBits;
  return {store::kScanned[(position >> kLogShift & 3) % store::kScanned.size()], end - std::min(back, end),
          static_cast<std::uint32_t>(position >> kOffsetShift << 3 & (store::kMaxChunkBytes - 1))};
}

}  // namespace

Cache::Cache(std::shared_ptr<Attachment> attachment, const Options& options)
    : attachment_(std::move(attachment)),
      default_ttl_(options.default_ttl),
      lock_timeout_(options.lock_timeout),
      options_(std::make_shared<const Options>(options)) {}
Cache::Cache(const Cache&) noexcept = default;
Cache& Cache::operator=(const Cache&) noexcept = default;
Cache::Cache(Cache&&) noexcept = default;
Cache& Cache::operator=(Cache&&) noexcept = default;
Cache::~Cache() = default;

Cache Cache::open(const Options& options) { return Cache(Attachment::obtain(options, false), options); }

Cache Cache::attach(std::string_view name, Place place) {
  Options options;
  options.place = place;
  if (place == Place::file) {
    options.path = name;
  } else {
    options.name = name;
  }
  return attach(options);
}

Cache Cache::attach(const Options& options) {
  Options handle = options;
  handle.capacity_bytes.reset();
  handle.max_value_bytes.reset();
  handle.stripes.reset();
  handle.when_full.reset();
  return Cache(Attachment::obtain(handle, true), handle);
}

/// Out of line, because it is seldom called. Inline it would take registers from every read.
[[gnu::noinline]] static void resize(std::string& out, std::size_t size) { out.resize(size); }

/// All reads of one key. room(found) gives memory for the value, as Stripe::read says.
template <class Room>
[[gnu::always_inline]] static inline Code read_one(Attachment& attachment, std::string_view key,
                                                   std::chrono::milliseconds timeout, const Room& room,
                                                   store::Reading& reading) {
  if (!is_key(key)) return Code::invalid_key;
  const std::uint64_t hash = base::hash(key);
  const Call call(attachment);
  return call.read(key, hash, room, reading, timeout);
}

Code Cache::get(std::string_view key, std::string& out, Found* found) {
  store::Reading reading;
  const auto room = [&](const Found& is) {
    if (out.size() != is.size) [[unlikely]]
      resize(out, is.size);
    return out.data();
  };
  const Code code = read_one(*attachment_, key, lock_timeout_, room, reading);
  if (found != nullptr && code == Code::ok) *found = reading.found;
  return code;
}

std::optional<std::string> Cache::get(std::string_view key) {
  std::optional<std::string> value(std::in_place);
  if (get(key, *value) != Code::ok) value.reset();
  return value;
}

Code Cache::get_into(std::string_view key, std::span<char> out, Found& found) noexcept {
  store::Reading reading;
  char nowhere = 0;  // an empty span may have no address, and nullptr would give up
  const auto room = [&](const Found& is) -> char* {
    return is.size > out.size() ? nullptr : is.size == 0 ? &nowhere : out.data();
  };
  const Code code = read_one(*attachment_, key, lock_timeout_, room, reading);
  if (code == Code::ok || code == Code::buffer_too_small) found = reading.found;
  return code;
}

Code Cache::get_to(std::string_view key, Sink sink, Found& found) {
  store::Reading reading;
  const auto room = [&](const Found& is) { return sink.room(sink.context, 0, is); };
  const Code code = read_one(*attachment_, key, lock_timeout_, room, reading);
  if (code == Code::ok || code == Code::buffer_too_small) found = reading.found;
  return code;
}

Code Cache::contains(std::string_view key) noexcept {
  store::Reading reading;
  return read_one(*attachment_, key, lock_timeout_, store::NoValue{}, reading);
}

Code Cache::ttl(std::string_view key, Ttl& left) noexcept {
  store::Reading reading;
  const Code code = read_one(*attachment_, key, lock_timeout_, store::NoValue{}, reading);
  if (code != Code::ok) return code;
  const std::uint64_t now = attachment_->view().segment.age(base::boottime_ms());
  left = left_of(reading.expiry, now);
  return code;
}

Code Cache::info(std::string_view key, EntryInfo& info) const noexcept {
  if (!is_key(key)) return Code::invalid_key;
  const std::uint64_t hash = base::hash(key);
  const Call call(*attachment_);
  store::Reading reading;
  info = {};
  const Code code =
      call.segment().stripe_of(hash).glance({key, hash}, call.now(), reading, info.frequency, lock_timeout_);
  if (code != Code::ok) return code;
  info.size = reading.found.size;
  info.format = reading.found.format;
  info.left = left_of(reading.expiry, call.now());
  return code;
}

std::size_t Cache::get_many_to(std::span<const std::string_view> keys, Sink sink, std::span<Found> found,
                               std::span<Code> codes) {
  const Call call(*attachment_);
  // Three passes over each batch, so that its cache misses overlap: fetch the buckets, fetch the entries, read.
  std::array<std::uint64_t, kBatch> hashes;
  std::size_t hits = 0;
  for (std::size_t begin = 0; begin < keys.size(); begin += kBatch) {
    const std::size_t n = std::min(kBatch, keys.size() - begin);
    for (std::size_t i = 0; i < n; ++i) {
      hashes[i] = base::hash(keys[begin + i]);
      call.segment().stripe_of(hashes[i]).prefetch(hashes[i]);
    }
    for (std::size_t i = 0; i < n; ++i) call.segment().stripe_of(hashes[i]).prefetch_entries(hashes[i]);
    for (std::size_t i = 0; i < n; ++i) {
      const std::size_t at = begin + i;
      store::Reading reading;
      const auto room = [&](const Found& is) { return sink.room(sink.context, at, is); };
      codes[at] = is_key(keys[at]) ? call.read(keys[at], hashes[i], room, reading, lock_timeout_) : Code::invalid_key;
      found[at] = reading.found;
      hits += codes[at] == Code::ok;
    }
  }
  return hits;
}

std::size_t Cache::get_many(std::span<const std::string_view> keys, std::span<Result> results) {
  std::array<Found, kBatch> found;
  std::array<Code, kBatch> codes;
  const auto room = [](void* context, std::size_t index, const Found& is) -> Into {
    std::string& value = static_cast<Result*>(context)[index].value;
    value.resize(is.size);
    return value.data();
  };
  std::size_t hits = 0;
  for (std::size_t begin = 0; begin < keys.size(); begin += kBatch) {
    const std::size_t n = std::min(kBatch, keys.size() - begin);
    hits += get_many_to(keys.subspan(begin, n), {&results[begin], room}, std::span(found).first(n),
                        std::span(codes).first(n));
    for (std::size_t i = 0; i < n; ++i) {
      results[begin + i].code = codes[i];
      results[begin + i].found = found[i];
    }
  }
  return hits;
}

Code Cache::set(std::string_view key, std::string_view value, Ttl ttl, std::uint16_t format) noexcept {
  const Call call(*attachment_);
  if (const Code code = check(call, key, value, format); code != Code::ok) return code;
  return call.write(key, lock_timeout_, put(value, format, call.expiry(ttl, default_ttl_)));
}

Code Cache::add(std::string_view key, std::string_view value, Ttl ttl, std::uint16_t format) noexcept {
  const Call call(*attachment_);
  if (const Code code = check(call, key, value, format); code != Code::ok) return code;
  const Decision decision = put(value, format, call.expiry(ttl, default_ttl_));
  return call.write(key, lock_timeout_,
                    [&](const Present& present) { return present.found ? answer(Code::exists) : decision; });
}

Code Cache::replace(std::string_view key, std::string_view value, Ttl ttl, std::uint16_t format) noexcept {
  const Call call(*attachment_);
  if (const Code code = check(call, key, value, format); code != Code::ok) return code;
  const Decision decision = put(value, format, call.expiry(ttl, default_ttl_));
  return call.write(key, lock_timeout_,
                    [&](const Present& present) { return present.found ? decision : answer(Code::not_found); });
}

Code Cache::compare_and_set(std::string_view key, Version version, std::string_view value, Ttl ttl,
                            std::uint16_t format) noexcept {
  const Call call(*attachment_);
  if (const Code code = check(call, key, value, format); code != Code::ok) return code;
  const Decision decision = put(value, format, call.expiry(ttl, default_ttl_));
  return call.write(key, lock_timeout_, [&](const Present& present) {
    if (!present.found) return answer(Code::not_found);
    return present.version == version.word ? decision : answer(Code::changed);
  });
}

Code Cache::erase(std::string_view key) noexcept {
  if (!is_key(key)) return Code::invalid_key;
  const Call call(*attachment_);
  const Code code = call.write(key, lock_timeout_, [](const Present& present) {
    // An absent key is erased too. That voids a computation, and ends a stale value.
    return Decision{.action = Action::erase, .code = present.found ? Code::ok : Code::not_found};
  });
  if (code == Code::ok) call.count(&CounterLine::erases);
  return code;
}

Code Cache::touch(std::string_view key, Ttl ttl) noexcept {
  if (!is_key(key)) return Code::invalid_key;
  const Call call(*attachment_);
  const std::uint64_t expiry = call.expiry(ttl, default_ttl_);
  return call.write(key, lock_timeout_, [&](const Present& present) {
    const Code code = present.found ? Code::ok : Code::not_found;
    if (expiry == 0) return Decision{.action = Action::erase, .code = code};  // also of a stale value
    if (!present.found) return answer(code);
    return Decision{.action = Action::change_expiry, .expiry = present.timing.expiry_of(expiry)};
  });
}

Code Cache::increment(std::string_view key, std::int64_t delta, std::int64_t& now, std::optional<std::int64_t> initial,
                      Ttl ttl) noexcept {
  if (!is_key(key)) return Code::invalid_key;
  const Call call(*attachment_);
  const std::uint64_t expiry = call.expiry(ttl, default_ttl_);
  std::int64_t sum = 0;
  std::array<char, store::kIntegerBytes> bytes{};
  const Code code = call.write(key, lock_timeout_, [&](const Present& present) {
    if (present.found && !present.head.is_integer()) return answer(Code::not_a_number);
    if (!present.found && !initial) return answer(Code::not_found);
    if (__builtin_add_overflow(present.found ? present.integer : *initial, delta, &sum)) return answer(Code::overflow);
    if (present.found) return Decision{.action = Action::change_integer, .integer = sum};
    std::memcpy(bytes.data(), &sum, bytes.size());
    return put({bytes.data(), bytes.size()}, kInteger, expiry);
  });
  if (code == Code::ok) now = sum;
  return code;
}

std::size_t Cache::set_many(std::span<const std::string_view> keys, std::span<const std::string_view> values, Ttl ttl,
                            std::span<const std::uint16_t> formats, std::span<Code> codes) noexcept {
  std::size_t done = 0;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    codes[i] = set(keys[i], values[i], ttl, formats.empty() ? kBytes : formats[i]);
    done += codes[i] == Code::ok;
  }
  return done;
}

std::size_t Cache::erase_many(std::span<const std::string_view> keys, std::span<Code> codes) noexcept {
  std::size_t done = 0;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    codes[i] = erase(keys[i]);
    done += codes[i] == Code::ok;
  }
  return done;
}

Code Cache::clear() noexcept {
  const Call call(*attachment_);
  if (!call.may_write()) return Code::read_only;
  for (std::uint32_t i = 0; i < call.segment().stripes(); ++i) {
    if (const Code code = call.segment().stripe(i).clear(lock_timeout_); code != Code::ok) return code;
  }
  return Code::ok;
}

Code Cache::scan(Cursor& cursor, std::size_t limit, std::string_view prefix, std::vector<std::string>& keys,
                 bool stale) {
  const Call call(*attachment_);
  const store::Age age = stale ? store::Age::stale : store::Age::fresh;
  const std::size_t enough = keys.size() + std::min(limit, keys.max_size() - keys.size());
  while (!cursor.finished() && keys.size() < enough) {
    const auto number = static_cast<std::uint32_t>(cursor.position >> kStripeShift) % call.segment().stripes();
    const store::Stripe& stripe = call.segment().stripe(number);
    store::ScanPosition place = scan_place(cursor.position, stripe.sequence_end());
    stripe.scan(place, call.now(), prefix, enough, keys, age);
    if (place.log) {
      cursor.position = scan_position(number, place);
    } else if (number + 1 < call.segment().stripes()) {
      cursor.position = scan_position(number + 1, {});
    } else {
      cursor.position = Cursor::kEnd;
    }
  }
  return Code::ok;
}

Stats Cache::stats() const {
  const Call call(*attachment_);
  Stats stats;
  call.segment().sum(stats);
  stats.reattachments = attachment_->reattachments();
  return stats;
}

std::vector<std::string> Cache::verify() const {
  const Call call(*attachment_);
  std::vector<std::string> faults;
  if (!call.may_write()) return {"verify needs the locks: open the segment for writing"};
  for (std::uint32_t i = 0; i < call.segment().stripes(); ++i) {
    const std::string where = "stripe " + std::to_string(i);
    if (call.segment().stripe(i).verify(where, lock_timeout_, faults) != Code::ok) {
      faults.push_back(where + ": a living process kept its lock for all of lock_timeout");
    }
  }
  return faults;
}

std::string Cache::path() const { return attachment_->path(); }

Options Cache::options() const {
  Options options = *options_;
  const store::Shape& shape = attachment_->view().segment.geometry().shape;
  options.capacity_bytes = shape.capacity;
  options.stripes = shape.stripes;
  options.max_value_bytes = shape.max_value;
  options.when_full = shape.reject ? WhenFull::reject : WhenFull::evict;
  return options;
}

}  // namespace forklore
