#include "store/counters.hpp"

#include <unistd.h>

#include <set>

#include "base/process.hpp"

namespace forklore::store {
namespace {

constexpr std::uint64_t pack_owner(std::uint32_t process, std::uint32_t thread) noexcept {
  return std::uint64_t{process} << 32 | thread;
}

}  // namespace

CounterLine* Counters::claim() const noexcept {
  const std::uint64_t me = pack_owner(static_cast<std::uint32_t>(::getpid()), base::self().tid);
  for (std::uint32_t i = 1; i < count_; ++i) {
    if (lines_[i].owner.load(std::memory_order_relaxed) == me) return &lines_[i];
  }
  for (const bool take_dead : {false, true}) {
    for (std::uint32_t i = 1; i < count_; ++i) {
      std::uint64_t owner = lines_[i].owner.load(std::memory_order_relaxed);
      if (owner != 0 && (!take_dead || base::thread_exists(static_cast<std::uint32_t>(owner)))) continue;
      // Relaxed: that the old owner is gone is the kernel's word, and its counts were stored before.
      if (lines_[i].owner.compare_exchange_strong(owner, me, std::memory_order_relaxed)) return &lines_[i];
    }
  }
  return nullptr;
}

void Counters::disown() const noexcept {
  for (std::uint32_t i = 1; i < count_; ++i) lines_[i].owner.store(0, std::memory_order_relaxed);
}

void Counters::sum(Stats& stats) const {
  std::set<::pid_t> processes;
  for (std::uint32_t i = 0; i < count_; ++i) {
    const CounterLine& line = lines_[i];
#define FORKLORE_COUNT(type, name, kind, unit, help) stats.name += line.name.load(std::memory_order_relaxed);
    FORKLORE_CALL_COUNTS(FORKLORE_COUNT)
#undef FORKLORE_COUNT
    const std::uint64_t owner = line.owner.load(std::memory_order_relaxed);
    if (owner != 0 && base::thread_exists(static_cast<std::uint32_t>(owner))) {
      processes.insert(static_cast<::pid_t>(owner >> 32));
    }
  }
  stats.processes.assign(processes.begin(), processes.end());
}

}  // namespace forklore::store
