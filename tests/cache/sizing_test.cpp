// How many entries of a size fit a capacity: the figures of docs/layout.md, printed and held.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "sanitized.hpp"
#include "unique_name.hpp"

using namespace forklore;
using tests::UniqueName;

namespace {

struct Fit {
  std::uint64_t untouched = 0;  ///< stored before the first entry had to leave
  std::uint64_t full = 0;       ///< held once twice as many have been stored as ever fit
};

Fit fill(std::size_t capacity, std::size_t value_size) {
  UniqueName name;
  Cache cache = Cache::open({.name = name, .capacity_bytes = capacity});
  const std::string value(value_size, 'v');
  Fit fit;
  std::uint64_t stored = 0;
  const auto store = [&] {
    std::string key = std::to_string(stored++);
    key.insert(0, 24 - key.size(), '0');
    REQUIRE(cache.set(key, value) == Code::ok);
  };
  while (stored % 1000 != 0 || cache.stats().evictions == 0) store();
  fit.untouched = stored - cache.stats().evictions;
  while (stored < 2 * fit.untouched) store();
  fit.full = cache.stats().entries;
  return fit;
}

}  // namespace

TEST_CASE("what fits 64 MiB with keys of 24 bytes") {
  constexpr std::size_t kCapacity = 64 << 20;
  for (const std::size_t value : {8u, 100u, 200u, 512u, 1024u, 4096u, 20'000u}) {
    if (tests::kSanitized && value < 512) continue;
    const Fit fit = fill(kCapacity, value);
    const auto share = static_cast<double>(fit.full * (24 + value)) / static_cast<double>(kCapacity);
    MESSAGE("values of " << value << ": " << fit.untouched << " before the first leaves, " << fit.full
                         << " when full; keys and values are " << static_cast<int>(share * 100)
                         << " % of the capacity");
    // By the sum of docs/layout.md: header, rounding, a slot at its place in the index, ghost, chunk table, reserve.
    const std::size_t entry = (16 + 24 + value + 7) / 8 * 8;
    const double each = static_cast<double>(kCapacity) / static_cast<double>(fit.full);
    CHECK(each > static_cast<double>(entry) + 8 / 0.82);
    CHECK(each < (static_cast<double>(entry) + 8 / 0.78) * 1.04);
    if (value == 100) CHECK(each <= 24 + 100 + 36);
    CHECK(fit.untouched > fit.full * 9 / 10);
  }
}
