// checked_calls.hpp - A stream of calls on a cache, beside a plain map that says what each of them must answer.
//
// Who drives it makes the choices: a random generator, or a fuzzer's bytes. Time is the test clock's. Only in a segment
// that evicts may an entry be gone that the map has; everything else is exact, down to the millisecond of expiry.
#pragma once

#include <cstdint>
#include <forklore/forklore.hpp>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace forklore::tests {

/// Where the choices come from.
class Choices {
 public:
  virtual ~Choices() = default;
  /// 0 to bound - 1; bound is 1 or more.
  virtual std::size_t below(std::size_t bound) = 0;
};

/// How a segment under test may differ from a map.
enum class Room : std::uint8_t {
  enough,    ///< not at all
  evicting,  ///< entries may be gone
  rejecting  ///< what stores may answer full
};

/// What the calls are about.
struct Mix {
  std::size_t keys;                       ///< how many different ones
  std::size_t largest = ~std::size_t{0};  ///< value, in bytes, if the segment takes it
};

/// Thrown where the cache did what the map says it must not.
class Mismatch : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

/// The key of that number: most are short, a few long, none the beginning of another.
std::string numbered_key(std::size_t number);

class CheckedCalls {
 public:
  /// options: how the cache is opened; it is empty, and nobody else writes to it.
  CheckedCalls(Options options, Room room, Mix mix, Choices& choices);

  /// Makes one call, or a few that belong together, and compares. Throws Mismatch.
  void step();
  /// Compares everything: verify(), a scan, stats() and each key. Throws Mismatch.
  void look_over();

  [[nodiscard]] const Cache& cache() const noexcept { return cache_; }
  [[nodiscard]] unsigned hits() const noexcept { return hits_; }
  /// Answers full.
  [[nodiscard]] unsigned fulls() const noexcept { return fulls_; }
  /// Entries that were there until the clock said otherwise.
  [[nodiscard]] unsigned expirations() const noexcept { return expirations_; }
  /// The most that the index had room for when it was looked over.
  [[nodiscard]] std::uint64_t most_slots() const noexcept { return most_slots_; }

 private:
  struct Expected {
    std::string value;
    std::uint16_t format = kBytes;
    std::uint64_t expiry = 0;  ///< by the test clock; kNoExpiry: never
  };
  static constexpr std::uint64_t kNoExpiry = ~std::uint64_t{0};
  /// A computed value that may be served beyond its time to live.
  struct Stale {
    std::string value;
    Ttl stale_for{};
    std::uint64_t until = 0;
  };

  std::size_t pick(std::size_t bound) { return choices_.below(bound); }
  std::string key() { return numbered_key(pick(mix_.keys)); }
  std::string value();
  Ttl time_to_live();
  /// What the map has under a key, expired entries taken out; nullptr: nothing.
  Expected* expected(const std::string& key);
  /// Puts into the map what a call stored, or takes out what it did not keep.
  void keep(const std::string& key, std::string value, std::uint16_t format, Ttl ttl);
  /// Whether a call that stores has done so; Mismatch unless it answered ok, or full where that may be.
  bool stored(Code code, const std::string& key);
  /// Takes out of the map what has been evicted; with what is left, the map is exact for this key.
  Expected* compare(const std::string& key);

  void set(const std::string& key);
  void add(const std::string& key);
  void replace(const std::string& key);
  void increment(const std::string& key);
  void compare_and_set(const std::string& key);
  void compute(const std::string& key);
  void keep_stale(const std::string& key, Ttl stale_for);
  void erase(const std::string& key);
  void touch(const std::string& key);
  void look_at(const std::string& key);
  void refused(const std::string& key);
  void many();
  void scan(std::string_view prefix);
  void pass_time();
  void reopen();

  Options options_;
  Room room_;
  Mix mix_;
  Choices& choices_;
  Cache cache_;
  std::map<std::string, Expected> map_;
  std::map<std::string, Stale> stale_;  // of what is in the map, or has expired in it
  std::uint64_t values_ = 0;            // made so far: no two are the same
  std::uint64_t most_slots_ = 0;
  unsigned hits_ = 0, fulls_ = 0, expirations_ = 0;
};

}  // namespace forklore::tests
