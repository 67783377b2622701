// Many processes hand one lock, one semaphore and one computation from each to the next, while one of them is killed
// again and again, whoever it is: never two holders, never a hang, and who follows a dead one does so soon. Beside that
// they change what a value is computed of and erase the value: what was computed of an older state never comes after.
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <forklore/forklore.hpp>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "child.hpp"
#include "crash/checked_value.hpp"
#include "unique_name.hpp"

using namespace forklore;
using namespace std::chrono_literals;
using crash::Random;
using tests::Child;
using Clock = std::chrono::steady_clock;

namespace {

constexpr char kHelp[] =
    "usage: handover_storm [--handovers N] [--seed N] [--beyond-lines] [--quiet]\n"
    "\n"
    "Eight processes hand a lock, a semaphore of three and the computation of one value to each other; all the while "
    "one\n"
    "of them, often the holder, is killed and replaced. Fails if two hold at once, if a fencing token does not grow, "
    "if\n"
    "a value comes back that was erased after it was computed, if nothing happens for 10 s, or if the segment is not\n"
    "sound at the end.\n"
    "\n"
    "  --handovers N   of the lock and the computation together, until it ends (default 20000)\n"
    "  --seed N        of whom to kill, and when (default 1)\n"
    "  --beyond-lines  computations find no line left in the table, and have placeholders among the entries\n"
    "  --quiet         the last lines alone\n";

constexpr unsigned kWorkers = 8;
constexpr unsigned kLimit = 3;
constexpr unsigned kMost = 1 << 16;  // lives of workers

/// What exactly one life may be in at a time. A life is a number that is never used again.
struct Room {
  std::atomic<std::uint32_t> inside{0};
  std::atomic<std::uint64_t> entered{0};
  std::atomic<std::uint64_t> last_token{0};
  std::atomic<std::uint64_t> after_death{0};  // entered behind one that was killed inside
  std::atomic<std::int64_t> slowest{0};       // of these, ns from the kill on
};

struct Board {
  std::atomic<bool> stop{false};
  Room lock, computation;
  std::array<std::atomic<std::uint32_t>, kLimit + 1> seats{};  // of the semaphore; one more than may be taken
  std::atomic<std::uint64_t> seated{0};
  std::atomic<std::uint64_t> source{0};       // what a price is computed of
  std::atomic<std::uint64_t> invalidated{0};  // up to this source: prices of older ones have been erased
  std::atomic<std::uint64_t> priced{0};       // prices that were asked for and hold
  std::atomic<std::uint64_t> faults{0};
  std::array<std::atomic<std::int64_t>, kMost> killed{};  // of a life: when, ns; stored before the kill
};

std::int64_t now_ns() { return Clock::now().time_since_epoch().count(); }

void fault(Board& board, const char* what, std::uint64_t first, std::uint64_t second) {
  ++board.faults;
  std::printf("FAULT: %s (%llu, %llu)\n", what, static_cast<unsigned long long>(first),
              static_cast<unsigned long long>(second));
  std::fflush(stdout);
}

/// The life is in there from here on; whoever was before it must have left or been killed.
void enter(Board& board, Room& room, std::uint32_t life) {
  const std::uint32_t before = room.inside.exchange(life);
  if (before != 0) {
    const std::int64_t killed = board.killed[before].load();
    if (killed == 0) fault(board, "two hold at once", before, life);
    ++room.after_death;
    const std::int64_t since = now_ns() - killed;
    for (std::int64_t most = room.slowest; since > most && !room.slowest.compare_exchange_weak(most, since);) {
    }
  }
  ++room.entered;
}

void leave(Board& board, Room& room, std::uint32_t life) {
  const std::uint32_t now = room.inside.exchange(0);
  if (now != life) fault(board, "another came while one was inside", now, life);
}

void dawdle(Random& random) {
  // Mostly at once, so that handovers are many; now and then long enough to be killed inside.
  if (random.one_in(16)) ::usleep(random.below(3000));
}

void use_lock(Board& board, Cache& cache, std::uint32_t life, Random& random) {
  Lock lock(cache, "lock");
  const Code code = lock.acquire(30s);
  if (code != Code::ok) return fault(board, "a lock is not to be had for 30 s", static_cast<unsigned>(code), life);
  enter(board, board.lock, life);
  const std::uint64_t before = board.lock.last_token.exchange(lock.token());
  if (lock.token() <= before) fault(board, "a fencing token does not grow", before, lock.token());
  dawdle(random);
  if (!lock.held()) fault(board, "a lock is lost by a living holder", life, lock.token());
  leave(board, board.lock, life);
  if (!lock.release()) fault(board, "a lock cannot be given back", life, lock.token());
}

void use_semaphore(Board& board, Cache& cache, std::uint32_t life, Random& random) {
  Lock lock(cache, "semaphore", {.limit = kLimit});
  const Code code = lock.acquire(30s);
  if (code != Code::ok) return fault(board, "a semaphore is not to be had for 30 s", static_cast<unsigned>(code), life);
  // One of three seats must be free, or have been a dead one's.
  bool seated = false;
  for (unsigned seat = 0; seat < kLimit && !seated; ++seat) {
    std::uint32_t before = board.seats[seat].load();
    const bool free = before == 0 || board.killed[before].load() != 0;
    seated = free && board.seats[seat].compare_exchange_strong(before, life);
    if (free && !seated) seat = ~0u;  // somebody was faster: look at all of them again
  }
  if (!seated) fault(board, "more hold a semaphore than its limit", life, kLimit);
  ++board.seated;
  dawdle(random);
  for (auto& seat : board.seats) {
    std::uint32_t mine = life;
    if (seat.compare_exchange_strong(mine, 0)) break;
  }
}

void use_computation(Board& board, Cache& cache, std::uint32_t life, Random& random) {
  const Ttl ttl = random.one_in(64) ? 2ms : 0ms;  // mostly not kept, so that the next one computes too
  const auto compute = [&] {
    enter(board, board.computation, life);
    dawdle(random);
    leave(board, board.computation, life);
    return "computed";
  };
  const std::string value =
      get_or_compute(cache, "value", ttl, compute, {.stale_for = random.one_in(2) ? 1ms : 0ms, .wait = 30s});
  if (value != "computed") fault(board, "a value that nobody computed", life, value.size());
}

void use_price(Board& board, Cache& cache, std::uint32_t life, Random& random) {
  if (random.one_in(4)) {
    const std::uint64_t source = ++board.source;
    const Code code = cache.erase("price");
    if (code != Code::ok && code != Code::not_found)
      return fault(board, "no erasing", static_cast<unsigned>(code), life);
    for (std::uint64_t most = board.invalidated;
         source > most && !board.invalidated.compare_exchange_weak(most, source);) {
    }
    return;
  }
  const std::uint64_t least = board.invalidated;
  const auto compute = [&] {
    const std::uint64_t source = board.source;
    dawdle(random);
    return std::to_string(source);
  };
  const ComputeOptions options{.stale_for = random.one_in(2) ? 1ms : 0ms, .wait = 30s};
  const std::string price = get_or_compute(cache, "price", random.one_in(4) ? 1ms : kForever, compute, options);
  if (std::stoull(price) < least) fault(board, "an invalidated value came back", std::stoull(price), least);
  ++board.priced;
}

int work(Board& board, const std::string& name, std::uint32_t life, std::uint64_t seed) {
  Cache cache = Cache::attach(name);
  Random random(seed + life);
  while (!board.stop) {
    switch (random.below(4)) {
      case 0:
        use_lock(board, cache, life, random);
        break;
      case 1:
        use_semaphore(board, cache, life, random);
        break;
      case 2:
        use_price(board, cache, life, random);
        break;
      default:
        use_computation(board, cache, life, random);
    }
  }
  return 0;
}

struct Arguments {
  std::uint64_t handovers = 20'000;
  std::uint64_t seed = 1;
  bool beyond_lines = false;
  bool quiet = false;
};

bool parse(int count, char** given, Arguments& arguments) {
  for (int i = 1; i < count; ++i) {
    const std::string_view option = given[i];
    if (option == "--quiet") {
      arguments.quiet = true;
      continue;
    }
    if (option == "--beyond-lines") {
      arguments.beyond_lines = true;
      continue;
    }
    if ((option != "--handovers" && option != "--seed") || i + 1 == count) return false;
    char* end = nullptr;
    const std::uint64_t number = std::strtoull(given[++i], &end, 10);
    if (end == given[i] || *end != '\0') return false;
    (option == "--seed" ? arguments.seed : arguments.handovers) = number;
  }
  return true;
}

class Storm {
 public:
  Storm(const Arguments& arguments, Board& board)
      : arguments_(arguments),
        board_(board),
        random_(arguments.seed),
        cache_(Cache::open({.name = name_, .capacity_bytes = kMinCapacityBytes, .stripes = 1})) {}

