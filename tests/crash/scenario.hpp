// scenario.hpp - The calls whose every instruction is tried, each on a segment made so that the call does what its name
// says: a state is looked for at random until it does.
#pragma once

#include <forklore/forklore.hpp>
#include <functional>
#include <string>
#include <vector>

#include "crash/segment_file.hpp"

namespace forklore::crash {

/// A segment and a call on it.
struct Prepared {
  Image image;  ///< with its lock free, unless a dead owner is part of the scenario
  store::Geometry geometry;
  std::function<void(Cache&)> call;
};

struct Scenario {
  std::string name;
  std::function<Prepared(std::uint64_t seed)> prepare;  ///< throws std::runtime_error if no such state is found
};

/// All of them that begin and end with an attached cache.
std::vector<Scenario> scenarios();

}  // namespace forklore::crash
