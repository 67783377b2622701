// Workers that die at random moments share three segments; nobody may hang, nothing may be torn, nothing committed
// lost.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <random>
#include <string_view>

#include "crash/storm_supervisor.hpp"
#include "unique_name.hpp"

using namespace forklore::crash;

namespace {

constexpr char kHelp[] =
    "usage: kill_storm [--kills N] [--seconds S] [--seed N] [--quiet]\n"
    "\n"
    "Eight workers call a small, always full segment and two roomy ones at random; a supervisor kills, stops, "
    "continues\n"
    "and forks them again. Fails on a hang, a torn value, a lost committed entry, a counter that is not what was\n"
    "acknowledged plus at most the calls in flight, a fault found by verify(), or too few deaths of lock owners.\n"
    "\n"
    "  --kills N     how many workers to kill (default 10000)\n"
    "  --seconds S   stop after S seconds at the latest (default: no limit)\n"
    "  --seed N      repeat the choices of a run; the moments of death differ all the same (default: random)\n"
    "  --quiet       no progress\n";

bool parse(int count, char** arguments, StormOptions& options) {
  for (int i = 1; i < count; ++i) {
    const std::string_view option = arguments[i];
    if (option == "--quiet") {
      options.progress = false;
      continue;
    }
    std::uint64_t* number = option == "--kills"     ? &options.kills
                            : option == "--seconds" ? &options.seconds
                            : option == "--seed"    ? &options.seed
                                                    : nullptr;
    char* end = nullptr;
    if (number == nullptr || i + 1 == count) return false;
    *number = std::strtoull(arguments[++i], &end, 10);
    if (end == arguments[i] || *end != '\0') return false;
  }
  return true;
}

}  // namespace

int main(int count, char** arguments) {
  if (count == 7 && std::string_view(arguments[1]) == "--worker") return Supervisor::be_worker(arguments + 2);
  StormOptions options;
  options.seed = std::random_device{}();
  if (!parse(count, arguments, options)) {
    const bool asked = count == 2 && std::string_view(arguments[1]) == "--help";
    std::fputs(kHelp, asked ? stdout : stderr);
    return asked ? 0 : 2;
  }
  try {
    return Supervisor(options, "/proc/self/exe",
                      forklore::tests::mark_of_the_run() + "test-" + std::to_string(::getpid()))
        .run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "kill_storm: %s\n", error.what());
    return 2;
  }
}
