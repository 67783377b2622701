// cache_bench - Forklore beside what else a worker could call: the same workloads, in turns, in one run.
#include <sys/utsname.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "attach.hpp"
#include "line.hpp"
#include "rival.hpp"
#include "workers.hpp"
#include "workload.hpp"

namespace {

using namespace bench;
using nlohmann::json;

struct Options {
  std::vector<std::string> workloads;
  std::vector<std::string> rivals;
  std::vector<std::size_t> values{100};
  std::vector<unsigned> processes{1};
  std::vector<unsigned> threads{1};
  std::size_t keys = 1'000'000;
  std::uint64_t most_bytes = 512 << 20;
  unsigned rounds = 5;
  unsigned millis = 60;
  std::string memcached, redis;
  std::string out;
  bool list = false;
  bool attach = false;
  bool line = false;
};

constexpr unsigned kBouts = 9;  // of handing a line over, in a round

/// A directory in shared memory, and what the stores have put beside it, gone in the end.
class Place {
 public:
  Place() : directory_("/dev/shm/cache-bench-" + std::to_string(::getpid())) {
    std::filesystem::create_directory(directory_);
  }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  ~Place() {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }
  [[nodiscard]] const std::filesystem::path& directory() const { return directory_; }

 private:
  std::filesystem::path directory_;
};

std::vector<Entrant> entrants_of(const Options& options) {
  std::vector<Entrant> all{forklore_entrant(), map_entrant(), boost_map_entrant(), boost_unordered_map_entrant()};
#ifdef HAVE_LMDB
  all.push_back(lmdb_entrant());
#endif
#ifdef HAVE_MEMCACHED
  if (!options.memcached.empty() || options.list) all.push_back(memcached_entrant());
#endif
#ifdef HAVE_REDIS
  if (!options.redis.empty() || options.list) all.push_back(redis_entrant());
#endif
  if (!options.rivals.empty()) {
    for (const std::string& name : options.rivals) {
      if (std::none_of(all.begin(), all.end(), [&](const Entrant& one) { return one.name == name; })) {
        throw CLI::ValidationError("--rival", name + " is not here; --list names them, and servers need their socket");
      }
    }
    const std::string_view ours = all.front().name;
    std::erase_if(all, [&](const Entrant& one) {
      return one.name != ours &&
             std::find(options.rivals.begin(), options.rivals.end(), one.name) == options.rivals.end();
    });
  }
  return all;
}

std::vector<Crew> crews_of(const Options& options) {
  std::vector<Crew> crews;
  for (const unsigned processes : options.processes) {
    for (const unsigned threads : options.threads) crews.push_back({processes, threads});
  }
  return crews;
}

Crew largest(const std::vector<Crew>& crews) {
  Crew most;
  for (const Crew& crew : crews) {
    most = {std::max(most.processes, crew.processes), std::max(most.threads, crew.threads)};
  }
  return most;
}

json machine() {
  utsname system{};
  ::uname(&system);
  std::string cpu = "unknown";
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.starts_with("model name")) {
      cpu = line.substr(line.find(':') + 2);
      break;
    }
  }
  char date[32];
  const std::time_t now = std::time(nullptr);
  std::strftime(date, sizeof date, "%Y-%m-%d %H:%M", std::gmtime(&now));
  return {{"cpu", cpu},
          {"cores", std::thread::hardware_concurrency()},
          {"kernel", system.release},
          {"compiler", "g++ or clang " __VERSION__},
          {"date", std::string(date) + " UTC"}};
}

void progress(const std::string& what) {
  if (::isatty(2) != 0) std::fprintf(stderr, "\r%-100.100s\r", what.c_str());
}

/// How many calls a worker makes in a round, so that it takes about as long as asked for.
std::size_t calibrate(Workers& workers, const Workload& workload, std::size_t entrant, Crew crew,
                      const Entries& entries, const Options& options) {
  const double wanted = options.millis * 1e6;
  const std::size_t most = uses_up_keys(workload) ? new_keys(entries) : std::size_t{1} << 40;
  workers.run(workload, entrant, 1, crew);  // makes the keys
  for (std::size_t calls = 1;;) {
    double took = workers.run(workload, entrant, calls, crew);
    // Twice, as the one may have waited for a core.
    if (took >= wanted / 4) took = std::min(took, workers.run(workload, entrant, calls, crew));
    const auto enough = static_cast<std::size_t>(static_cast<double>(calls) * wanted / std::max(took, 1.0)) + 1;
    if (took >= wanted / 4 || calls == most) return std::min(enough, most);
    calls = std::min({calls * 4, enough, most});
  }
}

