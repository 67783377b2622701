#include "linearizable/checker.hpp"

#include <algorithm>
#include <bit>
#include <stdexcept>
#include <unordered_set>

namespace forklore::linearizable {
namespace {

struct Configuration {
  State state;
  std::uint64_t done = 0;  // a bit for each open call that has taken effect
  friend bool operator==(const Configuration&, const Configuration&) = default;
};
struct Hash {
  std::size_t operator()(const Configuration& c) const noexcept {
    const auto mix = [](std::uint64_t x) { return (x ^ (x >> 31)) * 0x9e3779b97f4a7c15u; };
    return mix(mix(static_cast<std::uint64_t>(c.state.number)) ^ mix(c.done + static_cast<unsigned>(c.state.kind)));
  }
};
using Configurations = std::unordered_set<Configuration, Hash>;

struct Event {
  std::uint64_t at;
  std::size_t operation;
  bool ends;
};

class Search {
 public:
  Search(const std::vector<Operation>& history, const Rules& rules) : history_(history), rules_(rules) {
    explain_.insert(Configuration{});
  }

  void begin(std::size_t operation) {
    const auto place = static_cast<std::size_t>(std::countr_one(used_));
    if (place == open_.size()) throw std::length_error("more calls open at a time than the checker takes");
    used_ |= std::uint64_t{1} << place;
    open_[place] = operation;
  }

  /// Keeps what explains the end of a call. False if nothing does; what could be before is then still there.
  bool end(std::size_t operation) {
    std::size_t place = 0;
    while ((used_ >> place & 1) == 0 || open_[place] != operation) ++place;
    const std::uint64_t bit = std::uint64_t{1} << place;
    const bool must = history_[operation].answered;
    Configurations after, seen;
    std::vector<Configuration> work(explain_.begin(), explain_.end());
    while (!work.empty()) {
      Configuration now = work.back();
      work.pop_back();
      if (!seen.insert(now).second) continue;
      if ((now.done & bit) != 0 || !must) after.insert({now.state, now.done & ~bit});
      if ((now.done & bit) != 0) continue;
      for (std::uint64_t left = used_ & ~now.done; left != 0; left &= left - 1) {
        const std::uint64_t next = left & ~(left - 1);
        const Operation& other = history_[open_[static_cast<std::size_t>(std::countr_zero(left))]];
        for (const State& state : Outcomes(now.state, other, rules_)) work.push_back({state, now.done | next});
      }
    }
    if (after.empty()) return false;
    used_ &= ~bit;
    explain_ = std::move(after);
    return true;
  }

  [[nodiscard]] std::vector<State> possible() const {
    std::vector<State> states;
    for (const Configuration& c : explain_) {
      if (std::find(states.begin(), states.end(), c.state) == states.end()) states.push_back(c.state);
    }
    return states;
  }

 private:
  const std::vector<Operation>& history_;
  const Rules& rules_;
  Configurations explain_;
  std::array<std::size_t, 64> open_{};
  std::uint64_t used_ = 0;
};

}  // namespace

std::optional<Violation> find_violation(const std::vector<Operation>& history, const Rules& rules) {
  std::vector<Event> events;
  for (std::size_t i = 0; i < history.size(); ++i) {
    if (history[i].begin >= history[i].end) throw std::invalid_argument("a call ends before it begins");
    events.push_back({history[i].begin, i, false});
    events.push_back({history[i].end, i, true});
  }
  std::sort(events.begin(), events.end(), [](const Event& a, const Event& b) { return a.at < b.at; });
  Search search(history, rules);
  for (const Event& event : events) {
    if (!event.ends) {
      search.begin(event.operation);
    } else if (!search.end(event.operation)) {
      return Violation{event.operation, search.possible()};
    }
  }
  return std::nullopt;
}

std::string Violation::to_string(const std::vector<Operation>& history) const {
  const Operation& wrong = history[operation];
  std::string text = "no order explains " + linearizable::to_string(wrong) + "; before the open calls the key was ";
  for (std::size_t i = 0; i < possible.size(); ++i)
    text += (i == 0 ? "" : " or ") + linearizable::to_string(possible[i]);
  text += '\n';
  // The last calls that ended before it, and the last that overlap it.
  constexpr std::size_t kOfEach = 8;
  std::vector<const Operation*> before, around;
  for (const Operation& other : history) {
    if (other.begin > wrong.end) continue;
    (other.end < wrong.begin ? before : around).push_back(&other);
  }
  for (auto* calls : {&before, &around}) {
    std::sort(calls->begin(), calls->end(), [](auto* a, auto* b) { return a->end < b->end; });
    if (calls->size() > kOfEach) calls->erase(calls->begin(), calls->end() - kOfEach);
  }
  before.insert(before.end(), around.begin(), around.end());
  std::sort(before.begin(), before.end(), [](auto* a, auto* b) { return a->begin < b->begin; });
  for (const Operation* other : before) {
    text += (other == &wrong ? "  > " : "    ") + std::to_string(other->begin) + ".." + std::to_string(other->end) +
            " process " + std::to_string(other->process) + ": " + linearizable::to_string(*other) + '\n';
  }
  return text;
}

}  // namespace forklore::linearizable
