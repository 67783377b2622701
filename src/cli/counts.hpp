// counts.hpp - What the lines of <forklore/counts.hpp> say of one segment.
#pragma once

#include <forklore/stats.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/text.hpp"

namespace forklore::cli {

/// One count as it is said.
struct Counted {
  CountInfo is;
  Json value;
};

/// All of them, in the order of the list.
std::vector<Counted> counted(const Stats& stats);
/// Hits of all reads; none if nothing was read.
std::optional<double> hit_ratio(const Stats& stats);
/// "98.1 %"; "-" for none.
std::string in_text(std::optional<double> part);
/// null for none.
Json json_of_part(std::optional<double> part);

}  // namespace forklore::cli
