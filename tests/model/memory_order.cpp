// The orders of src/store and src/base on x86, on ARMv8 and by the rules of C++: with all of them nothing breaks, and
// for each there is something that breaks without it, or without it and others that stand in for it.
#include <algorithm>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "model/protocol.hpp"
#include "model/search.hpp"

using namespace forklore::model;

namespace {

constexpr char kHelp[] =
    "usage: memory_order [--only TEXT] [--stories] [--list] [--orders]\n"
    "\n"
    "Tries the protocols of a stripe in every order that x86, ARMv8 and C++ allow, as they are and with orders taken\n"
    "away. Prints which orders are needed: the smallest sets of them without which something breaks, and what does.\n"
    "Exit 0 only if nothing breaks with all of them, and each is in such a set.\n"
    "\n"
    "  --only TEXT   only the protocols whose name contains it\n"
    "  --stories     also who did what, in the order of effect, where something breaks\n"
    "  --list        the names of the protocols\n"
    "  --orders      the orders that are named, and where in src/ they stand\n";

using Names = std::vector<std::string>;

struct Broken {
  std::string fault, story;
};

/// What breaks without these orders; no fault: nothing.
Broken without(const Protocol& protocol, const Names& names, Memory memory) {
  Orders orders(names);
  for (const Scene& scene : protocol.scenes(orders)) {
    if (const auto found = find_bad(scene.program, memory)) return {scene.fault, found->story};
  }
  return {};
}

/// A smallest set of orders without which something breaks, and what, on each memory.
struct Row {
  Names names;
  std::vector<Broken> broken;
};

class Report {
 public:
  Report(const Protocol& protocol, bool stories) : protocol_(protocol), stories_(stories) {
    Orders orders;
    static_cast<void>(protocol.scenes(orders));
    all_ = orders.names();
  }

  /// Whether all is as it should be.
  bool run() {
    std::printf("\n%s: %s\n", protocol_.name.c_str(), protocol_.promise.c_str());
    bool good = true;
    std::printf("  %-52s", "with all orders");
    Row full{{}, {}};
    for (const Memory memory : kMemories) {
      full.broken.push_back(without(protocol_, {}, memory));
      const bool relied_on = std::count(protocol_.holds_on.begin(), protocol_.holds_on.end(), memory) != 0;
      const bool holds = full.broken.back().fault.empty();
      std::printf("  %-8s", holds ? "holds" : relied_on ? "BREAKS" : "-");
      if (relied_on) good &= holds;
    }
    std::printf("\n");
    if (!good) tell(full);
    for (std::size_t size = 1; size <= all_.size(); ++size) choose({}, 0, size);
    for (const Row& row : rows_) print(row);
    for (const std::string& name : all_) {
      const bool bites = std::any_of(rows_.begin(), rows_.end(), [&](const Row& row) {
        return std::find(row.names.begin(), row.names.end(), name) != row.names.end();
      });
      if (bites) continue;
      std::printf("  NOTHING NEEDS %s\n", name.c_str());
      good = false;
    }
    std::fflush(stdout);
    return good;
  }

 private:
  /// Tries all sets of that size that contain no smaller one that breaks something on the same memory.
  void choose(const Names& names, std::size_t next, std::size_t size) {
    if (names.size() == size) return attempt(names);
    for (; next < all_.size(); ++next) {
      Names more = names;
      more.push_back(all_[next]);
      choose(more, next + 1, size);
    }
  }
  void attempt(const Names& names) {
    Row row{names, {}};
    bool any = false;
    for (std::size_t i = 0; i < kMemories.size(); ++i) {
      const bool relied_on = std::count(protocol_.holds_on.begin(), protocol_.holds_on.end(), kMemories[i]) != 0;
      const bool known = std::any_of(rows_.begin(), rows_.end(), [&](const Row& smaller) {
        return !smaller.broken[i].fault.empty() &&
               std::includes(names.begin(), names.end(), smaller.names.begin(), smaller.names.end(),
                             [&](const std::string& a, const std::string& b) { return place(a) < place(b); });
      });
      row.broken.push_back(known || !relied_on ? Broken{} : without(protocol_, names, kMemories[i]));
      any |= !row.broken.back().fault.empty();
    }
    if (any) rows_.push_back(row);
  }
  [[nodiscard]] std::ptrdiff_t place(const std::string& name) const {
    return std::find(all_.begin(), all_.end(), name) - all_.begin();
  }

  void print(const Row& row) {
    for (std::size_t i = 0; i < row.names.size(); ++i) {
      std::printf("  %-8s%-44s", i == 0 ? "without" : "and", row.names[i].c_str());
      if (i + 1 < row.names.size()) std::printf("\n");
    }
    std::string faults;
    for (std::size_t i = 0; i < kMemories.size(); ++i) {
      const std::string& fault = row.broken[i].fault;
      std::printf("  %-8s", fault.empty() ? "-" : "breaks");
      if (!fault.empty() && faults.find(fault) == std::string::npos) faults += (faults.empty() ? "" : "; ") + fault;
    }
    std::printf("  %s\n", faults.c_str());
    if (stories_) tell(row);
  }
  static void tell(const Row& row) {
    for (std::size_t i = 0; i < kMemories.size(); ++i) {
      if (row.broken[i].fault.empty()) continue;
      std::printf("   on %s: %s\n%s", std::string(to_string(kMemories[i])).c_str(), row.broken[i].fault.c_str(),
                  row.broken[i].story.c_str());
    }
  }

  const Protocol& protocol_;
  bool stories_;
  Names all_;
  std::vector<Row> rows_;
};

}  // namespace

int main(int count, char** arguments) {
  std::string_view only;
  bool stories = false, list = false, names = false;
  for (int i = 1; i < count; ++i) {
    const std::string_view option = arguments[i];
    if (option == "--stories") {
      stories = true;
    } else if (option == "--list") {
      list = true;
    } else if (option == "--orders") {
      names = true;
    } else if (option == "--only" && i + 1 < count) {
      only = arguments[++i];
    } else {
      const bool asked = option == "--help" || option == "-h";
      std::fputs(kHelp, asked ? stdout : stderr);
      return asked ? 0 : 2;
    }
  }
  std::vector<Protocol> protocols;
  for (const auto& some :
       {entry_protocols(), index_protocols(), lock_protocols(), lease_protocols(), call_protocols()}) {
    protocols.insert(protocols.end(), some.begin(), some.end());
  }
  if (names) {
    for (const Protocol& protocol : protocols) {
      Orders orders;
      static_cast<void>(protocol.scenes(orders));
      for (const std::string& name : orders.names()) std::printf("%s\n", name.c_str());
    }
    return 0;
  }
  if (!list) {
    std::printf("%-54s", "");
    for (const Memory memory : kMemories) std::printf("  %-8s", std::string(to_string(memory)).c_str());
    std::printf("\n");
  }
  unsigned tried = 0, faults = 0;
  for (const Protocol& protocol : protocols) {
    if (protocol.name.find(only) == std::string::npos) continue;
    ++tried;
    if (list) {
      std::printf("%s: %s\n", protocol.name.c_str(), protocol.promise.c_str());
    } else if (!Report(protocol, stories).run()) {
      ++faults;
    }
  }
  if (!list) std::printf("\n%u protocols, %u at fault\n", tried, faults);
  return tried > 0 && faults == 0 ? 0 : 1;
}
