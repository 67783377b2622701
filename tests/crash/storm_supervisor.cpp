#include "crash/storm_supervisor.hpp"

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "crash/phase_probe.hpp"
#include "store/segment.hpp"

namespace forklore::crash {
namespace {

Board* map_board(int descriptor) {
  void* at = ::mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  return at == MAP_FAILED ? nullptr : static_cast<Board*>(at);
}

void pause_for(std::uint32_t microseconds) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds(microseconds);
  if (microseconds > 200) return std::this_thread::sleep_until(until);
  while (std::chrono::steady_clock::now() < until) {
  }
}

}  // namespace

Supervisor::Supervisor(const StormOptions& options, const std::string& program, const std::string& base_name)
    : options_(options),
      program_(program),
      base_name_(base_name),
      names_(base_name),
      segments_(names_),
      random_(options.seed),
      board_descriptor_(::memfd_create("forklore-storm", 0)) {
  if (::ftruncate(board_descriptor_, sizeof(Board)) != 0 || ::pipe(acks_) != 0) throw std::runtime_error("no board");
  board_ = map_board(board_descriptor_);
  if (board_ == nullptr) throw std::runtime_error("cannot map the board");
  ::fcntl(acks_[0], F_SETFL, O_NONBLOCK);
  ::fcntl(acks_[1], F_SETPIPE_SZ, 1 << 20);
  map_locks(segments_.small, 6);
  map_locks(segments_.room, 1);
  map_locks(segments_.strict, 1);
  for (std::uint32_t key = 0; key < kCounters; ++key) {
    std::int64_t now = 0;
    if (segments_.of(key).increment(counter_name(key), 0, now, 0) != Code::ok) throw std::runtime_error("no counters");
  }
}

Supervisor::~Supervisor() {
  for (const Worker& worker : workers_) {
    if (worker.pid <= 0) continue;
    ::kill(worker.pid, SIGKILL);
    ::waitpid(worker.pid, nullptr, 0);
  }
  for (const auto& name : {names_.small, names_.room, names_.strict}) remove_segment(name);
}

void Supervisor::map_locks(const Cache& cache, std::uint32_t weight) {
  std::error_code error;
  const base::File file = base::File::open(cache.path(), base::File::Access::read, 0600, error);
  base::Mapping mapping = base::Mapping::map(file, true, error);
  std::string why;
  const auto description =
      store::describe(*reinterpret_cast<const store::SegmentHeader*>(mapping.data()), mapping.size(), why);
  if (error || !description) throw std::runtime_error("cannot look at the locks of " + cache.path() + why);
  const store::Geometry& g = description->geometry;
  for (std::uint32_t i = 0; i < g.shape.stripes; ++i) {
    const std::byte* stripe = mapping.data() + g.stripes_at + i * g.stripe_bytes;
    targets_.push_back({&reinterpret_cast<const store::StripeHeader*>(stripe)->lock, weight});
  }
  mappings_.push_back(std::move(mapping));
}

void Supervisor::fault(const std::string& what) {
  std::printf("FAULT: %s\n", what.c_str());
  std::fflush(stdout);
  board_->faults.fetch_add(1);
}

int Supervisor::be_worker(char** arguments) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const auto number = static_cast<std::uint32_t>(std::atoi(arguments[0]));
  Board* board = map_board(std::atoi(arguments[2]));
  if (board == nullptr || number >= kWorkers) return 2;
  keep_phases(board->workers[number]);
  Segments segments{Names(arguments[1])};
  StormWorker(number, *board, std::atoi(arguments[3]), segments, std::strtoull(arguments[4], nullptr, 10)).run();
  return 0;
}

void Supervisor::start(std::uint32_t number) {
  const std::uint64_t seed = random_.next();
  const bool anew = random_.one_in(8);
  executed_ += anew ? 1 : 0;
  std::fflush(stdout);
  const ::pid_t pid = ::fork();
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (anew) {
      ::execl(program_.c_str(), program_.c_str(), "--worker", std::to_string(number).c_str(), base_name_.c_str(),
              std::to_string(board_descriptor_).c_str(), std::to_string(acks_[1]).c_str(), std::to_string(seed).c_str(),
              nullptr);
      ::_exit(127);
    }
    keep_phases(board_->workers[number]);
    StormWorker(number, *board_, acks_[1], segments_, seed).run();
    ::_exit(0);
  }
  if (pid < 0) throw std::runtime_error("cannot fork");
  Worker& worker = workers_[number];
  worker.pid = pid;
  worker.stopped = false;
  worker.moved = Clock::now();
}

