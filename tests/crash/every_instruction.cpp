// A worker dies at any instruction of a call: the next process finds a sound segment, everything committed, and the key
// in flight old or new.
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string_view>

#include "crash/instruction_run.hpp"
#include "crash/lock_run.hpp"
#include "crash/opening_run.hpp"
#include "crash/reading_run.hpp"

using namespace forklore::crash;

namespace {

constexpr char kHelp[] =
    "usage: every_instruction [--sample N] [--seed N] [--only TEXT] [--quiet] [--list]\n"
    "\n"
    "Steps through calls on the smallest segment an instruction at a time. Each distinct image of the segment that "
    "this\n"
    "gives is examined by another process as the kernel would leave it after a death there, and real kills confirm "
    "it.\n"
    "\n"
    "  --sample N    at most N images and N kills of each call (default: all)\n"
    "  --seed N      of the segments' contents (default 1)\n"
    "  --only TEXT   only the calls whose name contains it\n"
    "  --quiet       the table alone\n"
    "  --list        the names of the calls\n";

struct Arguments {
  RunOptions run;
  std::string_view only;
  bool list = false;
};

bool parse(int count, char** arguments, Arguments& parsed) {
  for (int i = 1; i < count; ++i) {
    const std::string_view option = arguments[i];
    if (option == "--quiet") {
      parsed.run.progress = false;
    } else if (option == "--list") {
      parsed.list = true;
    } else if (i + 1 == count) {
      return false;
    } else if (option == "--only") {
      parsed.only = arguments[++i];
    } else if (option == "--sample" || option == "--seed") {
      char* end = nullptr;
      const std::uint64_t number = std::strtoull(arguments[++i], &end, 10);
      if (end == arguments[i] || *end != '\0') return false;
      if (option == "--sample") parsed.run.sample = number;
      if (option == "--seed") parsed.run.seed = number;
    } else {
      return false;
    }
  }
  return true;
}

void print(const Row& row) {
  std::printf("%-30s %12zu %8zu %9zu %11zu %7zu %7zu %8lld ms %7zu\n", row.name.c_str(), row.instructions, row.images,
              row.examined, row.owner_died, row.kills, row.astray, static_cast<long long>(row.slowest.count()),
              row.faults);
  std::fflush(stdout);
}

/// What a trace is better without. glibc copies large blocks by an instruction that is seen byte by byte; else a step
/// is a vector's width. The linker looks functions up at their first call. And a tracer on another processor than its
/// child waits for a wake-up at every step.
void simplify(char** arguments) {
  if (std::getenv("LD_BIND_NOW") != nullptr) return;
  ::setenv("LD_BIND_NOW", "1", 1);
  ::setenv("GLIBC_TUNABLES", "glibc.cpu.x86_rep_movsb_threshold=1000000000", 1);
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(static_cast<unsigned>(::sched_getcpu()), &one);
  ::sched_setaffinity(0, sizeof one, &one);
  ::execv("/proc/self/exe", arguments);
}

}  // namespace

int main(int count, char** arguments) {
  Arguments parsed;
  if (!parse(count, arguments, parsed)) {
    const bool asked = count == 2 && std::string_view(arguments[1]) == "--help";
    std::fputs(kHelp, asked ? stdout : stderr);
    return asked ? 0 : 2;
  }
  simplify(arguments);
  Row sum{.name = "all"};
  if (!parsed.list) {
    std::printf("%-30s %12s %8s %9s %11s %7s %7s %11s %7s\n", "call", "instructions", "images", "examined",
                "owner died", "kills", "astray", "slowest", "faults");
  }
  const auto one = [&](const std::string& name, const auto& run) {
    if (name.find(parsed.only) == std::string::npos) return;
    if (parsed.list) {
      std::printf("%s\n", name.c_str());
      return;
    }
    try {
      const Row row = run();
      print(row);
      sum.instructions += row.instructions;
      sum.images += row.images;
      sum.examined += row.examined;
      sum.owner_died += row.owner_died;
      sum.kills += row.kills;
      sum.astray += row.astray;
      sum.faults += row.faults;
      sum.slowest = std::max(sum.slowest, row.slowest);
    } catch (const std::exception& error) {
      std::printf("FAULT: %s: %s\n", name.c_str(), error.what());
      ++sum.faults;
    }
  };
  for (const Scenario& scenario : scenarios()) {
    one(scenario.name, [&] { return InstructionRun(scenario, parsed.run).run(); });
  }
  for (const Opening& opening : openings(parsed.run.seed)) {
    one(opening.name, [&] { return OpeningRun(opening, parsed.run).run(); });
  }
  for (const Overtaking& overtaking : overtakings()) {
    one(overtaking.name, [&] { return ReadingRun(overtaking, parsed.run).run(); });
  }
  one("waiting for a lock", [&] { return waiter_dies(parsed.run); });
  one("read under the lock", [&] { return locked_reader_dies(parsed.run); });
  one("giving a lock to who waits", [&] { return owner_dies_before_waiter(parsed.run); });
  one("slot words do not return", [] { return slot_words_do_not_return(); });
  if (parsed.list) return 0;
  print(sum);
  return sum.faults == 0 && sum.kills + sum.examined > 0 ? 0 : 1;
}