  int run() {
    if (arguments_.beyond_lines) take_lines();
    for (unsigned i = 0; i < kWorkers; ++i) begin();
    const auto begun = Clock::now();
    auto moved = begun;
    auto told = begun;
    std::uint64_t last = 0;
    while (handovers() < arguments_.handovers && board_.faults == 0 && next_ < kMost) {
      ::usleep(500 + random_.below(4000));
      kill_one();
      const auto now = Clock::now();
      if (handovers() != last) moved = now;
      last = handovers();
      if (now - moved > 10s) fault(board_, "nothing happens", last, 10);
      if (!arguments_.quiet && now - told > 1s) {
        told = now;
        std::fprintf(stderr, "\r%llu of %llu handovers, %llu kills ", static_cast<unsigned long long>(last),
                     static_cast<unsigned long long>(arguments_.handovers), static_cast<unsigned long long>(kills_));
      }
    }
    board_.stop = true;
    for (auto& worker : workers_) {
      if (worker.child.join() != 0) fault(board_, "a worker ends badly", worker.life, 0);
    }
    for (const std::string& broken : cache_.verify()) {
      std::printf("FAULT: %s\n", broken.c_str());
      ++board_.faults;
    }
    const Stats stats = cache_.stats();
    // What the last ones killed held goes with the next that want it.
    Lock lock(cache_, "lock");
    if (lock.acquire(20s) != Code::ok) fault(board_, "the lock is not free at the end", 0, 0);
    if (!arguments_.quiet) std::fprintf(stderr, "\r%60s\r", "");
    const double seconds = std::chrono::duration<double>(Clock::now() - begun).count();
    const auto line = [](const char* what, const Room& room) {
      std::printf("%-12s %8llu handovers, %6llu of them from one killed inside, the slowest after %.1f ms\n", what,
                  static_cast<unsigned long long>(room.entered), static_cast<unsigned long long>(room.after_death),
                  static_cast<double>(room.slowest.load()) / 1e6);
    };
    line("lock", board_.lock);
    line("computation", board_.computation);
    std::printf("%-12s %8llu handovers\n", "semaphore", static_cast<unsigned long long>(board_.seated));
    std::printf("%-12s %8llu asked for amid %llu invalidations\n", "price",
                static_cast<unsigned long long>(board_.priced), static_cast<unsigned long long>(board_.source));
    std::printf("%llu kills in %.1f s, %llu leases taken over, %llu faults\n", static_cast<unsigned long long>(kills_),
                seconds, static_cast<unsigned long long>(stats.leases_taken_over),
                static_cast<unsigned long long>(board_.faults.load()));
    return board_.faults == 0 && kills_ > 0 && handovers() >= arguments_.handovers ? 0 : 1;
  }

