// prefork_demo.cpp - A server that forks its workers, in small: they share entries and counters through one segment,
// one is killed with SIGKILL while it works, and its successor goes on. Prints what each worker found and what of that
// another had stored, and checks that nothing is lost: exit 0 only if so.
//
// Each worker tells the parent through a pipe what each operation came to. What a killed worker has told stays in the
// pipe, so the parent knows exactly which calls have returned; the one call in flight may have happened or not.
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <forklore/forklore.hpp>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr unsigned kProducts = 4000;
constexpr unsigned kCounters = 64;
constexpr std::size_t kPageBytes = 1000;

struct Arguments {
  unsigned workers = 4;
  unsigned operations = 100'000;  // of each worker
  unsigned kills = 1;
};

/// What one operation came to, as a worker tells it.
struct Told {
  enum Outcome : std::uint8_t { stored, found_own, found_others, wrong } outcome;
  std::uint8_t counter;   // the counter that was raised
  std::uint16_t product;  // the page that was wanted
};
static_assert(sizeof(Told) == 4);

/// One worker, as the parent sees it.
struct Worker {
  pid_t pid = 0;
  int pipe = -1;            // -1: at its end
  unsigned operations = 0;  // that it is to do; a doomed one goes on until it is killed
  unsigned done = 0;
  unsigned stored = 0;
  unsigned found = 0;
  unsigned found_others = 0;
  bool doomed = false;  // is to be killed on the way
  bool killed = false;
  bool failed = false;
};

volatile std::sig_atomic_t interrupted = 0;
void interrupt(int) { interrupted = 1; }

// A page says who made it, then repeats the product's number: any torn or mixed up page shows.
std::string make_page(unsigned product, pid_t maker) {
  std::string page = std::to_string(maker) + ':';
  while (page.size() < kPageBytes) page += std::to_string(product) + ',';
  return page;
}

Told::Outcome judge_page(std::string_view page, unsigned product) {
  pid_t maker = 0;
  std::from_chars(page.data(), page.data() + page.size(), maker);
  if (page != make_page(product, maker)) return Told::wrong;
  return maker == ::getpid() ? Told::found_own : Told::found_others;
}

/// One request: show a page, which somebody may have made already, and count the visit.
Told serve(forklore::Cache& cache, unsigned product, std::string& page) {
  Told told{Told::wrong, static_cast<std::uint8_t>(product % kCounters), static_cast<std::uint16_t>(product)};
  const std::string key = "page:" + std::to_string(product);
  forklore::Code code = cache.get(key, page);
  if (code == forklore::Code::not_found) {
    code = cache.add(key, make_page(product, ::getpid()));
    if (code == forklore::Code::ok) told.outcome = Told::stored;
    if (code == forklore::Code::exists) code = cache.get(key, page);  // another was faster
  }
  if (code == forklore::Code::ok && told.outcome != Told::stored) told.outcome = judge_page(page, product);

  std::int64_t visits = 0;
  if (cache.increment("visits:" + std::to_string(told.counter), 1, visits, 0) != forklore::Code::ok) {
    told.outcome = Told::wrong;
  }
  return told;
}

[[noreturn]] void work(forklore::Cache& cache, const Worker& worker, int pipe) {
  std::signal(SIGINT, SIG_IGN);  // the parent ends its workers
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  std::minstd_rand random(static_cast<unsigned>(::getpid()));
  std::string page;
  for (unsigned i = 0; i < worker.operations || worker.doomed; ++i) {
    const Told told = serve(cache, static_cast<unsigned>(random()) % kProducts, page);
    if (::write(pipe, &told, sizeof told) != sizeof told) ::_exit(1);
  }
  ::_exit(0);
}

Worker fork_worker(forklore::Cache& cache, unsigned operations, bool doomed) {
  std::array<int, 2> pipe{};
  Worker worker;
  worker.operations = operations;
  worker.doomed = doomed;
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) {
    std::perror("pipe2");
    worker.failed = true;
    return worker;
  }
  ::fcntl(pipe[0], F_SETPIPE_SZ, 32768);  // so that a worker is never far ahead of what it has told
  worker.pid = ::fork();
  if (worker.pid == 0) {
    ::close(pipe[0]);
    work(cache, worker, pipe[1]);
  }
  ::close(pipe[1]);
  worker.pipe = pipe[0];
  if (worker.pid < 0) {
    std::perror("fork");
    worker.failed = true;
    ::close(worker.pipe);
    worker.pipe = -1;
  }
  return worker;
}