void Supervisor::drain() {
  Ack acks[256];
  for (;;) {
    const ssize_t got = ::read(acks_[0], acks, sizeof acks);
    if (got <= 0) return;
    for (std::size_t i = 0; i < static_cast<std::size_t>(got) / sizeof(Ack); ++i) {
      const Ack& ack = acks[i];
      workers_[ack.worker].acknowledged = ack.intended;
      if (ack.kind == Intent::Kind::count) {
        ++counted_[ack.key];
      } else {
        acknowledged_[ack.worker][ack.key] = ack.state;
      }
    }
  }
}

void Supervisor::note_phase(const WorkerLine& line) {
  const std::uint32_t depth =
      std::min<std::uint32_t>(line.depth.load(), static_cast<std::uint32_t>(line.phases.size()));
  if (depth == 0) return;
  ++inside_;
  Phase last = Phase::other;
  for (std::uint32_t i = 0; i < depth; ++i) {
    if (const Phase phase = line.phases[i].load(); phase != Phase::other) last = phase;
  }
  ++innermost_[last];
  relocating_ += is_in(line, Phase::relocate) ? 1 : 0;
  recovering_ += is_in(line, Phase::recover) ? 1 : 0;
}

bool Supervisor::is_in(const WorkerLine& line, Phase wanted) {
  const auto begin = line.phases.begin();
  const auto end = begin + std::min<std::uint32_t>(line.depth.load(), static_cast<std::uint32_t>(line.phases.size()));
  return std::any_of(begin, end, [&](const std::atomic<Phase>& phase) { return phase.load() == wanted; });
}

/// What a dead worker had announced and not acknowledged has happened or has not; nothing else.
void Supervisor::resolve(std::uint32_t number) {
  WorkerLine& line = board_->workers[number];
  drain();
  const Intent intent = Intent::unpack(line.intent.load());
  const bool pending = intent.kind != Intent::Kind::none && line.intended.load() != workers_[number].acknowledged;
  if (pending && intent.kind == Intent::Kind::count) {
    ++in_flight_[intent.key];
  } else if (pending) {
    EntryState& known = acknowledged_[number][intent.key];
    std::string value;
    const std::string name = entry_name(number, intent.key);
    const Code code = segments_.of(intent.key).get(name, value);
    EntryState now = is_present(known) ? intent.state : known;  // if it is not there: the one of the two that says so
    if (code == Code::ok) {
      const auto counter = read_checked(entry_number(number, intent.key), value);
      now = counter ? *counter << 1 | 1u : 0;
      if (!counter) fault(name + ": torn after a death");
    }
    if (now != known && now != intent.state) {
      fault(name + ": is " + std::to_string(now) + " after a death, which is neither the old " + std::to_string(known) +
            " nor the new " + std::to_string(intent.state));
    }
    if (code == Code::not_found && is_present(known) && is_present(intent.state)) fault(name + ": lost by a death");
    known = now;
    line.committed[intent.key].store(now);
  }
  line.intent.store(0);
  line.depth.store(0);
}

void Supervisor::kill(std::uint32_t number) {
  Worker& worker = workers_[number];
  ::kill(worker.pid, SIGKILL);
  int status = 0;
  ::waitpid(worker.pid, &status, 0);
  if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
    fault("worker " + std::to_string(number) + " ended by itself, status " + std::to_string(status));
  }
  ++kills_;
  note_phase(board_->workers[number]);
  resolve(number);
  start(number);
}

void Supervisor::kill_owner() {
  std::uint32_t all = 0;
  for (const Target& target : targets_) all += target.weight;
  std::uint32_t pick = random_.below(all);
  const Target* target = targets_.data();
  while (pick >= target->weight) pick -= (target++)->weight;
  pause_for(random_.below(60));
  for (int look = 0; look < 20'000; ++look) {
    const std::uint32_t word = target->word->load(std::memory_order_relaxed);
    if ((word & FUTEX_TID_MASK) == 0 || (word & FUTEX_OWNER_DIED) != 0) continue;
    for (std::uint32_t i = 0; i < kWorkers; ++i) {
      if (workers_[i].pid == static_cast<::pid_t>(word & FUTEX_TID_MASK)) return kill(i);
    }
  }
}

