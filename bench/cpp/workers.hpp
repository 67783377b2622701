// workers.hpp - Processes, each with threads, that work on a round together.
//
// All are there from the first round to the last and sleep while a round needs fewer, so that one process and two can
// take turns. Each of them has opened every store under test.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <vector>

#include "rival.hpp"
#include "workload.hpp"

namespace bench {

struct Crew {
  unsigned processes = 1;
  unsigned threads = 1;  // of each
  [[nodiscard]] unsigned workers() const { return processes * threads; }
};

/// Gives the calling thread the core of its number, if there are as many cores as workers, and any core otherwise.
void take_core(unsigned worker, unsigned workers);

/// From now on Workers throws when this process is told to end (SIGINT, SIGTERM, SIGHUP), so that nothing is left in
/// shared memory.
void end_in_order();

class Workers {
 public:
  /// Forks them and has the entries loaded. The stores have been prepared. Throws what a worker says went wrong.
  Workers(const Site& site, const Entries& entries, const std::vector<Entrant>& entrants, Crew most);
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  /// Nanoseconds from when the first begins to when the last has ended; each makes so many calls.
  double run(const Workload& workload, std::size_t entrant, std::size_t calls, Crew crew);

 private:
  struct Board;

  void start(Crew crew);
  void finish(unsigned workers);
  [[noreturn]] void give_up(const char* why);

  Board* board_;
  Crew most_;
  std::vector<::pid_t> processes_;
};

}  // namespace bench
