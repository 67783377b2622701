// relation.hpp - A relation between the events of one execution, with the operators in which memory models are written
// (herd's cat language: Alglave, Cousot, Maranget, "Syntax and semantics of the weak consistency model specification
// language cat", 2016).
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace forklore::model {

/// A set of events, by number.
using Events = std::uint64_t;
inline constexpr unsigned kMostEvents = 64;
constexpr Events only(unsigned event) noexcept { return Events{1} << event; }

/// Calls visit(number) for each event of a set.
template <class Visit>
void for_each(Events events, Visit visit) {
  for (; events != 0; events &= events - 1) visit(static_cast<unsigned>(std::countr_zero(events)));
}

class Relation {
 public:
  explicit Relation(unsigned events) noexcept : events_(events) {}

  void add(unsigned from, unsigned to) noexcept { to_[from] |= only(to); }
  void add(unsigned from, Events to) noexcept { to_[from] |= to; }
  [[nodiscard]] Events from(unsigned event) const noexcept { return to_[event]; }
  [[nodiscard]] bool has(unsigned from, unsigned to) const noexcept { return (to_[from] & only(to)) != 0; }

  friend Relation operator|(Relation a, const Relation& b) noexcept {
    for (unsigned i = 0; i < a.events_; ++i) a.to_[i] |= b.to_[i];
    return a;
  }
  friend Relation operator&(Relation a, const Relation& b) noexcept {
    for (unsigned i = 0; i < a.events_; ++i) a.to_[i] &= b.to_[i];
    return a;
  }
  friend Relation operator-(Relation a, const Relation& b) noexcept {
    for (unsigned i = 0; i < a.events_; ++i) a.to_[i] &= ~b.to_[i];
    return a;
  }
  /// First this, then the other: cat's semicolon.
  [[nodiscard]] Relation then(const Relation& other) const noexcept {
    Relation all(events_);
    for (unsigned i = 0; i < events_; ++i) {
      for_each(to_[i], [&](unsigned middle) { all.to_[i] |= other.to_[middle]; });
    }
    return all;
  }
  [[nodiscard]] Relation inverse() const noexcept {
    Relation all(events_);
    for (unsigned i = 0; i < events_; ++i) for_each(to_[i], [&](unsigned to) { all.add(to, i); });
    return all;
  }
  /// [these]; this: only what begins in the set.
  [[nodiscard]] Relation after(Events these) const noexcept {
    Relation all(events_);
    for_each(these, [&](unsigned i) { all.to_[i] = to_[i]; });
    return all;
  }
  /// this; [these]: only what ends in the set.
  [[nodiscard]] Relation before(Events these) const noexcept {
    Relation all(*this);
    for (unsigned i = 0; i < events_; ++i) all.to_[i] &= these;
    return all;
  }
  /// In one step or more: cat's +.
  [[nodiscard]] Relation closure() const noexcept {
    Relation all(*this);
    for (unsigned middle = 0; middle < events_; ++middle) {
      for (unsigned i = 0; i < events_; ++i) {
        if (all.has(i, middle)) all.to_[i] |= all.to_[middle];
      }
    }
    return all;
  }
  /// In one step or none: cat's ?.
  [[nodiscard]] Relation optional() const noexcept {
    Relation all(*this);
    for (unsigned i = 0; i < events_; ++i) all.add(i, i);
    return all;
  }
  [[nodiscard]] bool irreflexive() const noexcept {
    for (unsigned i = 0; i < events_; ++i) {
      if (has(i, i)) return false;
    }
    return true;
  }
  [[nodiscard]] bool acyclic() const noexcept { return closure().irreflexive(); }
  [[nodiscard]] bool empty() const noexcept {
    for (unsigned i = 0; i < events_; ++i) {
      if (to_[i] != 0) return false;
    }
    return true;
  }

 private:
  unsigned events_;
  std::array<Events, kMostEvents> to_{};
};

}  // namespace forklore::model
