// storm_supervisor.hpp - The supervisor of a kill storm: forks workers, kills, stops, continues and replaces them at
// random, and judges what is left after each death.
//
// Most kills are aimed: the supervisor watches a stripe's lock word and kills its owner, or the workers' phases and
// kills one that moves an entry. It may have gone on by the time the signal arrives, so what was hit is
// counted from what is found after the death:
//   owner deaths   Stats::recoveries of all segments: locks that the next locker found with FUTEX_OWNER_DIED
//   phases         the function of the writing half that the dead worker's probe shows, relocate being the one that
//                  copies a chunk's live entries
#pragma once

#include <sys/types.h>

#include <array>
#include <atomic>
#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "base/mapping.hpp"
#include "crash/board.hpp"
#include "crash/storm_worker.hpp"

namespace forklore::crash {

struct StormOptions {
  std::uint64_t kills = 10'000;
  std::uint64_t seconds = 0;  ///< stop after as many, 0: only after the kills
  std::uint64_t seed = 0;
  bool progress = true;
};

class Supervisor {
 public:
  Supervisor(const StormOptions& options, const std::string& program, const std::string& base_name);
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  /// The whole storm, its judgement and its report. 0: all held.
  int run();
  /// What a worker that was executed anew does (--worker NUMBER BASE-NAME BOARD ACKS SEED).
  static int be_worker(char** arguments);

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds kHang{15};  // a worker that makes no call for so long
  struct Worker {
    ::pid_t pid = -1;
    bool stopped = false;
    std::uint64_t calls = 0;  // when it was last seen to move
    Clock::time_point moved;
    std::uint64_t acknowledged = 0;  // the number of its last acknowledged intent
  };
  /// A lock word of a segment, in a mapping of the supervisor's own.
  struct Target {
    const std::atomic<std::uint32_t>* word;
    std::uint32_t weight;
  };

  void map_locks(const Cache& cache, std::uint32_t weight);
  void start(std::uint32_t number);
  void strike();
  void kill_owner();
  void kill_in(Phase wanted);
  void kill(std::uint32_t number);
  void stop_or_continue();
  void continue_all();
  void note_phase(const WorkerLine& line);
  [[nodiscard]] static bool is_in(const WorkerLine& line, Phase wanted);
  void resolve(std::uint32_t number);
  void drain();
  void watch();
  void verify();
  void judge();
  void report();
  void fault(const std::string& what);
  [[nodiscard]] std::uint64_t owner_deaths() const;

  StormOptions options_;
  std::string program_, base_name_;
  Names names_;
  Segments segments_;
  Random random_;
  int board_descriptor_ = -1;
  int acks_[2] = {-1, -1};
  Board* board_ = nullptr;
  std::vector<base::Mapping> mappings_;
  std::vector<Target> targets_;
  std::array<Worker, kWorkers> workers_;
  std::array<std::array<EntryState, kEntries>, kWorkers> acknowledged_{};
  std::array<std::int64_t, kCounters> counted_{};
  std::array<std::int64_t, kCounters> in_flight_{};
  std::map<Phase, std::uint64_t> innermost_;
  std::uint64_t kills_ = 0, stops_ = 0, executed_ = 0, verified_ = 0, relocating_ = 0, recovering_ = 0, inside_ = 0;
  bool hung_ = false;
  Clock::time_point begun_ = Clock::now();
};

}  // namespace forklore::crash
