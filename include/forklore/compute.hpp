// compute.hpp - Lets one caller of all processes compute an expensive value, once.
//
//   std::string page = forklore::get_or_compute(cache, "front page", 1min, render, {.stale_for = 10min});
//
//  * While one caller computes, the others wait for its value, or get the old one (stale_for).
//  * Waiting callers notice within 25 ms that the computing process died. They do not notice that it was stopped. So
//    waiting has a bound. After it, a caller computes for itself and stores nothing.
//  * A write to the key or an erase meanwhile wins. Then the computed value goes to its caller, and not into the cache.
//    So a computation that began before an invalidation never undoes it.
//  * The right to store is a line in a table. Each stripe has 16 to 32 lines. A deep recursion may use them up. Then a
//    placeholder among the entries gives the right just as well, and a write to the key removes it. A full cache may
//    evict the placeholder; then the value is not stored. It lasts at most 10 minutes.
//  * A failed computation may be remembered for a while (error_ttl), so that not all try in vain, one by one.
//  * A computation that asks for its own key waits for itself, until the bound.
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
  /// How long after its time to live callers get the old value while one computes the next. To every other call (get,
  /// contains, ttl, add, ...) it counts as expired. Up to 49 days.
  Ttl stale_for{0};
  /// Begins the next computation before the value expires, at random. It is likelier the closer the end is, and the
  /// longer the value took to compute. 1: about as early as it takes to compute; 2: twice that; 0: never. (XFetch:
  /// Vattani, Chierichetti, Lowenstein, VLDB 2015.)
  double early = 0;
  /// How long a caller waits for another's value. After that it computes one for itself, and does not store it.
  std::chrono::milliseconds wait{10'000};
  /// How long a failure is remembered. Callers take an older value if there is one; the others are told of the failure.
  /// Nobody computes in that time, unless the older value ends, or a computation finds no other line.
  /// 0: it is not remembered, and the next caller computes.
  std::chrono::milliseconds error_ttl{0};
  /// The caller's own bound on its computing. Once it is over, another caller may begin to compute, although this
  /// process lives. If one has begun, this caller's value is not stored. 0: no bound.
  std::chrono::milliseconds compute_timeout{0};
};

/// The last computation of a key failed, no longer than its error_ttl ago, and there is no older value.
class FORKLORE_EXPORT ComputeFailed : public std::runtime_error {
 public:
  explicit ComputeFailed(const std::string& what);
};

/// What a caller is to do next.
enum class Turn : std::uint8_t {
  fresh,    ///< take the value
  stale,    ///< take the value: it has expired or is about to, and another caller computes the next one
  refresh,  ///< take the value, compute the next one and store it
  compute,  ///< there is no value: compute it and store it
  alone,    ///< compute it and do not store it: the wait is over, or the right could not be had. refusal() says why
  wait,     ///< another caller computes: wait(), then begin() again
  no_room,  ///< the sink gave up
  failed,   ///< there is no value, and the last computation failed within its error_ttl: failure() says how
};

/// The steps of one caller to a value. get_or_compute() takes them. A language binding uses them directly, to call its
/// own code in between. For one thread at a time. The cache handle and the key's bytes must outlive it.
class FORKLORE_EXPORT Computation {
 public:
  Computation(const Cache& cache, std::string_view key, const ComputeOptions& options = {}) noexcept;
  /// Gives back the right if it is held.
  ~Computation() { abandon(); }
  Computation(const Computation&) = delete;
  Computation& operator=(const Computation&) = delete;

  /// Looks for the value, and asks for the right to compute it. With Turn::fresh, stale and refresh the sink (index 0)
  /// has the value. May sleep for the stripe lock. If there is an older value it never sleeps: it returns that value
  /// and leaves the refresh to a later call. Throws what the sink throws; then nothing is held.
  [[nodiscard]] Turn begin(Sink sink, Found& found);
  /// The same into a string. It reuses the string's memory. May throw std::bad_alloc.
  [[nodiscard]] Turn begin(std::string& value);
  /// After Turn::wait: sleeps until there is a reason to look again, at most 25 ms or at_most. Calls the wait hooks.
  void wait(std::chrono::milliseconds at_most = std::chrono::milliseconds(25)) noexcept;

  /// After Turn::compute or refresh: stores the value for all, and gives the right back, whatever the answer. Keeps the
  /// time since begin() for ComputeOptions::early. Returns ok; or not_held, and then nothing was stored:
  /// the key was written to or erased meanwhile, the segment was replaced, or there was no right. Also answers
  /// too_large, full, busy, invalid_argument (kInteger of another size), invalid_key and read_only.
  Code store(std::string_view value, Ttl ttl = kDefaultTtl, std::uint16_t format = kBytes) noexcept;
  /// In place of store(), if computing failed: gives the right back. For error_ttl nobody computes then, unless
  /// somebody writes to the key or erases it, or the cache evicts it. what: the message that others get; at most 500
  /// bytes are kept.
  void fail(std::string_view what) noexcept;
  /// After Turn::failed: the message that fail() got, in any process. Valid until the next call.
  [[nodiscard]] std::string_view failure() const noexcept { return failure_; }
  /// After Turn::alone: what refused the right to store: busy, full, read_only or invalid_key. ok: nothing did, the
  /// wait is over.
  [[nodiscard]] Code refusal() const noexcept { return refusal_; }
  /// Gives the right back and stores nothing. The next caller computes. May sleep for the stripe lock, to remove a
  /// placeholder.
  void abandon() noexcept {
    if (lease_.word != 0) give_back();
    lease_ = {};
  }
  /// Whether the right to store is still this caller's, and compute_timeout is not over.
  [[nodiscard]] bool held() const noexcept;

 private:
  class Round;
  void give_back() noexcept;

  const Cache* cache_;
  std::string_view key_;
  ComputeOptions options_;
  Lease lease_;
  std::uint32_t events_ = 0;  // value of the event count when we began to wait
  bool counted_ = false;
  bool refreshes_ = false;  // the right is to refresh an older value
  Code refusal_ = Code::ok;
  std::string failure_;
  std::chrono::steady_clock::time_point until_{};  // end of all waiting. Set by the first wait
  std::chrono::steady_clock::time_point begun_{};  // begin of the computation
};

/// Gets the value under key. If there is none, calls compute() and stores the result with ttl; it may return anything
/// that makes a std::string. Puts the value into value, and reuses its memory. Returns ok, or invalid_key: then nothing
/// was computed, and value is as it was. Otherwise it returns why the value was not stored: not_held (the key was
/// written to or erased meanwhile), too_large, full, busy or read_only. Then value has what was computed all the same.
/// An exception of compute() reaches this caller only, and the next one computes. With error_ttl its message is
/// remembered: others take the older value, or get ComputeFailed. For any thread of any attached process.
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
      case Turn::failed:
        throw ComputeFailed(std::string(computation.failure()));
      case Turn::refresh:
      case Turn::compute:
      case Turn::alone:
      case Turn::no_room:
        break;
    }
    try {
      value = std::invoke(std::forward<Compute>(compute));
    } catch (const std::exception& error) {
      computation.fail(error.what());
      throw;
    } catch (...) {
      computation.fail("not a std::exception");
      throw;
    }
    return computation.store(value, ttl);
  }
}

/// The same, but returns the value, stored or not. If the key is invalid (is_key()), throws std::invalid_argument and
/// computes nothing.
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