/// What all workers have told, and what follows from it.
struct Account {
  std::vector<Worker> workers;
  std::array<std::uint64_t, kCounters> visits{};
  std::set<unsigned> products;
  unsigned stored = 0;
  unsigned wrong = 0;
  unsigned kills = 0;
  std::ptrdiff_t first_workers = 0;  // those after them are successors

  void take(Worker& worker, const Told& told) {
    ++worker.done;
    ++visits.at(told.counter);
    products.insert(told.product);
    if (told.outcome == Told::wrong) ++wrong;
    if (told.outcome == Told::stored) {
      ++stored;
      ++worker.stored;
    }
    if (told.outcome == Told::found_own || told.outcome == Told::found_others) ++worker.found;
    if (told.outcome == Told::found_others) ++worker.found_others;
  }

  /// Takes what the worker has told; at the end of its pipe, how it ended.
  void read(Worker& worker) {
    std::array<Told, 256> told;
    const ssize_t bytes = ::read(worker.pipe, told.data(), sizeof told);
    if (bytes < 0 && errno == EINTR) return;
    if (bytes <= 0) {
      int status = 0;
      ::close(worker.pipe);
      worker.pipe = -1;
      ::waitpid(worker.pid, &status, 0);
      worker.killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
      worker.failed = worker.killed ? !worker.doomed : !WIFEXITED(status) || WEXITSTATUS(status) != 0;
      return;
    }
    for (std::size_t i = 0; i < static_cast<std::size_t>(bytes) / sizeof(Told); ++i) take(worker, told.at(i));
  }
};

/// Plays it all: workers work, the doomed one is killed half way, its successor does the rest.
Account play(forklore::Cache& cache, const Arguments& arguments) {
  Account account;
  account.first_workers = arguments.workers;
  for (unsigned i = 0; i < arguments.workers; ++i) {
    account.workers.push_back(
        fork_worker(cache, arguments.operations, i == 1 % arguments.workers && arguments.kills > 0));
  }
  const unsigned between_kills = arguments.operations / (arguments.kills + 1);
  while (interrupted == 0) {
    std::vector<pollfd> waiting;
    std::vector<std::size_t> whose;
    for (std::size_t i = 0; i < account.workers.size(); ++i) {
      if (account.workers[i].pipe < 0) continue;
      waiting.push_back({account.workers[i].pipe, POLLIN, 0});
      whose.push_back(i);
    }
    if (waiting.empty()) break;
    if (::poll(waiting.data(), waiting.size(), 1000) < 0 && errno != EINTR) break;
    for (std::size_t i = 0; i < waiting.size(); ++i) {
      if (waiting[i].revents == 0) continue;
      account.read(account.workers[whose[i]]);
      const Worker worker = account.workers[whose[i]];
      if (worker.doomed && worker.pipe >= 0 && worker.done >= between_kills) ::kill(worker.pid, SIGKILL);
      if (worker.killed && worker.pipe < 0) {
        ++account.kills;
        const unsigned rest = worker.done < worker.operations ? worker.operations - worker.done : 1;
        account.workers.push_back(fork_worker(cache, rest, account.kills < arguments.kills));
      }
    }
  }
  for (Worker& worker : account.workers) {  // after Ctrl-C
    if (worker.pipe < 0) continue;
    ::kill(worker.pid, SIGKILL);
    ::waitpid(worker.pid, nullptr, 0);
    ::close(worker.pipe);
    worker.failed = true;
  }
  return account;
}

void print_table(const Account& account) {
  std::printf("%12s %12s %12s %20s\n", "worker", "operations", "found", "stored by another");
  bool heir = false;
  for (const Worker& worker : account.workers) {
    std::printf("%12d %12u %12u %20u   %s%s\n", worker.pid, worker.done, worker.found, worker.found_others,
                heir ? "successor" : "", worker.killed ? (heir ? ", killed in turn" : "killed while it worked") : "");
    heir = heir || &worker - account.workers.data() + 1 == account.first_workers;
  }
}

bool check(bool holds, const std::string& what) {
  std::printf("  %s %s\n", holds ? "\u2713" : "\u2717", what.c_str());
  return holds;
}

