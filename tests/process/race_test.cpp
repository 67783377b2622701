// Many processes open one name at the same moment: it is one segment, and all agree.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <vector>

#include "child.hpp"
#include "process/waiting.hpp"
#include "session/naming.hpp"
#include "shared.hpp"
#include "unique_name.hpp"

using namespace forklore;
using tests::Child;
using tests::comes_true;
using tests::Shared;
using tests::UniqueName;

namespace {

constexpr int kProcesses = 40, kMany = 200, kIncrements = 50;
// Two hundred on two cores that others use too: it may be long until it is each one's turn.
constexpr std::chrono::milliseconds kPatience{60'000};

struct Meeting {
  std::atomic<int> ready, added, opened;
  std::atomic<bool> go, look;
  std::atomic<std::int64_t> nonce[kMany];
};

/// Opens when all are ready, adds its mark if nobody has, counts, and says whose mark it sees.
int open_and_count(Meeting& meeting, const Options& options, int number) {
  meeting.ready.fetch_add(1);
  while (!meeting.go.load()) ::sched_yield();
  Cache cache = Cache::open(options);
  std::int64_t now = 0;
  const Code added = cache.add("mark", std::to_string(number + 1));
  if (added == Code::ok) meeting.added.fetch_add(1);
  if (added != Code::ok && added != Code::exists) return 2;
  for (int i = 0; i < kIncrements; ++i) {
    if (cache.increment("n", 1, now, 0) != Code::ok) return 3;
  }
  meeting.opened.fetch_add(1);
  while (!meeting.look.load()) ::usleep(200);
  const auto mark = cache.get("mark");
  if (!mark) return 4;
  meeting.nonce[number] = std::stoll(*mark);
  return 0;
}

template <class OptionsOf>
void race(Meeting& meeting, int processes, OptionsOf options_of) {
  std::vector<Child> children;
  for (int i = 0; i < processes; ++i) {
    children.emplace_back([&meeting, options = options_of(i), i] {
      try {
        return open_and_count(meeting, options, i);
      } catch (const OpenError& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
      }
    });
  }
  CHECK(comes_true([&] { return meeting.ready.load() == processes; }, kPatience));
  meeting.go = true;
  CHECK(comes_true([&] { return meeting.opened.load() == processes; }, kPatience));
  meeting.look = true;
  for (Child& child : children) CHECK(child.join() == 0);
}

}  // namespace

TEST_CASE("forty processes that open a new name at once get one segment, and two hundred do") {
  for (int round = 0; round < 8; ++round) {
    CAPTURE(round);
    const int processes = round < 6 ? kProcesses : kMany;
    UniqueName name;
    const Options options{.name = name, .capacity_bytes = 1 * MiB, .lock_timeout = kPatience};
    if (round % 2 == 1) {  // where somebody died before the file had a size
      const int file = ::open(session::path_of(options).c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
      REQUIRE(file >= 0);
      ::close(file);
    }
    Shared<Meeting> meeting;
    race(*meeting, processes, [&](int) { return options; });
    CHECK(meeting->added == 1);
    for (int i = 0; i < processes; ++i) CHECK(meeting->nonce[i] == meeting->nonce[0]);
    Cache cache = Cache::open(options);
    std::int64_t now = 0;
    CHECK(cache.increment("n", 0, now) == Code::ok);
    CHECK(now == processes * kIncrements);
    CHECK(cache.verify().empty());
    CHECK(cache.options().capacity_bytes == 1 * MiB);
  }
}

TEST_CASE("forty processes that want two capacities at once all come to agree on one") {
  UniqueName name;
  const auto options_of = [&](int i) {
    return Options{.name = name, .capacity_bytes = std::size_t{1 << 20} << (i % 2), .lock_timeout = kPatience};
  };
  Shared<Meeting> meeting;
  std::vector<Child> children;
  for (int i = 0; i < kProcesses; ++i) {
    children.emplace_back([&meeting, options = options_of(i), i] {
      meeting->ready.fetch_add(1);
      while (!meeting->go.load()) ::sched_yield();
      Cache cache = Cache::open(options);
      meeting->opened.fetch_add(1);
      while (!meeting->look.load()) {
        if (meeting->opened.load() < kProcesses) {
          ::usleep(1000);  // the processor is for those that have not opened yet
          continue;
        }
        static_cast<void>(cache.add("mark", std::to_string(i + 1)));
        if (const auto mark = cache.get("mark")) meeting->nonce[i] = std::stoll(*mark);
        ::usleep(2000);
      }
      return 0;
    });
  }
  CHECK(comes_true([&] { return meeting->ready.load() == kProcesses; }, kPatience));
  meeting->go = true;
  CHECK(comes_true([&] { return meeting->opened.load() == kProcesses; }, kPatience));
  CHECK(comes_true(
      [&] {
        for (int i = 0; i < kProcesses; ++i) {
          if (meeting->nonce[i] == 0 || meeting->nonce[i] != meeting->nonce[0]) return false;
        }
        return true;
      },
      kPatience));
  meeting->look = true;
  for (Child& child : children) CHECK(child.join() == 0);
}
