// What a storm has left, judged and reported.
#include <sys/wait.h>

#include <csignal>
#include <cstdio>
#include <thread>

#include "crash/storm_supervisor.hpp"

namespace forklore::crash {

void Supervisor::judge() {
  continue_all();
  board_->stop.store(true);
  const auto until = Clock::now() + kHang;
  for (std::uint32_t i = 0; i < kWorkers; ++i) {
    Worker& worker = workers_[i];
    while (::waitpid(worker.pid, nullptr, WNOHANG) == 0) {
      drain();  // a full pipe would hold it up
      if (Clock::now() > until) {
        fault("worker " + std::to_string(i) + " does not come to its end: it hangs");
        ::kill(worker.pid, SIGKILL);
        ::waitpid(worker.pid, nullptr, 0);
        break;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    worker.pid = -1;
    resolve(i);
  }
  if (!hung_) verify();
  for (std::uint32_t key = 0; key < kCounters; ++key) {
    std::int64_t now = 0;
    const Code code = segments_.of(key).increment(counter_name(key), 0, now);
    if (code != Code::ok || now < counted_[key] || now > counted_[key] + in_flight_[key]) {
      fault(counter_name(key) + ": is " + std::to_string(now) + " (" + std::string(to_string(code)) +
            "), acknowledged " + std::to_string(counted_[key]) + ", in flight at deaths " +
            std::to_string(in_flight_[key]));
    }
  }
  std::string value;
  for (std::uint32_t worker = 0; worker < kWorkers; ++worker) {
    for (std::uint32_t key = 0; key < kEntries; ++key) {
      const EntryState known = acknowledged_[worker][key];
      const Code code = segments_.of(key).get(entry_name(worker, key), value);
      const auto counter = code == Code::ok ? read_checked(entry_number(worker, key), value) : std::nullopt;
      if (is_present(known) ? counter != counter_of(known) : code != Code::not_found) {
        fault(entry_name(worker, key) + ": is not what was last acknowledged");
      }
    }
  }
  for (const Cache* cache : {&segments_.small, &segments_.room, &segments_.strict}) {
    if (const auto resets = cache->stats().resets; resets != 0) {
      fault(cache->path() + ": " + std::to_string(resets) + " stripes were found damaged and emptied");
    }
  }
  for (const Cache* cache : {&segments_.room, &segments_.strict}) {
    if (const auto evictions = cache->stats().evictions; evictions != 0) {
      fault(cache->path() + ": evicted " + std::to_string(evictions) + " entries with room left");
    }
  }
  if (owner_deaths() < kills_ / 20) fault("fewer than one owner death in 20 kills: the storm proves nothing");
}

void Supervisor::report() {
  const auto number = [](std::uint64_t n) { return static_cast<unsigned long long>(n); };
  std::uint64_t calls = 0;
  for (const WorkerLine& line : board_->workers) calls += line.calls.load();
  std::int64_t counted = 0;
  std::int64_t in_flight = 0;
  for (std::uint32_t key = 0; key < kCounters; ++key) counted += counted_[key], in_flight += in_flight_[key];
  const Stats small = segments_.small.stats();
  const auto seconds = std::chrono::duration<double>(Clock::now() - begun_).count();
  std::printf("%llu kills in %.1f s, %llu calls, %llu stops, %llu workers executed anew, %llu verifications\n",
              number(kills_), seconds, number(calls), number(stops_), number(executed_), number(verified_));
  std::printf("owner deaths (Stats::recoveries): %llu\n", number(owner_deaths()));
  std::printf(
      "deaths inside a writing call: %llu; of these while an entry was moved (relocate): %llu, inside recover: %llu\n",
      number(inside_), number(relocating_), number(recovering_));
  std::printf("  innermost function:");
  for (const auto& [phase, count] : innermost_) {
    std::printf(" %s %llu", kPhaseNames[static_cast<std::size_t>(phase)], number(count));
  }
  std::printf("\nsmall segment: %llu evictions, %llu moves, %llu chunks reclaimed, %llu rereads\n",
              number(small.evictions), number(small.moves), number(small.reclaims), number(small.rereads));
  std::printf("increments acknowledged: %lld, in flight at deaths: %lld\n", static_cast<long long>(counted),
              static_cast<long long>(in_flight));
  std::printf("%s: %llu faults\n", board_->faults.load() == 0 ? "passed" : "FAILED", number(board_->faults.load()));
  std::fflush(stdout);
}

}  // namespace forklore::crash
