#include <algorithm>
#include <forklore/cache.hpp>

#include "cli/commands.hpp"
#include "cli/counts.hpp"
#include "cli/target.hpp"

namespace forklore::cli {
namespace {

std::string plain(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) return value.dump();
  std::string all;
  for (const Json& one : value) all += (all.empty() ? "" : " ") + one.dump();
  return all.empty() ? "-" : all;
}

std::string padded(std::string text, std::size_t width) {
  text.resize(std::max(width, text.size()), ' ');
  return text;
}

struct StatsWords {
  bool json = false;
  bool explain = false;
  Target target;

  void add_to(CLI::App& command) {
    target.add_to(command);
    command.add_flag("--explain", explain, "says beside each count what it is");
  }

  Exit run(Output& out) const {
    const Stats stats = target.to_look().stats();
    if (json) {
      Json all;
      for (const Counted& one : counted(stats)) all[std::string(one.is.name)] = one.value;
      all["full"] = stats.full();
      all["hit_ratio"] = json_of_part(hit_ratio(stats));
      out.object(all);
      return Exit::done;
    }
    for (const Counted& one : counted(stats)) {
      print(out, one.is.name, plain(one.value), one.is.unit, one.is.help);
    }
    print(out, "full", in_text(stats.full()), "", "The part of the room for entries that they take.");
    print(out, "hit_ratio", in_text(hit_ratio(stats)), "", "Hits of all reads.");
    return Exit::done;
  }

 private:
  void print(Output& out, std::string_view name, std::string value, std::string_view unit,
             std::string_view help) const {
    std::string line = padded(std::string(name), 20) + padded(std::move(value), 14) + " " + std::string(unit);
    if (explain) line = padded(std::move(line), 50) + std::string(help);
    line.erase(line.find_last_not_of(' ') + 1);
    out.line(line);
  }
};

}  // namespace

void add_stats(Program& program) {
  add_command<StatsWords>(program, "stats", "Shows what a segment holds and what has happened in it");
}

}  // namespace forklore::cli