/// Makes all workers stand still and kills one that is in a phase that is short and delicate. Of those that run, one
/// would have left it before the signal comes.
void Supervisor::kill_in(Phase wanted) {
  constexpr int kLooks = 8;
  bool found = false;
  for (int look = 0; look < kLooks && !found; ++look) {
    for (const Worker& worker : workers_) ::kill(worker.pid, SIGSTOP);
    for (std::uint32_t i = 0; i < kWorkers; ++i) {
      int status = 0;
      if (!workers_[i].stopped) ::waitpid(workers_[i].pid, &status, WUNTRACED);
      if (found || !is_in(board_->workers[i], wanted)) continue;
      found = true;
      kill(i);
    }
    for (const Worker& worker : workers_) {
      if (!worker.stopped) ::kill(worker.pid, SIGCONT);
    }
  }
}

void Supervisor::stop_or_continue() {
  Worker& worker = workers_[random_.below(kWorkers)];
  ::kill(worker.pid, worker.stopped ? SIGCONT : SIGSTOP);
  stops_ += worker.stopped ? 0 : 1;
  worker.stopped = !worker.stopped;
  worker.moved = Clock::now();
}

void Supervisor::continue_all() {
  for (Worker& worker : workers_) {
    if (!worker.stopped) continue;
    ::kill(worker.pid, SIGCONT);
    worker.stopped = false;
    worker.moved = Clock::now();
  }
}

void Supervisor::strike() {
  const std::uint32_t what = random_.below(16);
  if (what < 6) {
    kill_owner();
  } else if (what < 10) {
    kill_in(Phase::relocate);
  } else if (what < 13) {
    pause_for(random_.below(1500));
    kill(random_.below(kWorkers));
  } else {
    stop_or_continue();
    if (random_.one_in(3)) continue_all();
  }
}

void Supervisor::watch() {
  const auto now = Clock::now();
  for (std::uint32_t i = 0; i < kWorkers; ++i) {
    Worker& worker = workers_[i];
    const std::uint64_t calls = board_->workers[i].calls.load();
    if (calls != worker.calls || worker.stopped) {
      worker.calls = calls;
      worker.moved = now;
    } else if (now - worker.moved > kHang) {
      fault("worker " + std::to_string(i) + " has not moved for " + std::to_string(kHang.count()) + " s: it hangs");
      for (const Target& target : targets_) std::printf("  lock word %08x\n", target.word->load());
      hung_ = true;
    }
  }
}

void Supervisor::verify() {
  continue_all();
  for (Cache* cache : {&segments_.small, &segments_.room, &segments_.strict}) {
    for (const std::string& what : cache->verify()) fault(cache->path() + ": " + what);
  }
  ++verified_;
}

std::uint64_t Supervisor::owner_deaths() const {
  return segments_.small.stats().recoveries + segments_.room.stats().recoveries + segments_.strict.stats().recoveries;
}

int Supervisor::run() {
  std::printf("kill storm: seed %llu, %u workers, %llu kills\n", static_cast<unsigned long long>(options_.seed),
              kWorkers, static_cast<unsigned long long>(options_.kills));
  for (std::uint32_t i = 0; i < kWorkers; ++i) start(i);
  auto told = Clock::now();
  std::uint64_t verified_at = 0;
  while (kills_ < options_.kills && !hung_ && board_->faults.load() < 20) {
    if (options_.seconds != 0 && Clock::now() - begun_ > std::chrono::seconds(options_.seconds)) break;
    strike();
    drain();
    watch();
    if (kills_ >= verified_at + 50) {
      verified_at = kills_;
      verify();
    }
    if (options_.progress && Clock::now() - told > std::chrono::seconds(5)) {
      told = Clock::now();
      std::printf("  %llu kills, %llu owner deaths, %llu while entries moved, %llu faults\n",
                  static_cast<unsigned long long>(kills_), static_cast<unsigned long long>(owner_deaths()),
                  static_cast<unsigned long long>(relocating_), static_cast<unsigned long long>(board_->faults.load()));
      std::fflush(stdout);
    }
  }
  judge();
  report();
  return board_->faults.load() == 0 ? 0 : 1;
}

}  // namespace forklore::crash
