// scenario.hpp - The calls whose every instruction is tried, each on a segment made so that the call does what its name
// says: a state is looked for at random until it does.
#pragma once

#include <forklore/forklore.hpp>
#include <functional>
#include <string>
#include <vector>

#include "crash/contents.hpp"
#include "crash/segment_file.hpp"

namespace forklore::crash {

/// What else must hold of a segment that a death has left, whose contents are now these. What does not, or nothing.
using Also =
    std::function<std::string(Cache& cache, const Contents& now, const Contents& before, const Contents& after)>;

/// A segment and a call on it.
struct Prepared {
  Image image;  ///< with its lock free, unless a dead owner is part of the scenario
  store::Geometry geometry;
  std::function<void(Cache&)> call;
  Also also = {};
};

struct Scenario {
  std::string name;
  std::function<Prepared(std::uint64_t seed)> prepare;  ///< throws std::runtime_error if no such state is found
};

/// All of them that begin and end with an attached cache.
std::vector<Scenario> scenarios();
/// Of these, the calls that take, keep, use, void and give back leases.
std::vector<Scenario> lease_scenarios();
/// And overwrites in a rejecting segment that is full.
std::vector<Scenario> full_scenarios();

}  // namespace forklore::crash
