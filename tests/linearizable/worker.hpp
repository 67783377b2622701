// worker.hpp - A process of a run: random calls on a few keys, each recorded on its tape.
#pragma once

#include <array>
#include <random>
#include <string>

#include "linearizable/board.hpp"
#include "linearizable/store.hpp"

namespace forklore::linearizable {

/// How a segment is made and used.
struct Scenario {
  std::string name;
  std::size_t capacity;
  WhenFull when_full;
  std::size_t most;      ///< bytes of a value
  unsigned others = 0;   ///< entries beside the recorded keys that are stored and erased all the time
  bool evicts = false;   ///< entries may be evicted
  bool refuses = false;  ///< calls may be answered full
};

class Worker {
 public:
  /// The tape's calls up to a number; whatever stands on it already was done by those who died before.
  Worker(Board& board, unsigned number, Store& store, Cache& cache, const Scenario& scenario, std::uint64_t seed)
      : board_(board),
        tape_(board.tapes[number]),
        number_(number),
        store_(store),
        cache_(cache),
        scenario_(scenario),
        random_(seed) {}
  void run(std::uint32_t calls);

 private:
  void churn();
  [[nodiscard]] Operation choose();
  void perform(Operation& operation);
  [[nodiscard]] State state_of(std::string_view key, std::string_view value, const Found& found);
  std::size_t any_size();
  unsigned below(std::size_t n) { return static_cast<unsigned>(random_() % n); }

  Board& board_;
  Tape& tape_;
  unsigned number_;
  Store& store_;
  Cache& cache_;
  const Scenario& scenario_;
  std::mt19937_64 random_;
  std::string value_, out_;
  /// What was read of a key last, for compare_and_set.
  struct Read {
    Version version;
    State state;
  };
  std::array<Read, kKeys> read_{};
  unsigned last_read_ = 0;  // key
};

std::string key_name(unsigned key);

}  // namespace forklore::linearizable
