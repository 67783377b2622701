// operation.hpp - One call on one key as a history records it, and what a key may do.
//
// A key is a register that may be absent. Linearizability is local (Herlihy and Wing, "Linearizability: a correctness
// condition for concurrent objects", TOPLAS 1990): a history is linearizable if that of each key is.
#pragma once

#include <array>
#include <cstdint>
#include <forklore/code.hpp>
#include <string>

namespace forklore::linearizable {

/// What a key holds. Values of bytes are told apart by a number that is stored only once.
struct State {
  enum class Kind : std::uint8_t { absent, bytes, integer };
  Kind kind = Kind::absent;
  std::int64_t number = 0;
  [[nodiscard]] bool present() const noexcept { return kind != Kind::absent; }
  friend bool operator==(const State&, const State&) = default;
};
inline constexpr State kAbsent{};
constexpr State bytes(std::int64_t number) noexcept { return {State::Kind::bytes, number}; }
constexpr State integer(std::int64_t number) noexcept { return {State::Kind::integer, number}; }

enum class Call : std::uint8_t { get, set, add, replace, increment, compare_and_set, erase };
inline constexpr unsigned kCalls = 7;

/// What increment begins with where there is nothing.
inline constexpr std::int64_t kInitial = 100;

struct Operation {
  Call call = Call::get;
  std::uint8_t key = 0;
  std::uint8_t process = 0;
  bool initial = false;     ///< increment: it names kInitial
  State stores = {};        ///< set, add, replace, compare_and_set: the value; increment: the delta, as its number
  State expected = {};      ///< compare_and_set: the value whose version it names
  bool answered = false;    ///< false: the process died in it, before `end`
  Code code = Code::ok;     ///< if answered
  State seen = {};          ///< if ok: of get the value, of increment the sum
  std::uint64_t begin = 0;  ///< a moment of a clock that all processes share; no two moments are equal
  std::uint64_t end = 0;
};

/// What else than the sequence of calls decides what a call may answer.
struct Rules {
  bool may_vanish = false;    ///< entries are evicted: any key may become absent at any moment
  bool may_refuse = false;    ///< a call that would store may answer full and change nothing
  bool may_fail_cas = false;  ///< entries are moved: compare_and_set may answer changed for no cause
};

/// The states a key may be in after a call that found it in a state; none if the call cannot have answered what it did
/// there. Of a call without an answer: those in which it has changed something.
class Outcomes {
 public:
  Outcomes(const State& before, const Operation& operation, const Rules& rules) noexcept;
  [[nodiscard]] const State* begin() const noexcept { return states_.data(); }
  [[nodiscard]] const State* end() const noexcept { return states_.data() + count_; }

 private:
  Outcomes() = default;
  void may_be(const State& state) noexcept { states_.at(count_++) = state; }
  void of_success(const State& before, const Operation& operation, bool absent) noexcept;
  void of_refusal(const State& before, const Operation& operation, const Rules& rules, bool absent) noexcept;

  std::array<State, 2> states_;
  unsigned count_ = 0;
};

/// As "increment(+3) ok 103" for people to read.
std::string to_string(const Operation& operation);
std::string to_string(const State& state);

}  // namespace forklore::linearizable
