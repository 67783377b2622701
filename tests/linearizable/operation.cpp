#include "linearizable/operation.hpp"

namespace forklore::linearizable {

Outcomes::Outcomes(const State& before, const Operation& operation, const Rules& rules) noexcept {
  // An entry that may have vanished until now has vanished if a call says so; nobody else can tell.
  const bool absent = !before.present() || rules.may_vanish;
  if (!operation.answered) {
    if (operation.call != Call::get) of_success(before, operation, absent);
  } else if (operation.code == Code::ok) {
    of_success(before, operation, absent);
  } else {
    of_refusal(before, operation, rules, absent);
  }
}

void Outcomes::of_success(const State& before, const Operation& operation, bool absent) noexcept {
  const bool shown = operation.answered && operation.code == Code::ok;
  const auto may_be_seen = [&](const State& state) {
    if (!shown || state == operation.seen) may_be(state);
  };
  switch (operation.call) {
    case Call::get:
      if (before.present()) may_be_seen(before);
      return;
    case Call::set:
      return may_be(operation.stores);
    case Call::add:
      if (absent) may_be(operation.stores);
      return;
    case Call::replace:
      if (before.present()) may_be(operation.stores);
      return;
    case Call::increment:
      if (before.kind == State::Kind::integer) may_be_seen(integer(before.number + operation.stores.number));
      if (absent && operation.initial) may_be_seen(integer(kInitial + operation.stores.number));
      return;
    case Call::compare_and_set:
      if (before.present() && before == operation.expected) may_be(operation.stores);
      return;
    case Call::erase:
      if (before.present()) may_be(kAbsent);
      return;
  }
}

void Outcomes::of_refusal(const State& before, const Operation& operation, const Rules& rules, bool absent) noexcept {
  const Call call = operation.call;
  switch (operation.code) {
    case Code::busy:
      return may_be(before);
    case Code::not_found:
      if (absent && call != Call::set && call != Call::add && !operation.initial) may_be(kAbsent);
      return;
    case Code::exists:
      if (call == Call::add && before.present()) may_be(before);
      return;
    case Code::changed:
      // Also of an integer that was erased and counted up to the same again: that has another version.
      if (call == Call::compare_and_set && before.present() &&
          (rules.may_fail_cas || before.kind == State::Kind::integer || before != operation.expected)) {
        may_be(before);
      }
      return;
    case Code::not_a_number:
      if (call == Call::increment && before.kind == State::Kind::bytes) may_be(before);
      return;
    case Code::full: {
      // Only of a call that would have stored an entry; counting up needs no room.
      const bool may_store = call == Call::increment ? absent : call != Call::get && call != Call::erase;
      Outcomes success;
      if (may_store) success.of_success(before, operation, absent);
      if (rules.may_refuse && success.count_ > 0) may_be(before);
      return;
    }
    default:
      return;
  }
}

std::string to_string(const State& state) {
  switch (state.kind) {
    case State::Kind::absent:
      return "absent";
    case State::Kind::bytes:
      return "value " + std::to_string(state.number);
    case State::Kind::integer:
      return "integer " + std::to_string(state.number);
  }
  return "?";
}

std::string to_string(const Operation& operation) {
  std::string text;
  switch (operation.call) {
    case Call::get:
      text = "get()";
      break;
    case Call::set:
      text = "set(" + to_string(operation.stores) + ")";
      break;
    case Call::add:
      text = "add(" + to_string(operation.stores) + ")";
      break;
    case Call::replace:
      text = "replace(" + to_string(operation.stores) + ")";
      break;
    case Call::increment:
      text = "increment(" + std::to_string(operation.stores.number) + (operation.initial ? ", initial)" : ")");
      break;
    case Call::compare_and_set:
      text = "compare_and_set(" + to_string(operation.expected) + " -> " + to_string(operation.stores) + ")";
      break;
    case Call::erase:
      text = "erase()";
      break;
  }
  if (!operation.answered) return text + " died";
  text += ' ';
  text += forklore::to_string(operation.code);
  if (operation.code == Code::ok && (operation.call == Call::get || operation.call == Call::increment)) {
    text += " " + to_string(operation.seen);
  }
  return text;
}

}  // namespace forklore::linearizable
