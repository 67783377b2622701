#include <unistd.h>

#include <cstdio>
#include <forklore/cache.hpp>
#include <iostream>
#include <vector>

#include "cli/commands.hpp"
#include "cli/target.hpp"

namespace forklore::cli {
namespace {

struct RemoveWords {
  bool json = false;
  bool yes = false;
  Target target;

  void add_to(CLI::App& command) {
    target.add_to(command);
    command.add_flag("--yes", yes, "does not ask, as it does on a terminal");
  }

  Exit run(Output& out) const {
    if (!yes && ::isatty(STDIN_FILENO) == 1 && !confirmed()) throw Failure("nothing was removed");
    if (!target.remove()) throw Failure("there is no segment " + target.said());
    if (json) out.object(Json{{"removed", true}});
    return Exit::done;
  }

 private:
  [[nodiscard]] bool confirmed() const {
    std::cerr << "Remove segment " << target.said() << " with all its entries? [y/N] " << std::flush;
    std::string answer;
    std::getline(std::cin, answer);
    return answer == "y" || answer == "Y" || answer == "yes";
  }
};

struct VerifyWords {
  bool json = false;
  Target target;

  void add_to(CLI::App& command) { target.add_to(command); }

  Exit run(Output& out) const {
    const std::vector<std::string> faults = target.to_change().verify();
    if (json) {
      Json all = Json::array();
      for (const std::string& fault : faults) all.push_back(json_of(fault));
      out.object(Json{{"sound", faults.empty()}, {"faults", all}});
    } else {
      for (const std::string& fault : faults) out.line(escaped(fault));
      if (faults.empty()) out.line("sound");
    }
    return faults.empty() ? Exit::done : Exit::refused;
  }
};

}  // namespace

void add_segment_commands(Program& program) {
  add_command<RemoveWords>(program, "remove", "Removes a segment. Who has it open goes on with an empty new one");
  add_command<VerifyWords>(program, "verify",
                           "Checks every structure of a segment, one stripe at a time with its lock held. Prints "
                           "what is wrong; exit code 1 if anything is");
}

}  // namespace forklore::cli
