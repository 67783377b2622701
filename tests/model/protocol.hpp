// protocol.hpp - An order of stores and loads that src/ relies on, as it stands there, in scenes of a few threads. Each
// order in it that matters between threads has a name, and can be taken away to see what breaks. The name begins with
// the function of src/ where it stands: orders_test.py holds the two together.
#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "model/memory_model.hpp"
#include "model/program.hpp"

namespace forklore::model {

/// The orders and steps of a protocol by name, but for those that are taken away.
class Orders {
 public:
  Orders() = default;
  explicit Orders(std::vector<std::string> without) : without_(std::move(without)) {}

  /// An order that the code has at a place.
  Order at(const std::string& place, Order order) { return keeps(place) ? order : Order::relaxed; }
  /// The same; taken away, it is a weaker one.
  Order at(const std::string& place, Order order, Order weaker) { return keeps(place) ? order : weaker; }
  /// Something that the code does at a place.
  bool keeps(const std::string& place) {
    if (std::find(names_.begin(), names_.end(), place) == names_.end()) names_.push_back(place);
    return std::find(without_.begin(), without_.end(), place) == without_.end();
  }
  /// All that was asked for so far.
  [[nodiscard]] const std::vector<std::string>& names() const noexcept { return names_; }

 private:
  std::vector<std::string> without_, names_;
};

struct Scene {
  std::string fault;  ///< what it is called if the program does what it never must
  Program program;
};

struct Protocol {
  std::string name;
  std::string promise;
  std::vector<Memory> holds_on;  ///< where the code relies on it
  std::function<std::vector<Scene>(Orders&)> scenes;
};

std::vector<Protocol> entry_protocols();  ///< protocols_entry.cpp
std::vector<Protocol> index_protocols();  ///< protocols_index.cpp
std::vector<Protocol> lock_protocols();   ///< protocols_lock.cpp
std::vector<Protocol> lease_protocols();  ///< protocols_lease.cpp
std::vector<Protocol> call_protocols();   ///< protocols_call.cpp

}  // namespace forklore::model
