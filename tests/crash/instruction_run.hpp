// instruction_run.hpp - One scenario tried at every instruction, or at a sample of them.
//
//   1. The call is stepped through once; wherever a step changed a shared byte, what changed is kept.
//   2. Every distinct image that this gives is put into a file as the kernel would leave it (FUTEX_OWNER_DIED in the
//      place of the dead owner, FUTEX_WAITERS kept) and examined by another process.
//   3. Real kills confirm it: the call is begun anew, stepped k times and killed; the kernel's own leavings are
//   examined.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "crash/checked_value.hpp"
#include "crash/checker.hpp"
#include "crash/scenario.hpp"
#include "crash/stepper.hpp"
#include "unique_name.hpp"

namespace forklore::crash {

struct RunOptions {
  std::uint64_t seed = 1;
  std::size_t sample = 0;  ///< at most as many images and as many kills of each scenario; 0: all
  bool progress = true;
};

/// What came of a scenario.
struct Row {
  std::string name;
  std::size_t instructions = 0;
  std::size_t images = 0;      ///< distinct ones
  std::size_t examined = 0;    ///< of these
  std::size_t owner_died = 0;  ///< of these, with the lock held
  std::size_t kills = 0;       ///< real ones
  std::size_t astray = 0;      ///< of these, at another instruction than was recorded
  std::size_t faults = 0;
  std::chrono::milliseconds slowest{0};  ///< examination
};

/// The addresses that a call went through, and the cheapest way to be there again: run to a breakpoint, then step.
class Trace {
 public:
  /// The next instruction's address, as the call stands after as many steps as there were calls before.
  void add(std::uint64_t address);
  /// Brings a child that has yet to begin to where it stood after as many steps. The same in all children of one
  /// process, as far as the call does not look at the time: false if it stands elsewhere than the recorded one did.
  bool go_to(Stepper& child, std::size_t step) const;

 private:
  struct Point {
    std::uint64_t address;
    unsigned visits;   // of this address up to here
    std::size_t cost;  // of coming here
    std::size_t from;  // the point to run to, before steps
  };
  std::vector<Point> points_;
  std::unordered_map<std::uint64_t, unsigned> visits_;
};

/// Prints a fault and counts it in the row.
void report_fault(Row& row, const std::string& where, const std::string& what);

/// At most count of the numbers 0 to all - 1, in order: every n-th from a random start; all if count is 0.
std::vector<std::size_t> choose(std::size_t all, std::size_t count, Random& random);

class InstructionRun {
 public:
  InstructionRun(const Scenario& scenario, const RunOptions& options);
  Row run();

 private:
  /// What one step changed.
  struct Change {
    std::size_t step = 0;
    bool pending = false;    // the child's robust list named a lock after it
    bool structure = false;  // not only bytes of entries
    std::vector<std::pair<std::uint32_t, std::byte>> bytes;
  };

  [[nodiscard]] Contents contents_of(const Image& image) const;
  void record();
  void examine_images(Checker& checker);
  void kill_for_real(Checker& checker);
  [[nodiscard]] std::vector<std::size_t> chosen_changes();
  void progress(const char* what, std::size_t done, std::size_t all) const;

  RunOptions options_;
  Random random_;
  Prepared prepared_;
  tests::UniqueName name_;
  std::function<void()> attach_, call_;  // of every child alike: a trace is of addresses
  std::optional<Cache> cache_;           // in children alone
  Trace trace_;
  std::vector<Change> changes_;
  Image begin_, end_;
  std::uint32_t tid_ = 0;  // of the child that was recorded
  Row row_;
};

}  // namespace forklore::crash
