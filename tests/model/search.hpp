// search.hpp - Looks through all executions of a program for one that must never come about.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/memory_model.hpp"
#include "model/program.hpp"

namespace forklore::model {

struct Counterexample {
  std::string story;  ///< of some lines: who did what, in the order in which it took effect
};

/// The first execution that memory lets happen and that the program says must not.
std::optional<Counterexample> find_bad(const Program& program, Memory memory);

}  // namespace forklore::model
