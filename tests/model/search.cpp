#include "model/search.hpp"

#include <algorithm>
#include <cstdio>

namespace forklore::model {
namespace {

/// All orders of the writes to one word that keep those of each thread as they are.
std::vector<std::vector<unsigned>> orders_of(const std::vector<unsigned>& writes, const Execution& x) {
  std::vector<std::vector<unsigned>> all;
  std::vector<unsigned> order = writes;
  std::sort(order.begin(), order.end());
  do {
    bool kept = true;
    for (std::size_t later = 1; later < order.size() && kept; ++later) {
      for (std::size_t earlier = 0; earlier < later; ++earlier) kept &= !x.po.has(order[later], order[earlier]);
    }
    if (kept) all.push_back(order);
  } while (std::next_permutation(order.begin(), order.end()));
  return all;
}

/// The ways chosen, and what is left to choose: which write each read found, and the order of the writes to each word.
class Candidates {
 public:
  Candidates(const Program& program, Memory memory, const std::vector<const Way*>& ways)
      : program_(program), memory_(memory), x_(ways), finally_(program.words.size()) {
    std::vector<std::vector<unsigned>> writes(program.words.size());
    for_each(x_.writes, [&](unsigned i) { writes[x_.events[i].event->location].push_back(i); });
    for (Location word = 0; word < writes.size(); ++word) {
      finally_[word] = program.words[word].initially;
      if (!writes[word].empty()) orders_.push_back(orders_of(writes[word], x_));
    }
    for_each(x_.reads, [&](unsigned i) { reads_.push_back(i); });
  }

  /// The first that can happen and of which bad is true.
  template <class Bad>
  bool find(Bad bad) {
    return choose_order(0, bad);
  }
  [[nodiscard]] const Execution& execution() const noexcept { return x_; }

 private:
  template <class Bad>
  bool choose_order(std::size_t word, Bad& bad) {
    if (word == orders_.size()) return choose_source(0, bad);
    const Relation before = x_.co;
    for (const std::vector<unsigned>& order : orders_[word]) {
      x_.co = before;
      for (std::size_t later = 1; later < order.size(); ++later) {
        for (std::size_t earlier = 0; earlier < later; ++earlier) x_.co.add(order[earlier], order[later]);
      }
      finally_[x_.events[order.back()].event->location] = x_.events[order.back()].event->value;
      if (choose_order(word + 1, bad)) return true;
    }
    x_.co = before;
    return false;
  }

  template <class Bad>
  bool choose_source(std::size_t read, Bad& bad) {
    if (read == reads_.size()) {
      x_.derive();
      return bad(finally_) && can_happen(x_, memory_);
    }
    const unsigned i = reads_[read];
    const Event& event = *x_.events[i].event;
    if (event.value == program_.words[event.location].initially && choose_source(read + 1, bad)) return true;
    const Relation before = x_.rf;
    bool found = false;
    for_each(x_.same_word.from(i) & x_.writes, [&](unsigned write) {
      if (found || x_.events[write].event->value != event.value || x_.po.has(i, write)) return;
      x_.rf.add(write, i);
      found = choose_source(read + 1, bad);
      if (!found) x_.rf = before;
    });
    return found;
  }

  const Program& program_;
  Memory memory_;
  Execution x_;
  std::vector<std::vector<std::vector<unsigned>>> orders_;  // of each word that is written
  std::vector<unsigned> reads_;
  std::vector<std::optional<Number>> finally_;
};

std::string line_of(const Program& program, const Execution& x, unsigned i) {
  const Execution::One& one = x.events[i];
  const Event& event = *one.event;
  char line[200];
  if (event.kind == Event::Kind::fence) {
    std::snprintf(line, sizeof line, "    %-10s %3u   fence%24s%s\n", program.actors[one.thread].name.c_str(),
                  one.place, "", std::string(to_string(event.order)).c_str());
    return line;
  }
  const bool read = event.kind == Event::Kind::read;
  std::string source;
  if (read) {
    for_each(x.writes, [&](unsigned write) {
      if (!x.rf.has(write, i)) return;
      source = "   of " + program.actors[x.events[write].thread].name + " " + std::to_string(x.events[write].place);
    });
    if (source.empty()) source = "   as it was at first";
  }
  const std::string what = program.words[event.location].name + (read ? " is " : " = ") + std::to_string(event.value);
  std::snprintf(line, sizeof line, "    %-10s %3u   %-28s %-8s%s\n", program.actors[one.thread].name.c_str(), one.place,
                what.c_str(), std::string(to_string(event.order)).c_str(), source.c_str());
  return line;
}

/// One after the other as they may have taken effect; where C++ alone is asked, as they stand in their threads.
std::string tell(const Program& program, const Execution& x, Memory memory) {
  const Relation order = memory == Memory::cpp ? x.po : effects(x, memory);
  std::string story;
  Events left = x.events.size() == kMostEvents ? ~Events{0} : only(static_cast<unsigned>(x.events.size())) - 1;
  while (left != 0) {
    Events behind = 0;
    for_each(left, [&](unsigned i) { behind |= order.from(i); });
    const Events ready = left & ~behind;
    if (ready == 0) return story;  // cannot be: it has no circle
    const auto next = static_cast<unsigned>(std::countr_zero(ready));
    story += line_of(program, x, next);
    left &= ~only(next);
  }
  return story;
}

}  // namespace

std::optional<Counterexample> find_bad(const Program& program, Memory memory) {
  const Ways all(program);
  const std::size_t threads = program.actors.size();
  std::vector<std::size_t> chosen(threads, 0);
  const std::vector<std::optional<Number>> unknown(program.words.size());
  for (;;) {
    std::vector<const Way*> ways;
    Answers answers{};
    for (std::size_t thread = 0; thread < threads; ++thread) {
      const Ways::One& one = all.of(thread)[chosen[thread]];
      ways.push_back(&one.way);
      for (unsigned answer = 0; answer < kMostAnswers; ++answer) {
        if (one.answers[answer]) answers[answer] = one.answers[answer];
      }
    }
    if (program.ends_matter || program.bad(Outcome(answers, unknown))) {
      Candidates candidates(program, memory, ways);
      const auto bad = [&](const std::vector<std::optional<Number>>& finally) {
        return program.bad(Outcome(answers, finally));
      };
      if (candidates.find(bad)) return Counterexample{tell(program, candidates.execution(), memory)};
    }
    std::size_t thread = 0;
    while (thread < threads && ++chosen[thread] == all.of(thread).size()) chosen[thread++] = 0;
    if (thread == threads) return {};
  }
}

}  // namespace forklore::model
