// stripe_box.hpp - A stripe in private memory, with the calls that a cache makes of it and a clock that the test moves.
#pragma once

#include <chrono>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.hpp"
#include "store/geometry.hpp"
#include "store/stripe_read.hpp"

namespace forklore::tests {

/// Zeroed memory that begins on a cache line.
class Lines {
 public:
  explicit Lines(std::size_t bytes) : lines_((bytes + store::kCacheLine - 1) / store::kCacheLine) {}
  [[nodiscard]] std::byte* data() noexcept { return lines_.front().bytes; }
  [[nodiscard]] std::size_t size() const noexcept { return lines_.size() * store::kCacheLine; }

 private:
  struct alignas(store::kCacheLine) Line {
    std::byte bytes[store::kCacheLine];
  };
  std::vector<Line> lines_;
};

inline store::Geometry one_stripe(std::uint64_t capacity, bool reject = false) {
  return store::plan({.capacity = capacity, .stripes = 1, .reject = reject});
}

class StripeBox {
 public:
  explicit StripeBox(std::uint64_t capacity, bool reject = false)
      : geometry(one_stripe(capacity, reject)), memory(geometry.stripe_bytes), stripe(memory.data(), geometry, true) {
    stripe.create(0x1234567, 0);
  }

  Code set(std::string_view key, std::string_view value, std::uint64_t expiry = store::kNever,
           std::uint16_t format = kBytes) {
    return decide(key, [&](const store::Present&) {
      return store::Decision{
          .action = store::Decision::Action::store, .value = value, .format = format, .expiry = expiry};
    });
  }
  Code set_integer(std::string_view key, std::int64_t value) {
    char bytes[sizeof value];
    std::memcpy(bytes, &value, sizeof value);
    return set(key, {bytes, sizeof bytes}, store::kNever, kInteger);
  }
  Code erase(std::string_view key) {
    return decide(key, [](const store::Present& present) {
      return store::Decision{.action = store::Decision::Action::erase,
                             .code = present.found ? Code::ok : Code::not_found};
    });
  }
  Code touch(std::string_view key, std::uint64_t expiry) {
    return decide(key, [&](const store::Present& present) {
      return present.found ? store::Decision{.action = store::Decision::Action::change_expiry, .expiry = expiry}
                           : store::Decision{.code = Code::not_found};
    });
  }
  /// Adds to an integer that is there.
  Code increment(std::string_view key, std::int64_t delta) {
    return decide(key, [&](const store::Present& present) {
      if (!present.found || !present.head.is_integer()) return store::Decision{.code = Code::not_a_number};
      return store::Decision{.action = store::Decision::Action::change_integer, .integer = present.integer + delta};
    });
  }
  Code compare_and_set(std::string_view key, std::uint64_t version, std::string_view value) {
    return decide(key, [&](const store::Present& present) {
      if (!present.found || present.version != version) return store::Decision{.code = Code::changed};
      return store::Decision{.action = store::Decision::Action::store, .value = value};
    });
  }
  template <class F>
  Code decide(std::string_view key, const F& f) {
    return stripe.update({key, base::hash(key)}, now, timeout, f);
  }

  Code read(std::string_view key, std::string& out, store::Reading& reading) {
    const auto room = [&](const Found& found) {
      out.resize(found.size);
      return out.data();
    };
    std::uint64_t rereads = 0;
    return stripe.read({key, base::hash(key)}, now, room, reading, timeout, rereads);
  }
  std::optional<std::string> get(std::string_view key) {
    std::string value;
    store::Reading reading;
    if (read(key, value, reading) != Code::ok) return std::nullopt;
    return value;
  }
  /// 0 if the key is absent.
  std::uint64_t version(std::string_view key) {
    std::string value;
    store::Reading reading;
    return read(key, value, reading) == Code::ok ? reading.found.version.word : 0;
  }

  std::vector<std::string> verify() {
    std::vector<std::string> faults;
    if (stripe.verify("stripe", timeout, faults) != Code::ok) faults.emplace_back("stripe: busy");
    return faults;
  }
  store::StripeHeader& header() { return *reinterpret_cast<store::StripeHeader*>(memory.data()); }

  store::Geometry geometry;
  Lines memory;
  store::Stripe stripe;
  std::uint64_t now = 1000;  ///< ms since birth
  std::chrono::milliseconds timeout{1000};
};

}  // namespace forklore::tests
