#include <forklore/cache.hpp>
#include <forklore/pattern.hpp>
#include <vector>

#include "cli/commands.hpp"
#include "cli/entry.hpp"
#include "cli/target.hpp"

namespace forklore::cli {
namespace {

struct KeysWords {
  bool json = false;
  Target target;
  std::string pattern = "*";
  std::uint64_t limit = ~std::uint64_t{0};

  void add_to(CLI::App& command) {
    target.add_to(command);
    command.add_option("PATTERN", pattern, "the keys wanted, as Redis has patterns: \"page:*\"; else all");
    command.add_option("--limit", limit, "ends after that many")->type_name("N")->check(CLI::NonNegativeNumber);
  }

  Exit run(Output& out) const {
    constexpr std::size_t kBatch = 1000;  // what is in memory at once
    Cache cache = target.to_look();
    const Pattern wanted(pattern);
    std::vector<std::string> keys;
    std::uint64_t said = 0;
    for (Cursor cursor; !cursor.finished() && said < limit;) {
      keys.clear();
      if (const Code code = cache.scan(cursor, kBatch, wanted.prefix(), keys); code != Code::ok) {
        throw Failure("keys: " + std::string(to_string(code)));
      }
      for (const std::string& key : keys) {
        if (said < limit && wanted.matches(key) && say(out, cache, key)) ++said;
      }
    }
    return Exit::done;
  }

 private:
  /// Returns false if the entry is gone.
  bool say(Output& out, const Cache& cache, const std::string& key) const {
    if (!json) {
      out.line(escaped(key));
      return true;
    }
    EntryInfo info;
    if (cache.info(key, info) != Code::ok) return false;
    Json entry = json_of_entry(key, info);
    entry["frequency"] = info.frequency;
    out.object(entry);
    return true;
  }
};

}  // namespace

void add_keys(Program& program) {
  add_command<KeysWords>(program, "keys",
                         "Lists the keys of a segment, a line each. What a terminal must not see is escaped: \\n, "
                         "\\x1b, \\u{202e}. A key that comes or goes meanwhile may be missing, or come twice");
}

}  // namespace forklore::cli
