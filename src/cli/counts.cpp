#include "cli/counts.hpp"

#include <array>
#include <cstdio>

namespace forklore::cli {
namespace {

Json value_of(WhenFull word) { return word == WhenFull::reject ? "reject" : "evict"; }
template <class Number>
Json value_of(const Number& number) {
  return number;
}

}  // namespace

std::vector<Counted> counted(const Stats& stats) {
  std::vector<Counted> all;
#define FORKLORE_COUNT(type, name, kind, unit, help) \
  all.push_back({{#name, CountInfo::Kind::kind, unit, help}, value_of(stats.name)});
  FORKLORE_COUNTS(FORKLORE_COUNT)
#undef FORKLORE_COUNT
  return all;
}

std::optional<double> hit_ratio(const Stats& stats) {
  const std::uint64_t reads = stats.hits + stats.misses;
  if (reads == 0) return {};
  return static_cast<double>(stats.hits) / static_cast<double>(reads);
}

std::string in_text(std::optional<double> part) {
  std::array<char, 16> text{};
  if (!part) return "-";
  std::snprintf(text.data(), text.size(), "%.1f %%", *part * 100);
  return text.data();
}

Json json_of_part(std::optional<double> part) { return part ? Json(*part) : Json(nullptr); }

}  // namespace forklore::cli
