#include "forklore/rate_limit.hpp"

#include <array>
#include <cstring>

#include "cache/call.hpp"
#include "cache/gcra.hpp"

namespace forklore {
namespace {

using cache::answer;
using cache::Call;
using cache::Cells;
using cache::GcraStep;
using cache::step;
using cache::Windows;
using store::Decision;
using store::Present;

/// Decides to store an integer and its expiry: in place of the one that is there, or under a new key.
class IntegerEntry {
 public:
  Decision put(const Present& present, std::int64_t integer, std::uint64_t expiry) noexcept {
    if (present.found) return {.action = Decision::Action::change_both, .expiry = expiry, .integer = integer};
    std::memcpy(bytes_.data(), &integer, bytes_.size());
    return {.action = Decision::Action::store,
            .value = {bytes_.data(), bytes_.size()},
            .format = kInteger,
            .expiry = expiry};
  }

 private:
  std::array<char, store::kIntegerBytes> bytes_{};
};

std::uint64_t expiry_after(const Call& call, std::chrono::milliseconds time) noexcept {
  return call.expiry(time + std::chrono::milliseconds(1), kForever);
}

}  // namespace

Code take(const Cache& cache, std::string_view key, const Rate& rate, RateDecision& decision,
          std::uint32_t cost) noexcept {
  if (!is_key(key)) return Code::invalid_key;
  Cells cells{};
  if (!Cells::make(rate, cells)) return Code::invalid_argument;
  const Call call(Internals::attachment(cache));
  const std::int64_t now = call.now_ns();
  IntegerEntry entry;
  return call.write(key, Internals::lock_timeout(cache), [&](const Present& present) {
    if (present.found && !present.head.is_integer()) return answer(Code::not_a_number);
    const GcraStep next = step(cells, present.found ? present.integer : now, now, cost);
    decision = next.decision;
    if (!decision.allowed || cost == 0) return answer(Code::ok);
    return entry.put(present, next.arrival, expiry_after(call, decision.reset_after));
  });
}

Code count_in_window(const Cache& cache, std::string_view key, std::chrono::milliseconds window, WindowCount& count,
                     std::uint32_t add) noexcept {
  if (!is_key(key)) return Code::invalid_key;
  if (window <= std::chrono::milliseconds(0) || window > std::chrono::hours(24 * 366)) return Code::invalid_argument;
  const Call call(Internals::attachment(cache));
  const std::uint64_t length = static_cast<std::uint64_t>(window.count());
  const std::uint64_t number = call.now() / length & 0xffff;
  const std::uint64_t left = length - call.now() % length;
  IntegerEntry entry;
  return call.write(key, Internals::lock_timeout(cache), [&](const Present& present) {
    if (present.found && !present.head.is_integer()) return answer(Code::not_a_number);
    Windows windows{.number = number};
    if (present.found) windows = Windows::unpack(present.integer, number);
    windows.current += std::min(add, kMostInWindow - windows.current);
    const double unfinished = static_cast<double>(left) / static_cast<double>(length);
    count = {windows.current, windows.previous, windows.current + windows.previous * unfinished,
             std::chrono::milliseconds(left)};
    if (add == 0) return answer(Code::ok);
    return entry.put(present, windows.pack(), expiry_after(call, window + std::chrono::milliseconds(left)));
  });
}

}  // namespace forklore
