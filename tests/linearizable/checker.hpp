// checker.hpp - Whether a history of one key is linearizable.
//
// Wing and Gong's search for an order of the calls ("Testing and verifying concurrent objects", JPDC 1993) in the
// just-in-time form with memoisation of Gavin Lowe ("Testing for linearizability", Concurrency and Computation 2017):
// the history is walked in time order with the set of all configurations that explain it so far, each the key's state
// and which of the open calls have taken effect. A call takes effect no sooner than another needs it to. There are at
// most as many open calls as processes, so a history of any length takes time in proportion.
//
// Deaths are held to strict linearizability (Aguilera and Frolund, "Strict linearizability and the power of aborting",
// 2003): a call whose process died has taken effect before the death or never.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "linearizable/operation.hpp"

namespace forklore::linearizable {

/// The first call that no order explains.
struct Violation {
  std::size_t operation = 0;    ///< its index
  std::vector<State> possible;  ///< what the key could be before any call that was open at its end took effect
  std::string to_string(const std::vector<Operation>& history) const;
};

/// history: the calls on one key, in any order, at most 64 open at a time; the key is absent at first.
std::optional<Violation> find_violation(const std::vector<Operation>& history, const Rules& rules);

}  // namespace forklore::linearizable
