#include "workers.hpp"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <map>
#include <thread>

namespace bench {
namespace {

constexpr unsigned kMostWorkers = 256;
constexpr int kEndings[] = {SIGINT, SIGTERM, SIGHUP};

volatile std::sig_atomic_t told_to_end = 0;

void on_endings(void (*what)(int)) {
  struct sigaction action {};
  action.sa_handler = what;  // no SA_RESTART: a wait ends at once
  for (const int one : kEndings) ::sigaction(one, &action, nullptr);
}

void wait_for(sem_t& semaphore) {
  while (::sem_wait(&semaphore) != 0) {
  }
}

}  // namespace

void take_core(unsigned worker, unsigned workers) {
  const unsigned cores = std::thread::hardware_concurrency();
  cpu_set_t set;
  CPU_ZERO(&set);
  for (unsigned core = 0; core < cores; ++core) {
    if (workers > cores || core == worker) CPU_SET(core, &set);
  }
  ::pthread_setaffinity_np(::pthread_self(), sizeof set, &set);
}

void end_in_order() {
  on_endings([](int) { told_to_end = 1; });
}

/// What parent and workers share.
struct Workers::Board {
  struct Desk {
    sem_t go;
    unsigned place;  // among those that are at work
    Span span;
    char trouble[200];
  };
  const Workload* workload;  // nullptr: load
  bool load_shared;
  std::size_t entrant;
  std::size_t calls;
  unsigned workers;  // at work
  bool over;
  sem_t done;
  Desk desk[kMostWorkers];
};

namespace {

/// The life of one worker.
class Worker {
 public:
  Worker(unsigned number, const Entries& entries)
      : number_(number), entries_(entries), value_(entries.value_bytes, 'v') {}

  void open(const Site& site, const std::vector<Entrant>& entrants) {
    for (const Entrant& one : entrants) rivals_.push_back(one.open(site));
  }
  void load(std::size_t entrant, bool shared) { rivals_[entrant]->load(entries_, shared); }
  Span run(const Workload& workload, std::size_t entrant, std::size_t calls) {
    return rivals_[entrant]->run(workload, sequence(workload), calls, value_);
  }

 private:
  /// Made at the first use. Workloads that only treat the same keys differently share one.
  const std::vector<std::string>& sequence(const Workload& workload) {
    const bool plain = workload.kind == Kind::get_many || workload.kind == Kind::overwrite;
    auto& one = sequences_[{plain ? Kind::get : workload.kind, workload.keys}];
    if (one.empty()) one = key_sequence(workload, entries_, number_);
    return one;
  }

  unsigned number_;
  Entries entries_;
  std::string value_;
  std::vector<std::unique_ptr<Rival>> rivals_;
  std::map<std::pair<Kind, std::size_t>, std::vector<std::string>> sequences_;
};

}  // namespace

Workers::Workers(const Site& site, const Entries& entries, const std::vector<Entrant>& entrants, Crew most)
    : most_(most) {
  if (most.workers() > kMostWorkers) throw std::runtime_error("at most 256 workers");
  void* const shared = ::mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) throw std::runtime_error("no memory for the workers' board");
  board_ = new (shared) Board{};
  ::sem_init(&board_->done, 1, 0);
  for (auto& desk : board_->desk) ::sem_init(&desk.go, 1, 0);

  const auto live = [&](unsigned number) {
    Board::Desk& desk = board_->desk[number];
    Worker worker(number, entries);
    for (bool opened = false;;) {
      wait_for(desk.go);
      if (board_->over) return;
      take_core(desk.place, board_->workers);
      try {
        if (!opened) worker.open(site, entrants);
        opened = true;
        if (board_->workload == nullptr) {
          worker.load(board_->entrant, board_->load_shared);
        } else {
          desk.span = worker.run(*board_->workload, board_->entrant, board_->calls);
        }
      } catch (const std::exception& error) {
        std::strncpy(desk.trouble, error.what(), sizeof desk.trouble - 1);
      }
      ::sem_post(&board_->done);
    }
  };
  const ::pid_t parent = ::getpid();
  for (unsigned process = 0; process < most.processes; ++process) {
    const ::pid_t child = ::fork();
    if (child < 0) give_up("cannot fork");
    if (child != 0) {
      processes_.push_back(child);
      continue;
    }
    on_endings(SIG_IGN);  // the parent ends it
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);
    {
      std::vector<std::jthread> threads;
      for (unsigned i = 0; i < most.threads; ++i) threads.emplace_back(live, process * most.threads + i);
    }
    ::_exit(0);
  }
  for (std::size_t i = 0; i < entrants.size(); ++i) {
    board_->workload = nullptr;
    board_->entrant = i;
    for (const bool shared : {true, false}) {
      const Crew crew = shared ? Crew{1, 1} : most;
      board_->load_shared = shared;
      start(crew);
      finish(crew.workers());
    }
  }
}

Workers::~Workers() {
  board_->over = true;
  for (unsigned i = 0; i < most_.workers(); ++i) ::sem_post(&board_->desk[i].go);
  for (const ::pid_t process : processes_) ::waitpid(process, nullptr, 0);
  ::munmap(board_, sizeof(Board));
}

void Workers::start(Crew crew) {
  board_->workers = crew.workers();
  for (unsigned process = 0; process < crew.processes; ++process) {
    for (unsigned thread = 0; thread < crew.threads; ++thread) {
      Board::Desk& desk = board_->desk[process * most_.threads + thread];
      desk.place = process * crew.threads + thread;
      ::sem_post(&desk.go);
    }
  }
}

void Workers::finish(unsigned workers) {
  for (unsigned done = 0; done < workers;) {
    if (told_to_end != 0) give_up("told to end");
    timespec until{};
    ::clock_gettime(CLOCK_REALTIME, &until);
    ++until.tv_sec;
    if (::sem_timedwait(&board_->done, &until) == 0) {
      ++done;
    } else if (errno == ETIMEDOUT && ::waitpid(-1, nullptr, WNOHANG) > 0) {
      give_up("a worker died");
    }
  }
  for (const Board::Desk& desk : board_->desk) {
    if (desk.trouble[0] != '\0') throw std::runtime_error(desk.trouble);
  }
}

void Workers::give_up(const char* why) {
  for (const ::pid_t process : processes_) ::kill(process, SIGKILL);
  throw std::runtime_error(why);
}

double Workers::run(const Workload& workload, std::size_t entrant, std::size_t calls, Crew crew) {
  board_->workload = &workload;
  board_->entrant = entrant;
  board_->calls = calls;
  start(crew);
  finish(crew.workers());
  Span all{std::chrono::steady_clock::time_point::max(), std::chrono::steady_clock::time_point::min()};
  for (unsigned process = 0; process < crew.processes; ++process) {
    for (unsigned thread = 0; thread < crew.threads; ++thread) {
      const Span& one = board_->desk[process * most_.threads + thread].span;
      all = {std::min(all.begin, one.begin), std::max(all.end, one.end)};
    }
  }
  return std::chrono::duration<double, std::nano>(all.end - all.begin).count();
}

}  // namespace bench
