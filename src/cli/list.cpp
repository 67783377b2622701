#include <algorithm>
#include <array>
#include <forklore/cache.hpp>
#include <vector>

#include "cli/commands.hpp"
#include "cli/counts.hpp"
#include "cli/target.hpp"

namespace forklore::cli {
namespace {

/// One segment: what its file tells and, if it could be opened, what it holds.
struct Listed {
  SegmentInfo info;
  std::optional<Stats> stats;
  std::string why;  // there are no stats
};

constexpr std::size_t kColumns = 8;
using Row = std::array<std::string, kColumns>;
const Row kHead{"NAME", "OWNER", "FORMAT", "BYTES", "FULL", "ENTRIES", "HITS", "ATTACHED"};

Listed look_at(const SegmentInfo& info, ::mode_t mode) {
  try {
    const Cache cache = Cache::attach(Options{.name = info.name, .mode = mode, .owner = info.owner, .read_only = true});
    return {info, cache.stats(), {}};
  } catch (const OpenError& error) {
    return {info, {}, said(error)};
  }
}

Row row_of(const Listed& one) {
  const auto& [info, stats, why] = one;
  const bool known = stats.has_value();
  return {info.name,
          user_name(info.owner),
          std::to_string(info.format),
          std::to_string(info.bytes),
          in_text(known ? std::optional(stats->full()) : std::nullopt),
          known ? std::to_string(stats->entries) : "-",
          in_text(known ? hit_ratio(*stats) : std::nullopt),
          info.attached ? "yes" : "no"};
}

Json json_of_segment(const Listed& one) {
  const auto& [info, stats, why] = one;
  Json json{{"name", info.name},        {"owner", user_name(info.owner)}, {"uid", info.owner},
            {"path", info.path},        {"format", info.format},          {"bytes", info.bytes},
            {"attached", info.attached}};
  if (!stats) {
    json["error"] = why;
    return json;
  }
  json["full"] = stats->full();
  json["entries"] = stats->entries;
  json["hit_ratio"] = json_of_part(hit_ratio(*stats));
  return json;
}

void print(Output& out, const std::vector<Row>& rows) {
  Row widest;  // of each column, the longest text
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < kColumns; ++i) widest[i] = std::max(widest[i], std::string(row[i].size(), ' '));
  }
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < kColumns; ++i) {
      const std::string fill(widest[i].size() - row[i].size(), ' ');
      const bool is_text = i < 2 || i + 1 == kColumns;
      line += (i == 0 ? "" : "  ") + (is_text ? row[i] + fill : fill + row[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out.line(line);
  }
}

struct ListWords {
  bool json = false;
  Access access;

  void add_to(CLI::App& command) { access.add_to(command); }

  Exit run(Output& out) const {
    const std::optional<::uid_t> owner = access.uid();
    const ::mode_t mode = access.bits();
    std::vector<Row> rows{kHead};
    for (const SegmentInfo& info : segments()) {
      if (owner && info.owner != *owner) continue;
      const Listed one = look_at(info, mode);
      if (json) {
        out.object(json_of_segment(one));
      } else {
        rows.push_back(row_of(one));
      }
    }
    if (rows.size() > 1) print(out, rows);
    return Exit::done;
  }
};

}  // namespace

void add_list(Program& program) {
  add_command<ListWords>(program, "list", "Lists the segments of this host that you may read");
}

}  // namespace forklore::cli
