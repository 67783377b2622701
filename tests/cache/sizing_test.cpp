// How many entries of a size fit a capacity: printed as rows of docs/figures.md, and the page held to them.
// scripts/figures.sh writes the page anew.
#include <doctest/doctest.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <iostream>
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

std::string with_commas(std::uint64_t n) {
  std::string digits = std::to_string(n);
  for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

/// What the page says of values of this size, in its third column; 0 if it has no such row.
std::uint64_t full_on_page(std::size_t value_size) {
  std::ifstream page(FORKLORE_PAGES "/figures.md");
  const std::string begin = "| " + with_commas(value_size) + " | ";
  for (std::string line; std::getline(page, line);) {
    if (!line.starts_with(begin)) continue;
    std::uint64_t n = 0;
    for (const char c : line.substr(line.find("| ", begin.size()), line.rfind("| ") - line.find("| ", begin.size()))) {
      if (std::isdigit(static_cast<unsigned char>(c)) != 0) n = n * 10 + static_cast<std::uint64_t>(c - '0');
    }
    return n;
  }
  return 0;
}

}  // namespace

TEST_CASE("what fits 64 MiB with keys of 24 bytes") {
  constexpr std::size_t kCapacity = 64 << 20;
  for (const std::size_t value : {8u, 100u, 200u, 512u, 1024u, 4096u, 20'000u}) {
    if (tests::kSanitized && value < 512) continue;
    const Fit fit = fill(kCapacity, value);
    const auto share = static_cast<double>(fit.full * (24 + value)) / static_cast<double>(kCapacity);
    std::cout << "| " << with_commas(value) << " | " << with_commas(fit.untouched) << " | " << with_commas(fit.full)
              << " | " << static_cast<int>(share * 100) << " % |\n";
    INFO("values of " << value << " bytes; scripts/figures.sh writes docs/figures.md anew");
    CHECK(static_cast<double>(full_on_page(value)) == doctest::Approx(static_cast<double>(fit.full)).epsilon(0.005));
    // By the sum of docs/layout.md: header, rounding, a slot at its place in the index, ghost, chunk table, reserve.
    const std::size_t entry = (16 + 24 + value + 7) / 8 * 8;
    const double each = static_cast<double>(kCapacity) / static_cast<double>(fit.full);
    CHECK(each > static_cast<double>(entry) + 8 / 0.82);
    CHECK(each < (static_cast<double>(entry) + 8 / 0.78) * 1.04);
    if (value == 100) CHECK(each <= 24 + 100 + 36);
    CHECK(fit.untouched > fit.full * 9 / 10);
  }
}
