// program.hpp - A few threads on a few words of shared memory, and what must never come of them.
//
// Threads are written as the code that they stand for is: loads, stores, compare-exchanges, fences and branches. A
// value remembers the loads that it follows from, and a branch what decided it, since processors respect such
// dependencies. A thread is run again and again, each time with other answers to its loads, until all its ways are
// known.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "model/event.hpp"

namespace forklore::model {

/// A number, and the loads that it follows from.
struct Value {
  Number number = 0;
  Sources from = 0;

  Value(Number n) noexcept : number(n) {}  // NOLINT(google-explicit-constructor): a constant is a value
  Value(Number n, Sources f) noexcept : number(n), from(f) {}
};
inline Value operator==(const Value& a, const Value& b) noexcept { return {a.number == b.number, a.from | b.from}; }
inline Value operator!=(const Value& a, const Value& b) noexcept { return {a.number != b.number, a.from | b.from}; }
inline Value operator+(const Value& a, const Value& b) noexcept { return {a.number + b.number, a.from | b.from}; }
inline Value operator<(const Value& a, const Value& b) noexcept { return {a.number < b.number, a.from | b.from}; }

/// Something that a thread tells: what a get answers, say.
using Answer = unsigned;
inline constexpr unsigned kMostAnswers = 8;
using Answers = std::array<std::optional<Number>, kMostAnswers>;

class Thread {
 public:
  Value load(Location location, Order order = Order::relaxed) { return load_at(location, 0, order); }
  /// Of words that lie one after the other, the one that index says. Past the last there is nothing: the way ends.
  Value load(Location first, const Value& index, unsigned words, Order order = Order::relaxed);
  void store(Location location, const Value& value, Order order = Order::relaxed);
  /// Whether it succeeded. order: then; a failure is a relaxed load.
  bool compare_exchange(Location location, const Value& expected, const Value& desired, Order order);
  Value exchange(Location location, const Value& desired, Order order);
  void fence(Order order);  ///< relaxed: none

  /// A branch.
  bool decide(const Value& truth);
  /// A branch that must go this way; the other is not looked at, as where a thread waits until it does.
  void require(const Value& truth);
  void tell(Answer answer, const Value& value) { answers_[answer] = value.number; }

 private:
  friend class Ways;
  struct Elsewhere {};

  Value load_at(Location location, Sources address, Order order);
  Number choose(Location location);
  [[nodiscard]] Sources next() const noexcept { return Sources{1} << way_.size(); }

  /// What may be read from each word.
  const std::vector<std::vector<Number>>* readable_ = nullptr;
  std::vector<std::uint32_t> choices_;  ///< of the values that may be read, the one for each load
  std::size_t loads_ = 0;
  Sources control_ = 0;
  Way way_;
  Answers answers_;
};

/// What came of an execution.
class Outcome {
 public:
  Outcome(const Answers& answers, const std::vector<std::optional<Number>>& finally) noexcept
      : answers_(answers), finally_(finally) {}
  [[nodiscard]] bool is(Answer answer, Number value) const { return answers_[answer] == value; }
  [[nodiscard]] bool told(Answer answer) const { return answers_[answer].has_value(); }
  /// The answer, or 0.
  [[nodiscard]] Number operator[](Answer answer) const { return answers_[answer].value_or(0); }
  /// What a word holds in the end. Only for a program that says ends_matter.
  [[nodiscard]] Number finally(Location location) const { return finally_.at(location).value(); }

 private:
  const Answers& answers_;
  const std::vector<std::optional<Number>>& finally_;
};

struct Program {
  struct Word {
    std::string name;
    Number initially;
  };
  struct Actor {
    std::string name;
    std::function<void(Thread&)> run;
  };

  Location word(std::string name, Number initially = 0) {
    words.push_back({std::move(name), initially});
    return static_cast<Location>(words.size() - 1);
  }
  Answer answer(std::string name) {
    answer_names.push_back(std::move(name));
    return static_cast<Answer>(answer_names.size() - 1);
  }
  void thread(std::string name, std::function<void(Thread&)> run) {
    actors.push_back({std::move(name), std::move(run)});
  }
  void never(std::function<bool(const Outcome&)> outcome) { bad = std::move(outcome); }

  std::vector<Word> words;
  std::vector<Actor> actors;
  std::vector<std::string> answer_names;
  std::function<bool(const Outcome&)> bad;
  bool ends_matter = false;  ///< bad asks for what words hold in the end
};

/// All ways of all threads of a program. Throws std::logic_error if a thread has none: what never runs proves nothing.
class Ways {
 public:
  struct One {
    Way way;
    Answers answers;
  };
  explicit Ways(const Program& program);
  [[nodiscard]] const std::vector<One>& of(std::size_t actor) const { return ways_[actor]; }

 private:
  void find(std::size_t actor);
  /// Whether something more may be read than was known.
  bool learn();

  const Program& program_;
  std::vector<std::vector<Number>> readable_;
  std::set<std::pair<Location, Number>> written_;
  std::vector<std::vector<One>> ways_;
};

}  // namespace forklore::model
