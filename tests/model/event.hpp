// event.hpp - What a thread of a model does, one access to shared memory or one fence at a time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace forklore::model {

/// C++'s orders. What a processor makes of each is said in memory_model.cpp.
enum class Order : std::uint8_t { relaxed, acquire, release, acq_rel, seq_cst };
constexpr bool acquires(Order order) noexcept { return order != Order::relaxed && order != Order::release; }
constexpr bool releases(Order order) noexcept { return order != Order::relaxed && order != Order::acquire; }
std::string_view to_string(Order order) noexcept;

using Location = unsigned;  ///< a word of shared memory, by number
using Number = std::uint64_t;

/// A set of accesses of one thread, by their place among its events.
using Sources = std::uint64_t;

struct Event {
  enum class Kind : std::uint8_t { read, write, fence };
  Kind kind = Kind::fence;
  Order order = Order::relaxed;
  bool exclusive = false;  ///< half of a read-modify-write: a write's other half is the event before it
  Location location = 0;
  Number value = 0;
  Sources address = 0;  ///< reads of the same thread from which the location follows
  Sources data = 0;     ///< from which the value follows
  Sources control = 0;  ///< that decided whether it comes to this
};

/// One way in which a thread may go: its events in program order.
using Way = std::vector<Event>;

}  // namespace forklore::model
