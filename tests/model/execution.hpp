// execution.hpp - One candidate execution of a program: a way for each thread, from which write each read got its value
// (rf), and in which order the writes to each word took place (co). A memory model says whether it can happen.
#pragma once

#include <cstdint>
#include <vector>

#include "model/event.hpp"
#include "model/relation.hpp"

namespace forklore::model {

struct Execution {
  struct One {
    const Event* event;
    unsigned thread;
    unsigned place;  ///< in its thread, from 1
  };

  explicit Execution(const std::vector<const Way*>& ways);

  /// After rf and co are set: fr, from each read to the writes that came after the one it read from.
  void derive();

  std::vector<One> events;
  Events reads = 0, writes = 0, fences = 0;
  Relation po;                      ///< program order
  Relation address, data, control;  ///< dependencies
  Relation rmw;                     ///< from the read of a read-modify-write to its write
  Relation same_word, same_thread;
  Relation rf, co, fr;

  /// The events of a kind whose order has a property, as in having(writes, releases).
  [[nodiscard]] Events having(Events kind, bool (*property)(Order)) const {
    Events found = 0;
    for_each(kind, [&](unsigned i) { found |= property(events[i].event->order) ? only(i) : 0; });
    return found;
  }
  [[nodiscard]] Events exclusive() const {
    Events found = 0;
    for (unsigned i = 0; i < events.size(); ++i) found |= events[i].event->exclusive ? only(i) : 0;
    return found;
  }
};

}  // namespace forklore::model
