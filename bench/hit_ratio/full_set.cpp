// full_set.cpp - How long a set() takes that must make room: on a full segment of 64 MiB, and at memcached over its
// socket.
#include <getopt.h>
#include <libmemcached/memcached.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <exception>
#include <forklore/forklore.hpp>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "trace.hpp"

namespace {

constexpr char kUsage[] =
    "usage: %s [--sets N] [--memcached SOCKET]\n"
    "Sets new keys of 24 bytes with values of 100 on a full segment of 64 MiB, from one process and from four, and "
    "prints\n"
    "what a call takes in microseconds: the median, the slowest of a hundred and of a thousand, and the slowest of "
    "all; and the slowest of a thousand by\n"
    "the time for which it had a processor.\n"
    "  --sets N            by each process (default 200000)\n"
    "  --memcached SOCKET  of a memcached of 64 MiB: the same there\n";

constexpr std::size_t kCapacity = 64 << 20;
constexpr unsigned kFill = 700'000;  // more than fit anywhere

using Set = std::function<bool(const std::string& key, const std::string& value)>;

std::string key_of(unsigned process, unsigned number) {
  bench::Request request{};
  request.key = number;
  request.key_size = 23;
  std::string key;
  bench::write_key(request, key);
  return static_cast<char>('a' + process) + key;
}

/// The time for which this thread had a processor, in microseconds.
double worked() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return 1e6 * static_cast<double>(now.tv_sec) + 1e-3 * static_cast<double>(now.tv_nsec);
}

/// In a process of its own, as workers are. The times, and behind those of all what a processor did for each, go where
/// the parent sees them.
void set_all(const std::function<Set()>& connect, unsigned process, unsigned sets, std::size_t size, float* times,
             float* work) {
  const Set set = connect();
  const std::string value(size, 'v');
  for (unsigned i = 0; i < sets; ++i) {
    const std::string key = key_of(process, i);
    const double before = worked();
    const auto start = std::chrono::steady_clock::now();
    if (!set(key, value)) throw std::runtime_error("a set failed");
    times[i] = std::chrono::duration<float, std::micro>(std::chrono::steady_clock::now() - start).count();
    work[i] = static_cast<float>(worked() - before);
  }
}

void measure(const char* name, const char* state, const std::function<Set()>& connect, unsigned processes,
             unsigned sets, std::size_t size) {
  const std::size_t all = std::size_t{processes} * sets;
  auto* times = static_cast<float*>(
      ::mmap(nullptr, 2 * all * sizeof(float), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  if (times == MAP_FAILED) throw std::runtime_error("no memory");
  std::vector<::pid_t> children;
  for (unsigned process = 0; process < processes; ++process) {
    const ::pid_t child = ::fork();
    if (child == 0) {
      try {
        set_all(connect, process + 1, sets, size, times + std::size_t{process} * sets,
                times + all + std::size_t{process} * sets);
      } catch (const std::exception& error) {
        std::fprintf(stderr, "%s: %s\n", name, error.what());
        ::_exit(1);
      }
      ::_exit(0);
    }
    children.push_back(child);
  }
  bool good = true;
  for (const ::pid_t child : children) {
    int status = 0;
    good &= ::waitpid(child, &status, 0) == child && status == 0;
  }
  if (!good) throw std::runtime_error("a process failed");
  std::sort(times, times + all);
  std::sort(times + all, times + 2 * all);
  const auto at = [&](double share, std::size_t from = 0) {
    return static_cast<double>(times[from + static_cast<std::size_t>(share * static_cast<double>(all - 1))]);
  };
  std::printf("%-10s %-34s %9u %9.2f %9.2f %9.2f %9.0f %9.2f\n", name, state, processes, at(0.5), at(0.99), at(0.999),
              at(1), at(0.999, all));
  std::fflush(stdout);
  ::munmap(times, 2 * all * sizeof(float));
}

void fill(const Set& set) {
  const std::string value(100, 'v');
  for (unsigned i = 0; i < kFill; ++i) {
    if (!set(key_of(0, i), value)) throw std::runtime_error("a set failed");
  }
}

void measure_segment(unsigned sets) {
  const std::string name = "full-set-" + std::to_string(::getpid());
  struct Removed {
    const std::string& name;
    ~Removed() { static_cast<void>(forklore::remove_segment(name)); }
  } const removed{name};
  forklore::Cache cache = forklore::Cache::open({.name = name, .capacity_bytes = kCapacity});
  const std::function<Set()> connect = [&] {
    return
        [&](const std::string& key, const std::string& value) { return cache.set(key, value) == forklore::Code::ok; };
  };
  const auto begin = [&](bool hot) {
    static_cast<void>(cache.clear());
    fill(connect());
    std::string value;
    for (unsigned round = 0; hot && round < 3; ++round) {
      for (unsigned i = 0; i < kFill; ++i) static_cast<void>(cache.get(key_of(0, i), value));
    }
  };
  for (const unsigned processes : {1u, 4u}) {
    begin(false);
    measure("Forklore", "nothing was read", connect, processes, sets, 100);
    begin(true);
    measure("Forklore", "everything was read three times", connect, processes, sets, 100);
    begin(false);
    measure("Forklore", "values of 512 on values of 100", connect, processes, sets, 512);
  }
}

void measure_memcached(const std::string& socket, unsigned sets) {
  const std::function<Set()> connect = [&] {
    std::shared_ptr<memcached_st> server(memcached_create(nullptr), memcached_free);
    if (memcached_server_add_unix_socket(server.get(), socket.c_str()) != MEMCACHED_SUCCESS) {
      throw std::runtime_error("no memcached at " + socket);
    }
    return [server](const std::string& key, const std::string& value) {
      return memcached_set(server.get(), key.data(), key.size(), value.data(), value.size(), 0, 0) == MEMCACHED_SUCCESS;
    };
  };
  fill(connect());
  for (const unsigned processes : {1u, 4u}) measure("memcached", "nothing was read", connect, processes, sets, 100);
}

int usage(const char* program, int status) {
  std::fprintf(status == 0 ? stdout : stderr, kUsage, program);
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  const option options[] = {{"sets", required_argument, nullptr, 's'},
                            {"memcached", required_argument, nullptr, 'm'},
                            {"help", no_argument, nullptr, 'h'},
                            {}};
  unsigned sets = 200'000;
  std::string socket;
  for (int given; (given = getopt_long(argc, argv, "h", options, nullptr)) != -1;) {
    if (given == 'h') return usage(argv[0], 0);
    if (given == 'm') socket = optarg;
    if (given == 's') sets = static_cast<unsigned>(std::min(bench::positive_number(optarg), 1e7));
    if (given == '?' || sets == 0) return usage(argv[0], 2);
  }
  if (optind != argc) return usage(argv[0], 2);
  try {
    std::printf("%-10s %-34s %9s %9s %9s %9s %9s %9s\n", "", "before", "processes", "p50, us", "p99", "p99.9", "max",
                "work 99.9");
    measure_segment(sets);
    if (!socket.empty()) measure_memcached(socket, sets);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", argv[0], error.what());
    return 2;
  }
}
