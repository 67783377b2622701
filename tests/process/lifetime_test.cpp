// A segment's life among processes that come and go: daemons, rolling restarts, removal under running workers.
#include <doctest/doctest.h>

#include <atomic>
#include <csignal>
#include <cstring>
#include <optional>
#include <vector>

#include "child.hpp"
#include "process/waiting.hpp"
#include "shared.hpp"
#include "unique_name.hpp"

using namespace forklore;
using tests::Child;
using tests::comes_true;
using tests::Shared;
using tests::UniqueName;

namespace {

std::optional<SegmentInfo> info_of(const std::string& name) {
  for (const SegmentInfo& info : segments()) {
    if (info.name == name && info.owner == ::geteuid()) return info;
  }
  return std::nullopt;
}

constexpr unsigned kWorkers = 4;

/// What workers say of the segment that they use: its mark, put there by whoever came first, and its capacity.
struct Board {
  std::atomic<std::uint64_t> mark[kWorkers], capacity[kWorkers], beats[kWorkers];
  std::atomic<int> failures;
  std::atomic<std::uint64_t> last_mark;

  [[nodiscard]] bool agree(std::uint64_t on_capacity, std::uint64_t but_not_on = 0) const {
    for (unsigned w = 0; w < kWorkers; ++w) {
      if (mark[w] == 0 || mark[w] != mark[0] || mark[w] == but_not_on || capacity[w] != on_capacity) return false;
    }
    return true;
  }
};

/// A worker of a site: opens the name and uses it until it is ended.
int serve(Board& board, const Options& options, unsigned number) {
  try {
    Cache cache = Cache::open(options);
    for (;;) {
      const Code code = cache.add("mark", std::to_string(board.last_mark.fetch_add(1) + 1));
      if (code != Code::ok && code != Code::exists) ++board.failures;
      const auto mark = cache.get("mark");
      if (mark) board.mark[number] = std::stoull(*mark);
      board.capacity[number] = *cache.options().capacity_bytes;
      ++board.beats[number];
      ::usleep(2000);
    }
  } catch (const OpenError& error) {
    std::fprintf(stderr, "%s\n", error.what());
    ++board.failures;
  }
  return 1;
}

}  // namespace

TEST_CASE("a daemon that has closed every descriptor stays attached, and moves with its segment") {
  UniqueName name;
  struct Steps {
    std::atomic<::pid_t> pid;
    std::atomic<std::uint64_t> calls, capacity;
    std::atomic<bool> end;
  };
  Shared<Steps> steps;
  Child starter([&] {
    Cache cache = Cache::open({.name = name, .capacity_bytes = 1 * MiB});
    if (cache.set("key", "value") != Code::ok) return 1;
    if (::fork() != 0) return 0;
    ::setsid();
    if (::fork() != 0) ::_exit(0);
    for (int fd = 0; fd <= 1024; ++fd) ::close(fd);
    steps->pid = ::getpid();
    for (unsigned i = 0; i < 60'000 && !steps->end.load(); ++i) {  // it ends by itself, whatever becomes of the test
      if (cache.contains("key") == Code::ok) ++steps->calls;
      steps->capacity = *cache.options().capacity_bytes;
      ::usleep(1000);
    }
    ::_exit(0);
  });
  REQUIRE(starter.join() == 0);
  REQUIRE(comes_true([&] { return steps->calls.load() > 0; }));
  auto info = info_of(name.str());
  REQUIRE(info);
  CHECK(info->attached);

  Child visitor([&] {  // whoever comes without a capacity sees what the daemon sees
    Cache cache = Cache::open({.name = name});
    return cache.get("key") == "value" && cache.options().capacity_bytes == 1 * MiB ? 0 : 1;
  });
  CHECK(visitor.join() == 0);
  Child successor([&] {
    Cache cache = Cache::open({.name = name, .capacity_bytes = 2 * MiB});
    return !cache.get("key") && cache.set("key", "new") == Code::ok ? 0 : 1;
  });
  CHECK(successor.join() == 0);
  CHECK(comes_true([&] { return steps->capacity.load() == 2 << 20; }));
  const std::uint64_t calls = steps->calls;
  CHECK(comes_true([&] { return steps->calls.load() > calls + 5; }));
  info = info_of(name.str());
  REQUIRE(info);
  CHECK(info->attached);
  CHECK(info->capacity_bytes == 2 << 20);

  ::kill(steps->pid, SIGKILL);
  CHECK(comes_true([&] { return !info_of(name.str())->attached; }));
  steps->end = true;
}

TEST_CASE("a rolling restart to twice the capacity and back ends with all workers on one segment, each time") {
  UniqueName name;
  Shared<Board> board;
  std::vector<Child> workers;
  const auto start = [&](unsigned w, std::size_t capacity) {
    return Child([&board, &name, w, capacity] { return serve(*board, {.name = name, .capacity_bytes = capacity}, w); });
  };
  for (unsigned w = 0; w < kWorkers; ++w) workers.push_back(start(w, 1 << 20));
  REQUIRE(comes_true([&] { return board->agree(1 << 20); }));
  for (const std::size_t capacity : {std::size_t{2 << 20}, std::size_t{1 << 20}}) {
    CAPTURE(capacity);
    const std::uint64_t before = board->mark[0];
    for (unsigned w = 0; w < kWorkers; ++w) {
      workers[w].kill();
      board->mark[w] = 0;  // it counts once it has opened: the last to open decides on the capacity
      workers[w] = start(w, capacity);
      // The first one restarted takes the others along.
      CHECK(comes_true([&] { return board->agree(capacity, before); }));
    }
  }
  CHECK(board->failures == 0);
}

TEST_CASE("after a removal under four running workers all agree again, time after time") {
  UniqueName name;
  Shared<Board> board;
  std::vector<Child> workers;
  for (unsigned w = 0; w < kWorkers; ++w) {
    workers.emplace_back([&board, &name, w] { return serve(*board, {.name = name, .capacity_bytes = 1 * MiB}, w); });
  }
  REQUIRE(comes_true([&] { return board->agree(1 << 20); }));
  for (int round = 0; round < 4; ++round) {
    CAPTURE(round);
    const std::uint64_t before = board->mark[0];
    CHECK(remove_segment(name.str()));
    CHECK(comes_true([&] { return board->agree(1 << 20, before); }));
  }
  const std::uint64_t beats = board->beats[2];
  CHECK(comes_true([&] { return board->beats[2] > beats + 10; }));
  CHECK(board->failures == 0);
}
