#include "model/program.hpp"

#include <algorithm>
#include <stdexcept>

#include "model/relation.hpp"

namespace forklore::model {

std::string_view to_string(Order order) noexcept {
  switch (order) {
    case Order::relaxed:
      return "";
    case Order::acquire:
      return "acquire";
    case Order::release:
      return "release";
    case Order::acq_rel:
      return "acquire, release";
    case Order::seq_cst:
      return "seq_cst";
  }
  return "";
}

Number Thread::choose(Location location) {
  const std::vector<Number>& all = (*readable_)[location];
  if (loads_ == choices_.size()) choices_.push_back(0);
  return all[choices_[loads_++]];
}

Value Thread::load_at(Location location, Sources address, Order order) {
  const Value value{choose(location), next()};
  way_.push_back({Event::Kind::read, order, false, location, value.number, address, 0, control_});
  return value;
}

Value Thread::load(Location first, const Value& index, unsigned words, Order order) {
  if (index.number >= words) throw Elsewhere();
  return load_at(first + static_cast<Location>(index.number), index.from, order);
}

void Thread::store(Location location, const Value& value, Order order) {
  way_.push_back({Event::Kind::write, order, false, location, value.number, 0, value.from, control_});
}

bool Thread::compare_exchange(Location location, const Value& expected, const Value& desired, Order order) {
  const Value seen = load(location);
  const bool same = seen.number == expected.number;
  control_ |= seen.from | expected.from;
  if (same) {
    way_.back().exclusive = true;
    way_.back().order = order;
    way_.push_back({Event::Kind::write, order, true, location, desired.number, 0, desired.from, control_});
  }
  return same;
}

Value Thread::exchange(Location location, const Value& desired, Order order) {
  const Value seen = load(location, order);
  way_.back().exclusive = true;
  way_.push_back({Event::Kind::write, order, true, location, desired.number, 0, desired.from, control_});
  return seen;
}

void Thread::fence(Order order) {
  if (order == Order::relaxed) return;
  way_.push_back({Event::Kind::fence, order, false, 0, 0, 0, 0, control_});
}

bool Thread::decide(const Value& truth) {
  control_ |= truth.from;
  return truth.number != 0;
}

void Thread::require(const Value& truth) {
  if (!decide(truth)) throw Elsewhere();
}

Ways::Ways(const Program& program) : program_(program), ways_(program.actors.size()) {
  for (const Program::Word& word : program.words) readable_.push_back({word.initially});
  // What may be read is what may have been written, and that may follow from what was read.
  do {
    written_.clear();
    for (std::size_t actor = 0; actor < ways_.size(); ++actor) find(actor);
  } while (learn());
  for (std::size_t actor = 0; actor < ways_.size(); ++actor) {
    if (ways_[actor].empty()) throw std::logic_error(program.actors[actor].name + " never comes to its end");
  }
}

bool Ways::learn() {
  bool grown = false;
  for (const auto& [location, value] : written_) {
    std::vector<Number>& all = readable_[location];
    if (std::find(all.begin(), all.end(), value) != all.end()) continue;
    if (all.size() == kMostEvents) throw std::logic_error("a word takes too many values");
    all.push_back(value);
    grown = true;
  }
  return grown;
}

void Ways::find(std::size_t actor) {
  ways_[actor].clear();
  Thread thread;
  thread.readable_ = &readable_;
  std::vector<std::size_t> of;  // how many values each load has to choose from
  for (;;) {
    thread.loads_ = 0;
    thread.control_ = 0;
    thread.way_.clear();
    thread.answers_ = {};
    bool there = true;
    try {
      program_.actors[actor].run(thread);
    } catch (const Thread::Elsewhere&) {
      there = false;
    }
    if (there) ways_[actor].push_back({thread.way_, thread.answers_});
    for (const Event& event : thread.way_) {
      if (event.kind == Event::Kind::write) written_.emplace(event.location, event.value);
    }

    // The next way: the last load that has another value left takes it, and those behind it begin anew.
    of.clear();
    for (const Event& event : thread.way_) {
      if (event.kind == Event::Kind::read) of.push_back(readable_[event.location].size());
    }
    thread.choices_.resize(thread.loads_);
    while (!thread.choices_.empty() && thread.choices_.back() + 1 == of[thread.choices_.size() - 1]) {
      thread.choices_.pop_back();
    }
    if (thread.choices_.empty()) return;
    ++thread.choices_.back();
  }
}

}  // namespace forklore::model
