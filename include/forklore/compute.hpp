// compute.hpp - A value that is expensive to compute is computed once, by one caller of all processes.
//
//   std::string page = forklore::get_or_compute(cache, "front page", 1min, render, {.stale_for = 10min});
//
//  * While one computes, the others wait for its value, or are served the old one (stale_for).
//  * A computing process that is killed or dies is found out within 25 ms, a stopped one is not: waiting has a bound,
//    after which a caller computes for itself and stores nothing.
//  * What is written to the key meanwhile, or erased, wins: the computed value goes to its caller and not into the
//    cache. So an invalidation is never undone by who began before it.
//  * The right to store is a line in a table of 16 to 32 for each stripe. When they are used up, as a deep recursion
//    does, it is a placeholder among the entries, which is as good: a write to the key removes it. A full cache may
//    evict it; then the value is not stored. It is there for 10 minutes at most.
//  * A computation that asks for its own key waits for itself until the bound.
#pragma once

#include <chrono>
#include <cstdint>
#include <forklore/cache.hpp>
#include <forklore/export.hpp>
#include <forklore/lease.hpp>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace forklore {

struct ComputeOptions {
  /// For so long after its time to live an old value is served to all but the one who computes the next. To every other
  /// call (get, contains, ttl, add, ...) it counts as expired. Up to 49 days.
  Ttl stale_for{0};
  /// Begins the next computation before the value expires, at random and the likelier the closer that is and the longer
  /// it took: with 1 about as early as it takes to compute, with 2 twice that; 0 never. (XFetch: Vattani, Chierichetti,
  /// Lowenstein, VLDB 2015.)
  double early = 0;
  /// How long a caller waits for another's value before it computes one for itself, which is not stored.
  std::chrono::milliseconds wait{10'000};
};

/// What a caller is to do next.
enum class Turn : std::uint8_t {
  fresh,    ///< the value is there: done
  stale,    ///< the value is past its time, or nearly, and somebody else is at it: take it
  refresh,  ///< the same, and it is this caller who is to compute the next and store it
  compute,  ///< there is none: compute it and store it
  alone,    ///< compute it; there is nothing to be stored with (the wait is over, busy, read_only, full and nothing
            ///< leaves, or it is no key)
  wait,     ///< somebody else computes: wait(), then begin() again
  no_room,  ///< the sink gave up
};

/// One caller's way to a value. get_or_compute() is made of it; a language binding, which may call nothing of its own
/// in between, uses it directly. For one thread at a time. The cache handle outlives it, and the key's bytes do.
class FORKLORE_EXPORT Computation {
 public:
  Computation(const Cache& cache, std::string_view key, const ComputeOptions& options = {}) noexcept;
  /// Gives back what is held.
  ~Computation() { abandon(); }
  Computation(const Computation&) = delete;
  Computation& operator=(const Computation&) = delete;

  /// Looks for the value, and asks for the right to compute it. The value comes to the sink (index 0) with Turn::fresh,
  /// stale and refresh. Sleeps for a stripe's lock alone, and not for that where there is an older value: then it may
  /// be a later call that is to refresh. Throws what the sink throws; nothing is held then.
  [[nodiscard]] Turn begin(Sink sink, Found& found);
  /// The same into a string, whose memory is reused. May throw std::bad_alloc.
  [[nodiscard]] Turn begin(std::string& value);
  /// After Turn::wait: sleeps until there is reason to look again, 25 ms or at_most at the latest. Calls the wait
  /// hooks.
  void wait(std::chrono::milliseconds at_most = std::chrono::milliseconds(25)) noexcept;

  /// After Turn::compute or refresh: stores the value, lets all see it and gives the right back, whatever the answer.
  /// Keeps how long it took since begin() if early refresh wants to know. Returns ok; changed (nothing was stored: the
  /// key was written to or erased meanwhile, the segment was replaced, or there was nothing to store with); also
  /// too_large, full, busy, not_a_number, invalid_key and read_only.
  Code store(std::string_view value, Ttl ttl = kDefaultTtl, std::uint16_t format = kBytes) noexcept;
  /// Gives the right back with nothing stored; the next caller computes. Sleeps for the stripe's lock where a
  /// placeholder is to be removed.
  void abandon() noexcept;
  /// Whether the right to store is still this caller's.
  [[nodiscard]] bool held() const noexcept;

 private:
  class Round;

  const Cache* cache_;
  std::string_view key_;
  ComputeOptions options_;
  Lease lease_;
  std::uint32_t events_ = 0;  // of the word to wait on
  bool counted_ = false;
  std::chrono::steady_clock::time_point until_{};  // of all waiting; set with the first wait
  std::chrono::steady_clock::time_point begun_{};  // of the computation
};

/// The value under key, or what compute() returns, which is then stored with ttl: anything that makes a std::string. It
/// comes to value, whose memory is reused. Returns ok; invalid_key (nothing was computed, and value is as it was); else
/// what storing came to: changed, too_large, full, busy, read_only, and value is what was computed all the same. An
/// exception of compute() reaches this caller alone; the next one computes. Any thread of any attached process.
template <class Compute>
Code get_or_compute(const Cache& cache, std::string_view key, std::string& value, Ttl ttl, Compute&& compute,
                    const ComputeOptions& options = {}) {
  if (!is_key(key)) return Code::invalid_key;
  Computation computation(cache, key, options);
  for (;;) {
    switch (computation.begin(value)) {
      case Turn::fresh:
      case Turn::stale:
        return Code::ok;
      case Turn::wait:
        computation.wait();
        continue;
      case Turn::refresh:
      case Turn::compute:
      case Turn::alone:
      case Turn::no_room:
        break;
    }
    value = std::invoke(std::forward<Compute>(compute));
    return computation.store(value, ttl);
  }
}

/// The same for who wants the value alone, stored or not. Throws std::invalid_argument, and computes nothing, for what
/// is no key (is_key()).
template <class Compute>
std::string get_or_compute(const Cache& cache, std::string_view key, Ttl ttl, Compute&& compute,
                           const ComputeOptions& options = {}) {
  std::string value;
  if (get_or_compute(cache, key, value, ttl, std::forward<Compute>(compute), options) == Code::invalid_key) {
    throw std::invalid_argument("forklore: get_or_compute: a key is 1 to 1024 bytes long");
  }
  return value;
}

}  // namespace forklore
