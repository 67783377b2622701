// trace.hpp - A request trace, and the sizes at which it is played.
//
// A trace is lines of op,key,key_size,value_size,ttl_s behind a header line that is just this; op is g, s or d. Every
// request is played as a read-through get, whatever its op: what is missed is stored.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

struct Request {
  std::uint32_t key;
  std::uint32_t key_size;
  std::uint32_t value_size;
  std::uint32_t ttl;  ///< seconds; 0: none
};

class Trace {
 public:
  /// Throws std::runtime_error, with its number, at a line that is no request.
  explicit Trace(std::istream& in);
  [[nodiscard]] const std::vector<Request>& requests() const noexcept { return requests_; }
  /// Sum over the keys of the largest key and value each had, if every value were scale times as large.
  [[nodiscard]] std::uint64_t footprint(std::uint32_t scale = 1) const noexcept { return keys_ + values_ * scale; }
  [[nodiscard]] std::uint32_t largest_value() const noexcept { return largest_; }

 private:
  std::vector<Request> requests_;
  std::uint64_t keys_ = 0, values_ = 0;  // bytes, of each key at its largest
  std::uint32_t largest_ = 0;
};

/// A size at which a trace is played.
struct Point {
  double percent;          ///< of the footprint
  std::uint64_t capacity;  ///< bytes
  std::uint32_t scale;     ///< values are so many times as large as the trace says
};

/// least: bytes; if not 0, values are scaled up until the capacity is as much, and it is rounded up to whole MiB. It is
/// less where values a million times as large are too small.
Point point_of(const Trace& trace, double percent, std::uint64_t least);

/// What a store answered to a whole trace.
struct Misses {
  std::uint64_t requests = 0, misses = 0, bytes = 0, missed_bytes = 0;

  void count(std::uint64_t value_size, bool hit) noexcept {
    ++requests;
    bytes += value_size;
    misses += !hit;
    missed_bytes += hit ? 0 : value_size;
  }
  [[nodiscard]] double object_ratio() const noexcept { return ratio(misses, requests); }
  [[nodiscard]] double byte_ratio() const noexcept { return ratio(missed_bytes, bytes); }

 private:
  static double ratio(std::uint64_t part, std::uint64_t whole) noexcept {
    return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
  }
};

/// The key of a request as text: its number, with zeros before it up to its size.
void write_key(const Request& request, std::string& key);

/// The whole of a text as a number above 0; 0 if it is none.
double positive_number(std::string_view text) noexcept;

}  // namespace bench
