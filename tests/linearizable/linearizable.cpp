// Processes call get, set, add, replace, increment, compare_and_set and erase on a few keys, are killed and replaced;
// what each call answered, and when, must be explained by some order of the calls.
#include <getopt.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <random>
#include <string>

#include "linearizable/round.hpp"

using namespace forklore;
using namespace forklore::linearizable;

namespace {

constexpr char kHelp[] =
    "usage: linearizable [--seconds S] [--seed N] [--calls N] [--kills N] [--scenario NAME] [--store NAME] [--quiet]\n"
    "\n"
    "Rounds of five processes on four keys of a new segment. Fails on a history that no order of the calls explains, "
    "on\n"
    "a torn value, and if too little happened for the run to prove anything.\n"
    "\n"
    "  --seconds S      begin no round after S seconds (default 60)\n"
    "  --seed N         repeat the choices of a run; when processes meet and die differs all the same (default: "
    "random)\n"
    "  --calls N        of each process in a round (default 4000, at most 32768)\n"
    "  --kills N        in a round (default 30)\n"
    "  --scenario NAME  one of room, spilled, rejecting, evicting alone (default: each in turn)\n"
    "  --store NAME     honest (default), or one that is broken on purpose: stale-reads, false-misses, late-writes,\n"
    "                   lost-updates, double-adds, lost-erases, compare-then-set\n"
    "  --quiet          no progress\n";

struct Arguments {
  std::uint64_t seconds = 60, seed = std::random_device{}(), calls = 4000, kills = 30;
  std::string scenario, store = "honest";
  bool progress = true;
};

/// False if they are not understood.
bool parse(int count, char** given, Arguments& arguments) {
  static const option options[] = {
      {"seconds", 1, nullptr, 's'},  {"seed", 1, nullptr, 'r'},  {"calls", 1, nullptr, 'c'}, {"kills", 1, nullptr, 'k'},
      {"scenario", 1, nullptr, 'n'}, {"store", 1, nullptr, 'b'}, {"quiet", 0, nullptr, 'q'}, {nullptr, 0, nullptr, 0}};
  for (int o = 0; (o = ::getopt_long(count, given, "", options, nullptr)) != -1;) {
    const auto number = [&](std::uint64_t& to) {
      char* end = nullptr;
      to = std::strtoull(optarg, &end, 10);
      return end != optarg && *end == '\0';
    };
    bool good = true;
    switch (o) {
      case 's':
        good = number(arguments.seconds);
        break;
      case 'r':
        good = number(arguments.seed);
        break;
      case 'c':
        good = number(arguments.calls) && arguments.calls >= 1 && arguments.calls <= kTape;
        break;
      case 'k':
        good = number(arguments.kills);
        break;
      case 'n':
        arguments.scenario = optarg;
        break;
      case 'b':
        arguments.store = optarg;
        break;
      case 'q':
        arguments.progress = false;
        break;
      default:
        good = false;
    }
    if (!good) return false;
  }
  return optind == count;
}

std::vector<Scenario> wanted(const std::string& name) {
  std::vector<Scenario> found;
  for (const Scenario& scenario : scenarios()) {
    if (name.empty() || name == scenario.name) found.push_back(scenario);
  }
  return found;
}

void print(const char* name, const Tally& tally) {
  const auto n = [](std::uint64_t x) { return static_cast<unsigned long long>(x); };
  std::printf("%-10s %7llu %10llu %10llu %7llu %8llu %8llu %8llu %9llu %8llu %8llu %7zu\n", name, n(tally.rounds),
              n(tally.calls), n(tally.overlapping), n(tally.kills), n(tally.in_a_write), n(tally.owner_deaths),
              n(tally.moves), n(tally.evictions), n(tally.refused), n(tally.rereads), tally.faults.size());
  std::fflush(stdout);
}

/// Whether so much happened that silence means something.
bool proves_something(const Scenario& scenario, const Tally& tally) {
  if (tally.rounds == 0) return true;
  const bool met = tally.overlapping > tally.calls / 200 && tally.in_a_write > 0;
  const bool moved = scenario.others == 0 || tally.moves > 0;
  return met && moved && (!scenario.evicts || tally.evictions > 0);
}

int run(const Arguments& arguments) {
  const std::vector<Scenario> chosen = wanted(arguments.scenario);
  std::mt19937_64 seeds(arguments.seed);
  std::printf("linearizable: seed %llu, store %s, %u processes, %u keys\n",
              static_cast<unsigned long long>(arguments.seed), arguments.store.c_str(), kProcesses, kKeys);
  std::printf("%-10s %7s %10s %10s %7s %8s %8s %8s %9s %8s %8s %7s\n", "scenario", "rounds", "calls", "overlap",
              "kills", "in write", "in lock", "moves", "evictions", "full", "rereads", "faults");
  const auto begun = std::chrono::steady_clock::now();
  auto told = begun;
  std::vector<Tally> tallies(chosen.size());
  Tally all;
  for (std::size_t round = 0; all.faults.size() < 10; ++round) {
    const auto now = std::chrono::steady_clock::now();
    if (round >= chosen.size() && now - begun >= std::chrono::seconds(arguments.seconds)) break;
    const std::size_t which = round % chosen.size();
    const Tally tally = run_round({.scenario = chosen[which],
                                   .store = arguments.store,
                                   .calls = static_cast<std::uint32_t>(arguments.calls),
                                   .kills = static_cast<std::uint32_t>(arguments.kills),
                                   .seed = seeds()});
    for (const std::string& fault : tally.faults) std::printf("FAULT: %s\n", fault.c_str());
    tallies[which].add(tally);
    all.add(tally);
    if (arguments.progress && now - told > std::chrono::seconds(5)) {
      told = now;
      print("so far", all);
    }
  }
  bool enough = true;
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    print(chosen[i].name.c_str(), tallies[i]);
    if (proves_something(chosen[i], tallies[i])) continue;
    enough = false;
    std::printf("%s: too few calls met, died, or moved entries: this proves nothing\n", chosen[i].name.c_str());
  }
  print("all", all);
  return all.faults.empty() && enough ? 0 : 1;
}

}  // namespace

int main(int count, char** given) {
  Arguments arguments;
  const bool asked = count == 2 && std::string(given[1]) == "--help";
  if (asked || !parse(count, given, arguments) || wanted(arguments.scenario).empty() ||
      std::find(store_names().begin(), store_names().end(), arguments.store) == store_names().end()) {
    std::fputs(kHelp, asked ? stdout : stderr);
    return asked ? 0 : 2;
  }
  try {
    return run(arguments);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "linearizable: %s\n", error.what());
    return 2;
  }
}