/// The counters that the segment holds against what was told: never less, and at most a call for each kill more.
bool check_counters(forklore::Cache& cache, const Account& account) {
  std::uint64_t told = 0;
  std::uint64_t counted = 0;
  unsigned lost = 0;
  for (unsigned i = 0; i < kCounters; ++i) {
    std::int64_t visits = 0;
    const forklore::Code code = cache.increment("visits:" + std::to_string(i), 0, visits, 0);
    if (code != forklore::Code::ok || static_cast<std::uint64_t>(visits) < account.visits.at(i)) ++lost;
    told += account.visits.at(i);
    counted += static_cast<std::uint64_t>(visits);
  }
  return check(lost == 0 && counted >= told && counted - told <= account.kills,
               std::to_string(counted) + " visits counted, " + std::to_string(told) + " acknowledged; at most " +
                   std::to_string(account.kills) + " may have been in flight");
}

bool check_all(forklore::Cache& cache, const Arguments& arguments, const Account& account) {
  unsigned failed = 0;
  unsigned idle = 0;
  for (const Worker& worker : account.workers) {
    if (worker.failed || (!worker.killed && worker.done != worker.operations)) ++failed;
    // One that was alone for long enough may have stored every page itself.
    const bool others = worker.found_others > 0 || worker.stored == account.products.size();
    if (arguments.workers > 1 && worker.operations > kProducts && !others) ++idle;
  }
  bool good = check(failed == 0 && account.kills == arguments.kills,
                    std::to_string(account.kills) + " killed, every other worker did all of its work");
  good &= check_counters(cache, account);
  good &= check(account.wrong == 0, "every page read is whole and the right one");
  const std::size_t products = account.products.size();
  good &= check(account.stored <= products && products - account.stored <= account.kills,
                std::to_string(products) + " pages, " + std::to_string(account.stored) +
                    " stores acknowledged: made once, then found by all");
  good &= check(idle == 0, "every worker found pages that another had stored");
  const std::vector<std::string> faults = cache.verify();
  for (const std::string& fault : faults) std::printf("    %s\n", fault.c_str());
  good &= check(faults.empty(), "the segment is sound (verify)");
  return good;
}

bool parse(std::string_view text, unsigned low, unsigned high, unsigned& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && number >= low && number <= high;
}

constexpr const char* kUsage =
    "usage: prefork_demo [--workers N] [--operations N] [--kills N]\n"
    "  --workers N      processes that share the segment, 1 to 64 (default 4)\n"
    "  --operations N   of each worker, 100 to 100000000 (default 100000)\n"
    "  --kills N        how many workers to kill, one after the other, 0 to 50 (default 1)\n";

/// 0: go on; else the exit status plus 1.
int read_arguments(int argc, char** argv, Arguments& arguments) {
  for (int i = 1; i < argc; i += 2) {
    const std::string_view option = argv[i];
    const std::string_view value = i + 1 < argc ? argv[i + 1] : "";
    if (option == "--help" || option == "-h") return std::fputs(kUsage, stdout) < 0 ? 2 : 1;
    const bool good = option == "--workers"      ? parse(value, 1, 64, arguments.workers)
                      : option == "--operations" ? parse(value, 100, 100'000'000, arguments.operations)
                      : option == "--kills"      ? parse(value, 0, 50, arguments.kills)
                                                 : false;
    if (!good) {
      std::fprintf(stderr, "prefork_demo: bad option or value: %s\n%s", argv[i], kUsage);
      return 3;
    }
  }
  return 0;
}

int run(const Arguments& arguments) {
  forklore::Options options;
  options.name = "prefork-demo-" + std::to_string(::getpid());
  options.capacity_bytes = 16 * forklore::MiB;
  int status = 1;
  try {
    forklore::Cache cache = forklore::Cache::open(options);  // before fork: the workers inherit the handle
    std::printf("%u workers, %u operations each, on %s\n\n", arguments.workers, arguments.operations,
                cache.path().c_str());
    std::fflush(stdout);
    const Account account = play(cache, arguments);
    if (interrupted == 0) {
      print_table(account);
      std::printf("\n");
      if (check_all(cache, arguments, account)) status = 0;
    } else {
      status = 130;
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "prefork_demo: %s\n", error.what());
  }
  forklore::remove_segment(options.name);
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  if (const int status = read_arguments(argc, argv, arguments); status != 0) return status - 1;
  struct sigaction action {};
  action.sa_handler = interrupt;  // without SA_RESTART: poll returns
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  try {
    return run(arguments);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "prefork_demo: %s\n", error.what());
    return 1;
  }
}
