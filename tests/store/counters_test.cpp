#include "store/counters.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <atomic>
#include <barrier>
#include <thread>
#include <vector>

#include "base/process.hpp"
#include "store/stripe_box.hpp"

using namespace forklore;
using namespace forklore::store;

namespace {

struct CountersBox {
  explicit CountersBox(std::uint32_t lines) : memory(kHeaderBytes + lines * sizeof(CounterLine)) {
    geometry.counter_lines = lines;
  }
  Geometry geometry;
  tests::Lines memory;
  [[nodiscard]] Counters counters() { return {memory.data(), geometry}; }
  CounterLine& line(std::uint32_t i) { return reinterpret_cast<CounterLine*>(memory.data() + kHeaderBytes)[i]; }
  Stats sum() {
    Stats stats;
    counters().sum(stats);
    return stats;
  }
};

/// Threads that claim a line each, count hits on it and live on until told to end.
class Claimers {
 public:
  Claimers(Counters counters, unsigned threads, unsigned hits)
      : counted_(static_cast<std::ptrdiff_t>(threads) + 1),
        may_end_(static_cast<std::ptrdiff_t>(threads) + 1),
        ids_(threads) {
    for (unsigned i = 0; i < threads; ++i) {
      threads_.emplace_back([this, counters, hits, i] {
        CounterLine* const own = counters.claim();
        ids_[i] = base::self().tid;
        for (unsigned n = 0; n < hits; ++n) counters.add(own, &CounterLine::hits);
        counted_.arrive_and_wait();
        may_end_.arrive_and_wait();
      });
    }
    counted_.arrive_and_wait();
  }
  void end() {
    may_end_.arrive_and_wait();
    for (std::thread& thread : threads_) thread.join();
    for (const std::uint32_t id : ids_) {
      while (base::thread_exists(id)) ::usleep(200);  // join returns a moment before the kernel has forgotten it
    }
  }

 private:
  std::barrier<> counted_, may_end_;
  std::vector<std::uint32_t> ids_;
  std::vector<std::thread> threads_;
};

}  // namespace

TEST_CASE("a thread that claims again gets the line it has") {
  CountersBox box(16);
  box.counters().add(box.counters().claim(), &CounterLine::hits, 3);
  box.counters().add(box.counters().claim(), &CounterLine::hits, 4);
  CHECK(box.line(1).hits.load() == 7);
  CHECK(box.line(2).owner.load() == 0);
  CHECK(box.line(1).owner.load() == (std::uint64_t{static_cast<std::uint32_t>(::getpid())} << 32 | base::self().tid));
}

TEST_CASE("each thread counts on a line of its own; who finds none, on the shared one, and nothing is lost") {
  constexpr unsigned kThreads = 24, kHits = 20000;
  CountersBox box(16);
  Claimers claimers(box.counters(), kThreads, kHits);
  CHECK(box.sum().hits == kThreads * kHits);
  for (std::uint32_t i = 1; i < 16; ++i) {
    CHECK(box.line(i).hits.load() == kHits);
    CHECK(box.line(i).owner.load() != 0);
  }
  CHECK(box.line(0).hits.load() == (kThreads - 15) * kHits);
  CHECK(box.sum().processes == std::vector<::pid_t>{::getpid()});
  claimers.end();
}

TEST_CASE("the line of a dead thread is taken over and counted on; sums never shrink") {
  CountersBox box(4);
  Claimers first(box.counters(), 3, 5);
  first.end();
  CHECK(box.sum().hits == 15);
  CHECK(box.sum().processes.empty());
  Claimers second(box.counters(), 3, 2);
  CHECK(box.sum().hits == 21);
  CHECK(box.line(0).hits.load() == 0);
  for (std::uint32_t i = 1; i < 4; ++i) CHECK(box.line(i).hits.load() == 7);
  second.end();
}

TEST_CASE("disowned lines are free, and keep their counts") {
  CountersBox box(4);
  box.counters().add(box.counters().claim(), &CounterLine::misses, 9);
  box.counters().disown();
  CHECK(box.line(1).owner.load() == 0);
  CHECK(box.sum().misses == 9);
  CHECK(box.sum().processes.empty());
}

TEST_CASE("sum adds each of the words") {
  CountersBox box(3);
  Word CounterLine::*const words[] = {&CounterLine::hits,   &CounterLine::misses,  &CounterLine::writes,
                                      &CounterLine::erases, &CounterLine::refused, &CounterLine::busy,
                                      &CounterLine::rereads};
  std::uint64_t value = 1;
  for (Word CounterLine::*word : words) {
    for (std::uint32_t i = 0; i < 3; ++i) (box.line(i).*word).store(value);
    value *= 10;
  }
  const Stats stats = box.sum();
  CHECK(stats.hits == 3);
  CHECK(stats.misses == 30);
  CHECK(stats.writes == 300);
  CHECK(stats.erases == 3000);
  CHECK(stats.refused == 30000);
  CHECK(stats.busy == 300000);
  CHECK(stats.rereads == 3000000);
}