 private:
  struct Worker {
    std::uint32_t life;
    Child child;
  };

  /// All for computations, by this process, which is not killed.
  void take_lines() {
    const unsigned lines = cache_.stats().computation_lines;
    for (unsigned i = 0; i < lines; ++i) keys_.push_back("line" + std::to_string(i));
    std::string value;
    for (const std::string& key : keys_) {
      held_.push_back(std::make_unique<Computation>(cache_, key));
      if (held_.back()->begin(value) != Turn::compute) fault(board_, "a line is not to be had", 0, 0);
    }
  }

  [[nodiscard]] std::uint64_t handovers() const { return board_.lock.entered + board_.computation.entered; }

  void begin() {
    const std::uint32_t life = next_++;
    workers_.push_back({life, Child([&] { return work(board_, name_, life, arguments_.seed); })});
  }

  /// Somebody who is inside at this moment, and stopped there; nobody if that is not to be had.
  std::vector<Worker>::iterator stop_inside(const Room& room) {
    for (int attempt = 0; attempt < 20; ++attempt) {
      const std::uint32_t life = room.inside.load();
      const auto worker =
          std::find_if(workers_.begin(), workers_.end(), [&](const Worker& w) { return w.life == life; });
      if (worker == workers_.end()) continue;
      siginfo_t info{};
      worker->child.signal(SIGSTOP);
      ::waitid(P_PID, static_cast<::id_t>(worker->child.pid()), &info, WSTOPPED);
      if (room.inside.load() == life) return worker;
      worker->child.signal(SIGCONT);
    }
    return workers_.end();
  }

  void kill_one() {
    auto victim = workers_.end();
    if (random_.below(4) != 0) victim = stop_inside(random_.one_in(2) ? board_.lock : board_.computation);
    if (victim == workers_.end()) victim = workers_.begin() + random_.below(kWorkers);
    if (random_.one_in(16)) ::usleep(80'000);  // who is stopped is not dead: nobody may come meanwhile
    board_.killed[victim->life] = now_ns();
    victim->child.signal(SIGKILL);
    victim->child.wait_for_end();
    if (random_.one_in(4)) ::usleep(60'000);  // a zombie is
    victim->child.kill();
    workers_.erase(victim);
    ++kills_;
    begin();
  }

  const Arguments& arguments_;
  Board& board_;
  Random random_;
  tests::UniqueName name_;
  Cache cache_;
  std::vector<std::string> keys_;
  std::vector<std::unique_ptr<Computation>> held_;
  std::vector<Worker> workers_;
  std::uint32_t next_ = 1;
  std::uint64_t kills_ = 0;
};

}  // namespace

int main(int count, char** given) {
  Arguments arguments;
  if (!parse(count, given, arguments)) {
    const bool asked = count == 2 && std::string_view(given[1]) == "--help";
    std::fputs(kHelp, asked ? stdout : stderr);
    return asked ? 0 : 2;
  }
  void* memory = ::mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return 2;
  return Storm(arguments, *new (memory) Board).run();
}