/// Empty stores, which are taken away again.
class Prepared {
 public:
  Prepared(const Site& site, const std::vector<Entrant>& entrants) : site_(site), entrants_(entrants) {
    try {
      for (const Entrant& one : entrants) one.prepare(site);
    } catch (...) {
      remove();
      throw;
    }
  }
  Prepared(const Prepared&) = delete;
  Prepared& operator=(const Prepared&) = delete;
  ~Prepared() { remove(); }

 private:
  void remove() const noexcept {
    for (const Entrant& one : entrants_) {
      try {
        one.remove(site_);
      } catch (const std::exception& error) {
        std::fprintf(stderr, "%s: %s\n", one.name.data(), error.what());
      }
    }
  }

  const Site& site_;
  const std::vector<Entrant>& entrants_;
};

/// One workload on one store, by one crew.
struct Row {
  const Workload* workload;
  Crew crew;
  std::size_t entrant;
  std::size_t calls;
  std::vector<double> nanoseconds;
};

/// What is measured in turns: the workloads that leave all entries as they are together, each other one by itself, as
/// it would change what lies where for those beside it.
std::vector<std::vector<const Workload*>> turns_of(const std::vector<const Workload*>& workloads) {
  std::vector<std::vector<const Workload*>> turns;
  for (const Workload* workload : workloads) {
    if (turns.empty() || !reads_only(*workload) || !reads_only(*turns.back().back())) turns.emplace_back();
    turns.back().push_back(workload);
  }
  return turns;
}

/// Every workload over one set of entries.
void run_stage(const Options& options, const Entries& entries, const std::vector<const Workload*>& workloads,
               const std::vector<Entrant>& entrants, json& results, json& line) {
  const std::vector<Crew> crews = crews_of(options);
  const Crew most = largest(crews);
  const Place place;
  const std::size_t entry = entries.value_bytes + 24 + 64;
  const std::size_t all = entries.keys + kHotKeys + most.workers() * new_keys(entries);
  const Site site{place.directory(), options.memcached, options.redis, 2 * all * entry + (64 << 20)};
  progress("loading " + std::to_string(entries.keys) + " entries of " + std::to_string(entries.value_bytes) + " bytes");
  const Prepared prepared(site, entrants);
  Workers workers(site, entries, entrants, most);
  for (const std::vector<const Workload*>& together : turns_of(workloads)) {
    std::vector<Row> rows;
    std::vector<double> hand_overs;
    for (const Workload* workload : together) {
      for (const Crew& crew : crews) {
        for (std::size_t i = 0; i < entrants.size(); ++i) {
          progress(std::string(workload->name) + ": how many calls a round takes");
          rows.push_back({workload, crew, i, calibrate(workers, *workload, i, crew, entries, options), {}});
        }
      }
    }
    for (unsigned round = 0; round < options.rounds; ++round) {
      if (options.line) {
        const std::vector<double> bouts = line_nanoseconds(kBouts);
        hand_overs.insert(hand_overs.end(), bouts.begin(), bouts.end());
      }
      for (std::size_t i = 0; i < rows.size(); ++i) {
        Row& row = rows[(i + round) % rows.size()];
        progress(std::string(row.workload->name) + ", " + std::to_string(entries.value_bytes) + " bytes: round " +
                 std::to_string(round + 1) + " of " + std::to_string(options.rounds) + ", " +
                 std::string(entrants[row.entrant].name));
        const double took = workers.run(*row.workload, row.entrant, row.calls, row.crew);
        const auto operations = static_cast<double>(row.calls * row.workload->batch * row.crew.workers());
        row.nanoseconds.push_back(took / operations);
      }
    }
    for (const Row& row : rows) {
      results.push_back({{"workload", row.workload->name},
                         {"value_bytes", entries.value_bytes},
                         {"keys", row.workload->keys == 0 ? entries.keys : row.workload->keys},
                         {"processes", row.crew.processes},
                         {"threads", row.crew.threads},
                         {"rival", entrants[row.entrant].name},
                         {"calls", row.calls},
                         {"nanoseconds", row.nanoseconds}});
    }
    if (!options.line) continue;
    for (const Workload* workload : together) {
      line.push_back({{"workload", workload->name}, {"value_bytes", entries.value_bytes}, {"nanoseconds", hand_overs}});
    }
  }
}

