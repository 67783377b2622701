// call.hpp - What all calls have in common: the time, the view, the counters, the limits of values, and the decisions
// of a write.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string_view>

#include "base/clock.hpp"
#include "base/hash.hpp"
#include "forklore/cache.hpp"
#include "session/attachment.hpp"
#include "store/segment.hpp"
#include "store/stripe_read.hpp"

namespace forklore {

/// Gives calls that are no members of Cache what they need of a handle.
struct Internals {
  static Attachment& attachment(const Cache& cache) noexcept { return *cache.attachment_; }
  static Ttl default_ttl(const Cache& cache) noexcept { return cache.default_ttl_; }
  static std::chrono::milliseconds lock_timeout(const Cache& cache) noexcept { return cache.lock_timeout_; }
};

}  // namespace forklore

namespace forklore::cache {

/// Every call begins with one. It takes the time once, the current view, and this thread's counter line.
class Call {
 public:
  explicit Call(Attachment& attachment) noexcept
      : boottime_(base::boottime_ms()), view_(attachment.view(boottime_)), own_line_(Attachment::own_line(view_)) {}

  [[nodiscard]] session::View& view() const noexcept { return view_; }
  [[nodiscard]] store::Segment& segment() const noexcept { return view_.segment; }
  [[nodiscard]] std::uint64_t now() const noexcept { return view_.segment.age(boottime_); }
  [[nodiscard]] bool may_write() const noexcept { return view_.segment.writable(); }
  // Inline, as is all that a read calls. So the members stay in registers.
  [[gnu::always_inline]] void count(store::Word store::CounterLine::*word, std::uint64_t n = 1) const noexcept {
    if (own_line_ != nullptr || may_write()) segment().counters().add(own_line_, word, n);
  }
  /// Returns when an entry of this ttl expires, in ms since the segment's birth. 0: it has expired already.
  [[nodiscard]] std::uint64_t expiry(Ttl ttl, Ttl default_ttl) const noexcept {
    if (ttl == kDefaultTtl) ttl = default_ttl;
    if (ttl == kForever) return store::kNever;
    if (ttl <= Ttl::zero()) return 0;
    return std::min(now() + static_cast<std::uint64_t>(std::min<Ttl::rep>(ttl.count(), Ttl::rep{1} << 47)),
                    store::kNever - 1);
  }
  /// Returns the nanoseconds since the segment's birth. Rates need them; entries expire by the millisecond.
  [[nodiscard]] std::int64_t now_ns() const noexcept { return view_.segment.age_ns(base::boottime_ns()); }

  template <store::Age age = store::Age::fresh, class Room>
  [[gnu::always_inline]] Code read(std::string_view key, std::uint64_t hash, const Room& room, store::Reading& reading,
                                   std::chrono::milliseconds timeout) const {
    std::uint64_t rereads = 0;
    const Code code = segment().stripe_of(hash).template read<age>({key, hash}, now(), room, reading, timeout, rereads);
    if (rereads != 0) [[unlikely]]
      count(&store::CounterLine::rereads, rereads);
    count(code == Code::not_found ? &store::CounterLine::misses : &store::CounterLine::hits);
    return code;
  }

  Code write(std::string_view key, std::chrono::milliseconds timeout, const store::Decide& decide) const noexcept {
    if (!may_write()) return Code::read_only;
    const std::uint64_t hash = base::hash(key);
    return counted(segment().stripe_of(hash).update({key, hash}, now(), timeout, decide));
  }
  /// Counts a write by its answer, which it returns.
  Code counted(Code code) const noexcept {
    switch (code) {
      case Code::ok:
        count(&store::CounterLine::writes);
        break;
      case Code::busy:
        count(&store::CounterLine::busy);
        break;
      case Code::full:
      case Code::overflow:
      case Code::not_a_number:
        count(&store::CounterLine::refused);
        break;
      default:
        break;
    }
    return code;
  }

 private:
  std::uint64_t boottime_;
  session::View& view_;
  store::CounterLine* own_line_;
};

/// Returns the time that is left until then, both in ms since the segment's birth.
inline Ttl left_of(std::uint64_t expiry, std::uint64_t now) noexcept {
  return expiry == store::kNever ? kForever : Ttl(static_cast<Ttl::rep>(expiry - std::min(now, expiry)));
}

/// Whether a value may be stored at all: ok, or why not.
inline Code check(const Call& call, std::string_view key, std::string_view value, std::uint16_t format) noexcept {
  Code code = Code::ok;
  if (!is_key(key)) return Code::invalid_key;
  if (value.size() > call.segment().geometry().shape.max_value) code = Code::too_large;
  if (format == kInteger && value.size() != store::kIntegerBytes) code = Code::invalid_argument;
  if (code != Code::ok) call.count(&store::CounterLine::refused);
  return code;
}

inline store::Decision answer(Code code) noexcept { return {.code = code}; }

/// Decides to store the value. One that has expired already removes what is there instead.
inline store::Decision put(std::string_view value, std::uint16_t format, std::uint64_t expiry) noexcept {
  if (expiry == 0) return {.action = store::Decision::Action::erase};
  return {.action = store::Decision::Action::store, .value = value, .format = format, .expiry = expiry};
}

}  // namespace forklore::cache
