#include "crash/instruction_run.hpp"

#include <linux/futex.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <unordered_set>

#include "base/process.hpp"

namespace forklore::crash {
namespace {

constexpr std::size_t kShortCall = 2000;  // instructions; killed at each of them

}  // namespace

void report_fault(Row& row, const std::string& where, const std::string& what) {
  if (++row.faults > 10) return;
  std::printf("FAULT: %s, %s: %s\n", row.name.c_str(), where.c_str(), what.c_str());
  std::fflush(stdout);
}

std::vector<std::size_t> choose(std::size_t all, std::size_t count, Random& random) {
  std::vector<std::size_t> chosen;
  if (all == 0) return chosen;
  const std::size_t step = count == 0 || count >= all ? 1 : (all + count - 1) / count;
  for (std::size_t i = random.below(static_cast<std::uint32_t>(step)); i < all; i += step) chosen.push_back(i);
  return chosen;
}

void Trace::add(std::uint64_t address) {
  constexpr std::size_t kVisit = 3;  // steps that a stop at a breakpoint costs
  const std::size_t here = points_.size();
  const unsigned visits = ++visits_[address];
  Point point{address, visits, kVisit * visits, here};
  if (here > 0 && points_.back().cost + 1 <= point.cost) {
    point.cost = points_.back().cost + 1;
    point.from = points_.back().from;
  }
  if (here == 0 || address == 0) point = {address, visits, here, 0};
  points_.push_back(point);
}

bool Trace::go_to(Stepper& child, std::size_t step) const {
  std::size_t at = points_.at(step).from;
  if (at != 0 && !child.run_to(points_[at].address, points_[at].visits)) return false;
  while (at < step && child.step()) ++at;
  return child.address() == points_[step].address;
}

InstructionRun::InstructionRun(const Scenario& scenario, const RunOptions& options)
    : options_(options), random_(options.seed), prepared_(scenario.prepare(options.seed)) {
  row_.name = scenario.name;
  attach_ = [this] {
    cache_.emplace(Cache::attach(std::string(name_)));
    static_cast<void>(cache_->contains("nothing"));  // makes what a thread's first call makes
    static_cast<void>(base::own_process());          // and what a process's first lease does
  };
  call_ = [this] { prepared_.call(*cache_); };
}

void InstructionRun::progress(const char* what, std::size_t done, std::size_t all) const {
  if (!options_.progress || done % 500 != 0 || done == 0) return;
  std::printf("  %s: %zu of %zu %s\n", row_.name.c_str(), done, all, what);
  std::fflush(stdout);
}

Contents InstructionRun::contents_of(const Image& image) const {
  write_segment(name_, image);
  Cache cache = Cache::attach(std::string(name_));
  std::string fault;
  Contents contents = read_all(cache, fault);
  if (!fault.empty()) throw std::runtime_error(row_.name + ": cannot be read: " + fault);
  return contents;
}

void InstructionRun::record() {
  write_segment(name_, prepared_.image);
  const SegmentFile file(name_);
  Stepper child(attach_, call_);
  tid_ = static_cast<std::uint32_t>(child.pid());
  begin_ = file.take();
  const std::size_t entries_at = file.geometry().stripes_at + file.geometry().chunks_at;
  Image now = begin_;
  trace_.add(child.address());
  while (child.step()) {
    ++row_.instructions;
    trace_.add(child.address());
    if (std::memcmp(now.data(), file.data(), now.size()) == 0) continue;
    Change change{row_.instructions, child.has_pending_lock(), false, {}};
    for (std::uint32_t at = 0; at < now.size(); ++at) {
      if (now[at] == file.data()[at]) continue;
      now[at] = file.data()[at];
      change.bytes.emplace_back(at, now[at]);
      change.structure |= at < entries_at;
    }
    changes_.push_back(std::move(change));
  }
  end_ = std::move(now);
}

/// Changes to the structure before changes to bytes of entries alone, where there is no time for all.
std::vector<std::size_t> InstructionRun::chosen_changes() {
  std::vector<std::size_t> structure;
  std::vector<std::size_t> bytes;
  for (std::size_t i = 0; i < changes_.size(); ++i) (changes_[i].structure ? structure : bytes).push_back(i);
  const std::size_t few = options_.sample;
  std::vector<std::size_t> chosen;
  for (const std::size_t i : choose(structure.size(), few == 0 ? 0 : few - few / 4, random_))
    chosen.push_back(structure[i]);
  for (const std::size_t i : choose(bytes.size(), few == 0 ? 0 : few / 4, random_)) chosen.push_back(bytes[i]);
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

void InstructionRun::examine_images(Checker& checker) {
  const auto chosen = chosen_changes();
  std::unordered_set<std::uint64_t> seen;
  Image now = begin_;
  std::size_t next = 0;
  for (std::size_t i = 0; i < changes_.size(); ++i) {
    for (const auto& [at, byte] : changes_[i].bytes) now[at] = byte;
    const std::uint32_t word = lock_word(now, prepared_.geometry);
    const bool held = (word & FUTEX_TID_MASK) == tid_;
    const std::string where = "after instruction " + std::to_string(changes_[i].step);
    if (held && !changes_[i].pending) {
      report_fault(row_, where,
                   "the lock is held and the robust list does not name it: nobody would be told of a death");
    }
    Image left = now;
    if (held) set_lock_word(left, prepared_.geometry, (word & FUTEX_WAITERS) | FUTEX_OWNER_DIED);
    const std::string_view all(reinterpret_cast<const char*>(left.data()), left.size());
    const bool distinct = seen.insert(base::hash(all)).second;
    row_.images += distinct ? 1 : 0;
    if (next == chosen.size() || chosen[next] != i) continue;
    ++next;
    if (!distinct) continue;
    ++row_.examined;
    row_.owner_died += held ? 1 : 0;
    write_segment(name_, std::move(left));
    if (const auto fault = checker.check(name_); !fault.empty()) report_fault(row_, where, fault);
    progress("images", row_.examined, chosen.size());
  }
}

void InstructionRun::kill_for_real(Checker& checker) {
  std::vector<std::size_t> steps;
  if (row_.instructions < kShortCall) {
    for (const std::size_t step : choose(row_.instructions + 1, options_.sample, random_)) steps.push_back(step);
  } else {
    for (const std::size_t i : chosen_changes()) steps.push_back(changes_[i].step);
  }
  for (const std::size_t step : steps) {
    write_segment(name_, prepared_.image);
    {
      Stepper child(attach_, call_);
      if (!trace_.go_to(child, step)) ++row_.astray;
      child.kill();
    }
    ++row_.kills;
    const auto fault = checker.check(name_);
    if (!fault.empty()) report_fault(row_, "killed after instruction " + std::to_string(step), fault);
    progress("kills", row_.kills, steps.size());
  }
}

Row InstructionRun::run() {
  record();
  const Contents before = contents_of(prepared_.image);
  const Contents after = contents_of(end_);
  Checker checker([&](const std::string& name) { return examine(name, before, after, prepared_.also); });
  examine_images(checker);
  kill_for_real(checker);
  row_.slowest = checker.slowest();
  return row_;
}

}  // namespace forklore::crash