json run_all(const Options& options) {
  const std::vector<Entrant> entrants = entrants_of(options);
  std::vector<const Workload*> wanted;
  for (const Workload& workload : kWorkloads) {
    const auto& names = options.workloads;
    if (names.empty() || std::find(names.begin(), names.end(), workload.name) != names.end()) {
      wanted.push_back(&workload);
    }
  }
  json results = json::array();
  json line = json::array();
  for (const std::size_t value_bytes : options.values) {
    const std::size_t keys = std::min<std::size_t>(options.keys, options.most_bytes / (value_bytes + 24));
    for (const std::size_t size : {kHotKeys, keys}) {
      std::vector<const Workload*> stage;
      for (const Workload* workload : wanted) {
        if ((workload->keys == 0) == (size == keys)) stage.push_back(workload);
      }
      if (!stage.empty()) run_stage(options, {size, value_bytes}, stage, entrants, results, line);
      if (keys == kHotKeys) break;
    }
  }
  json rivals;
  for (const Entrant& one : entrants) rivals[std::string(one.name)] = one.version;
  json all = {{"machine", machine()}, {"rounds", options.rounds}, {"rivals", rivals}, {"results", results}};
  if (options.line) all["line"] = line;
  if (options.attach) {
    const Place place;
    constexpr std::size_t kBytes = std::size_t{1} << 30;
    progress("attaching to 1 GiB");
    all["attach"] = {{"bytes", kBytes},
                     {"milliseconds", attach_milliseconds(place.directory().filename().string(), kBytes,
                                                          std::max(options.rounds, 9u))}};
  }
  progress("");
  return all;
}

void list(const Options& options) {
  std::printf("workloads:\n");
  for (const Workload& workload : kWorkloads) std::printf("  %-18s %s\n", workload.name.data(), workload.what.data());
  std::printf("rivals:\n");
  for (const Entrant& one : entrants_of(options)) std::printf("  %-18s %s\n", one.name.data(), one.version.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app(
      "Forklore beside what else a worker could call: the same workloads, in turns, in one run. Writes JSON; "
      "report.py makes the table and the plot of it, and run.sh does it all.");
  std::vector<std::string> names;
  for (const Workload& workload : kWorkloads) names.emplace_back(workload.name);
  const auto at_least = [](int least) { return CLI::Range(least, 1 << 30); };
  app.add_flag("--list", options.list, "name the workloads and the rivals that are here");
  app.add_option("--workload", options.workloads, "run these alone (comma between them)")
      ->delimiter(',')
      ->check(CLI::IsMember(names));
  app.add_option("--rival", options.rivals, "measure Forklore beside these alone (comma between them)")->delimiter(',');
  app.add_option("--value", options.values, "sizes of values, in bytes")
      ->delimiter(',')
      ->check(at_least(0))
      ->capture_default_str();
  app.add_option("--processes", options.processes, "how many, each of them in turn")
      ->delimiter(',')
      ->check(at_least(1))
      ->capture_default_str();
  app.add_option("--threads", options.threads, "of each process, likewise")
      ->delimiter(',')
      ->check(at_least(1))
      ->capture_default_str();
  app.add_option("--keys", options.keys, "how many the workloads on a million have")
      ->check(at_least(1000))
      ->capture_default_str();
  app.add_option("--most-bytes", options.most_bytes, "of all keys and values; fewer keys where it would be more")
      ->capture_default_str();
  app.add_option("--rounds", options.rounds, "of each")->check(at_least(1))->capture_default_str();
  app.add_option("--millis", options.millis, "that a round takes")->check(at_least(1))->capture_default_str();
  app.add_option("--memcached", options.memcached, "socket of a memcached, which is emptied");
  app.add_option("--redis", options.redis, "socket of a Redis, which is emptied");
  app.add_option("--out", options.out, "file for the JSON; - is the terminal")->default_val("-");
  app.add_flag("--attach", options.attach, "also how long it takes to attach to an existing 1 GiB");
  app.add_flag("--line", options.line,
               "also, in each round, what it costs to hand one cache line from one process to another on another core");
  try {
    app.parse(argc, argv);
    if (options.list) {
      list(options);
      return 0;
    }
    end_in_order();
    const std::string text = run_all(options).dump(1);
    if (options.out == "-") {
      std::puts(text.c_str());
    } else {
      std::ofstream(options.out) << text << '\n';
    }
  } catch (const CLI::Error& error) {
    return app.exit(error);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "\ncache_bench: %s\n", error.what());
    return 1;
  }
  return 0;
}
