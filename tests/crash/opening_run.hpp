// opening_run.hpp - A process that dies while it opens a segment, at every moment at which others could tell.
//
// What others see changes at system calls and at stores to the segment while it is mapped. So the opener is killed
// where each system call begins and ends, and, wherever it has the segment mapped, after each instruction that changed
// a byte of it.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "crash/checker.hpp"
#include "crash/instruction_run.hpp"

namespace forklore::crash {

struct Opening {
  std::string name;
  std::function<void(const std::string& name)> lay_out;  ///< makes what the opener finds
  std::function<void(const std::string& name)> open;
  Examine examine;  ///< what the next to come must find
};

/// New, over an empty file, attaching, adopting a copy, and putting another capacity in its place.
std::vector<Opening> openings(std::uint64_t seed);

class OpeningRun {
 public:
  OpeningRun(const Opening& opening, const RunOptions& options)
      : opening_(opening), options_(options), random_(options.seed) {
    row_.name = opening.name;
  }
  Row run();

 private:
  /// A way to a moment: system call stops, then steps, in turn.
  using Way = std::vector<std::pair<unsigned, unsigned>>;
  void record();
  /// False if the opener was done before.
  static bool go(Stepper& child, const Way& way);
  [[nodiscard]] bool maps_segment(const Stepper& child) const;
  void clean();

  Opening opening_;
  RunOptions options_;
  Random random_;
  tests::UniqueName name_;
  std::vector<Way> moments_;
  Row row_;
};

}  // namespace forklore::crash
