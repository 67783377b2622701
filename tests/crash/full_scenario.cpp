// Overwrites in a rejecting segment that is full, killed at every instruction: whoever comes next can overwrite every
// key by as much.
#include <algorithm>
#include <stdexcept>

#include "crash/scenario.hpp"
#include "crash/workshop.hpp"

namespace forklore::crash {
namespace {

using Call = Workshop::Call;

std::string all_overwritten(Cache& cache, const Contents& now, const Contents& /*before*/, const Contents& /*after*/) {
  for (const auto& [key, entry] : now) {
    if (cache.set(key, entry.value) != Code::ok) return key + ": cannot be overwritten by as much";
  }
  return {};
}

/// Bytes that nobody has in the chunks behind which their log goes on.
std::uint64_t garbage(const Snapshot& snapshot) {
  const store::Log& log = snapshot.log();
  std::uint64_t sum = 0;
  for (std::uint32_t chunk = 0; chunk < log.size(); ++chunk) {
    if (!log.in_log(chunk) || log.open_chunk(store::kind_of(log.state(chunk))) == chunk) continue;
    sum += log.used(chunk) - std::min(log.live(chunk), log.used(chunk));
  }
  return sum;
}

/// A segment full of values whose sizes size(random) gives, and an overwrite by as much that moves a few others, with
/// so little garbage that it has to be written where its turn comes; or with more, so that some is collected.
template <class Size>
Scenario overwrite(const std::string& name, bool collects, std::size_t capacity, Size size) {
  return {name, [=](std::uint64_t seed) {
            Workshop shop(seed, WhenFull::reject, capacity);
            std::vector<std::size_t> sizes;
            for (std::uint16_t n = 0;; ++n) {
              const std::size_t bytes = size(shop.random());
              set_call(numbered("old-", n), n, bytes)(shop.cache());
              if (shop.cache().contains(numbered("old-", n)) != Code::ok) break;
              sizes.push_back(bytes);
            }
            for (unsigned tries = 0; tries < 20'000; ++tries) {
              const auto n = static_cast<std::uint16_t>(shop.random().below(static_cast<std::uint32_t>(sizes.size())));
              const std::string key = numbered("old-", n);
              const Call call = set_call(key, static_cast<std::uint16_t>(tries + 1000), sizes[n]);
              const Snapshot before = shop.snapshot();
              call(shop.cache());
              const Snapshot after = shop.snapshot();
              const auto moves = after.stats().moves - before.stats().moves;
              const bool has_garbage = garbage(before) > before.log().chunk_bytes();
              if (moves > 1 && moves < 12 && has_garbage == collects) {
                return Prepared{before.image(), shop.file().geometry(), call, all_overwritten};
              }
            }
            throw std::runtime_error("no overwrite in a full segment did what the scenario wants");
          }};
}

}  // namespace

std::vector<Scenario> full_scenarios() {
  const auto small = [](Random& random) { return std::size_t{100} + random.below(600); };
  const auto spilled = [](Random& random) { return std::size_t{3000} + random.below(5000); };
  return {
      overwrite("overwrite, full: collects", true, 4 * kMinCapacityBytes, small),
      overwrite("overwrite, full: in its turn", false, kMinCapacityBytes, small),
      overwrite("overwrite, full: spilled", false, 2 * kMinCapacityBytes, spilled),
  };
}

}  // namespace forklore::crash
