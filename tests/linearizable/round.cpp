#include "linearizable/round.hpp"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <stdexcept>

#include "child.hpp"
#include "linearizable/checker.hpp"
#include "unique_name.hpp"

namespace forklore::linearizable {
namespace {

class Boards {
 public:
  Boards()
      : board_(static_cast<Board*>(::mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE,
                                          MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0))) {
    if (board_ == MAP_FAILED) throw std::runtime_error("no memory for the tapes");
  }
  Boards(const Boards&) = delete;
  Boards& operator=(const Boards&) = delete;
  ~Boards() { ::munmap(board_, sizeof(Board)); }
  Board& operator*() const { return *board_; }

 private:
  Board* board_;
};

class Round {
 public:
  explicit Round(const RoundOptions& options)
      : options_(options),
        random_(options.seed),
        cache_(Cache::open({.name = name_,
                            .capacity_bytes = options.scenario.capacity,
                            .when_full = options.scenario.when_full,
                            .stripes = 1,
                            .lock_timeout = std::chrono::seconds(30)})),
        board_(*boards_) {}

  Tally run() {
    for (unsigned i = 0; i < kProcesses; ++i) children_.push_back(start(i));
    while (!all_done()) strike();
    for (unsigned i = 0; i < kProcesses; ++i) {
      if (children_[i].join() != 0) fault("process " + std::to_string(i) + " did not end as it should");
    }
    judge();
    return std::move(tally_);
  }

 private:
  tests::Child start(unsigned number) {
    return tests::Child([this, number, seed = random_()] {
      const auto store = make_store(options_.store, cache_);
      Worker(board_, number, *store, cache_, options_.scenario, seed).run(options_.calls);
      return 0;
    });
  }
  [[nodiscard]] bool done(unsigned number) const { return board_.tapes[number].count.load() == options_.calls; }
  [[nodiscard]] bool all_done() const {
    for (unsigned i = 0; i < kProcesses; ++i) {
      if (!done(i)) return false;
    }
    return true;
  }

  /// Kills a process, most often inside a call that changes something, and starts another in its place.
  void strike() {
    const auto number = static_cast<unsigned>(random_() % kProcesses);
    if (done(number) || tally_.kills >= options_.kills) return static_cast<void>(::usleep(200));
    Tape& tape = board_.tapes[number];
    if (random_() % 4 == 0) {
      ::usleep(static_cast<::useconds_t>(random_() % 2000));
    } else {
      for (int look = 0; look < 20'000 && !in_a_write(tape); ++look) {
      }
      for (std::uint64_t left = random_() % 1000; left > 0; --left) board_.clock.load(std::memory_order_relaxed);
    }
    children_[number].signal(SIGKILL);
    children_[number].wait_for_end();
    const std::uint64_t death = board_.now();
    if (const std::uint32_t count = tape.count.load(); count > 0) {
      Line& line = tape.lines[count - 1];
      if (line.begin.load() != 0 && line.end.load() == 0) {
        tally_.in_a_write += line.operation.call != Call::get;
        line.operation.answered = false;
        line.end.store(death);
      }
    }
    ++tally_.kills;
    children_[number] = start(number);  // to end at once if all its calls are made
  }

  void judge() {
    const Stats stats = cache_.stats();
    tally_.rounds = 1;
    tally_.owner_deaths = stats.recoveries;
    tally_.moves = stats.moves;
    tally_.evictions = stats.evictions;
    tally_.rereads = stats.rereads;
    for (const std::string& what : cache_.verify()) fault(what);
    if (stats.resets != 0) fault("a stripe was reset");
    if (stats.evictions != 0 && !options_.scenario.evicts) fault("entries were evicted from a segment with room");
    for (const Tape& tape : board_.tapes) {
      if (tape.faults.load() != 0) fault(std::to_string(tape.faults.load()) + " torn values or busy answers");
    }
    const Rules rules{
        .may_vanish = stats.evictions != 0, .may_refuse = options_.scenario.refuses, .may_fail_cas = stats.moves != 0};
    for (unsigned key = 0; key < kKeys; ++key) {
      const std::vector<Operation> history = history_of(key);
      count(history);
      if (const auto violation = find_violation(history, rules)) {
        fault(key_name(key) + ": " + violation->to_string(history));
      }
    }
  }

  [[nodiscard]] std::vector<Operation> history_of(unsigned key) const {
    std::vector<Operation> history;
    for (const Tape& tape : board_.tapes) {
      const std::uint32_t count = tape.count.load();
      for (std::uint32_t i = 0; i < count; ++i) {
        Operation o = tape.lines[i].operation;
        o.begin = tape.lines[i].begin.load();
        o.end = tape.lines[i].end.load();
        if (o.key == key && o.begin != 0) history.push_back(o);
      }
    }
    std::sort(history.begin(), history.end(), [](auto& a, auto& b) { return a.begin < b.begin; });
    return history;
  }

  void count(const std::vector<Operation>& history) {
    std::uint64_t latest_end = 0;
    for (const Operation& o : history) {
      tally_.overlapping += o.begin < latest_end;
      tally_.refused += o.answered && o.code == Code::full;
      latest_end = std::max(latest_end, o.end);
    }
    tally_.calls += history.size();
  }

  void fault(const std::string& what) {
    tally_.faults.push_back(options_.scenario.name + ", store " + options_.store + ", seed " +
                            std::to_string(options_.seed) + ": " + what);
  }

  RoundOptions options_;
  std::mt19937_64 random_;
  tests::UniqueName name_;
  Cache cache_;
  Boards boards_;
  Board& board_;
  std::vector<tests::Child> children_;
  Tally tally_;
};

}  // namespace

void Tally::add(const Tally& other) {
  rounds += other.rounds;
  calls += other.calls;
  overlapping += other.overlapping;
  kills += other.kills;
  in_a_write += other.in_a_write;
  owner_deaths += other.owner_deaths;
  moves += other.moves;
  evictions += other.evictions;
  refused += other.refused;
  rereads += other.rereads;
  faults.insert(faults.end(), other.faults.begin(), other.faults.end());
}

const std::vector<Scenario>& scenarios() {
  static const std::vector<Scenario> all{
      {.name = "room", .capacity = 64 << 20, .when_full = WhenFull::evict, .most = 400},
      {.name = "spilled", .capacity = 16 << 20, .when_full = WhenFull::evict, .most = 200'000},
      {.name = "rejecting",
       .capacity = 256 << 10,
       .when_full = WhenFull::reject,
       .most = 3000,
       .others = 1300,
       .refuses = true},
      {.name = "evicting",
       .capacity = 128 << 10,
       .when_full = WhenFull::evict,
       .most = 8000,
       .others = 500,
       .evicts = true},
  };
  return all;
}

Tally run_round(const RoundOptions& options) { return Round(options).run(); }

}  // namespace forklore::linearizable
