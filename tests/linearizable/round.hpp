// round.hpp - One run on a new segment: processes that call, are killed and replaced, and the verdict on what they
// recorded.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "linearizable/worker.hpp"

namespace forklore::linearizable {

/// What all processes of one or more rounds have done, and what was wrong.
struct Tally {
  std::uint64_t rounds = 0, calls = 0;
  std::uint64_t overlapping = 0;  ///< calls that began while another on their key was open
  std::uint64_t kills = 0, in_a_write = 0, owner_deaths = 0;
  std::uint64_t moves = 0, evictions = 0, refused = 0, rereads = 0;
  std::vector<std::string> faults;
  void add(const Tally& other);
};

const std::vector<Scenario>& scenarios();

struct RoundOptions {
  Scenario scenario;
  std::string store = "honest";
  std::uint32_t calls = 4000;  ///< of each process, kTape at most
  std::uint32_t kills = 30;
  std::uint64_t seed = 0;
};
/// Throws OpenError.
Tally run_round(const RoundOptions& options);

}  // namespace forklore::linearizable
