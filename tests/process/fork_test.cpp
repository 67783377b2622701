// Handles opened before fork and after it, with threads on both sides.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "child.hpp"
#include "process/checked_value.hpp"
#include "process/waiting.hpp"
#include "shared.hpp"
#include "unique_name.hpp"

using namespace forklore;
using tests::checked_value;
using tests::Child;
using tests::comes_true;
using tests::number_of;
using tests::Shared;
using tests::UniqueName;

namespace {

constexpr int kThreads = 4, kChildren = 6, kCalls = 3000;
// With 48 threads at one counter, on two cores that others use too, a second may pass before it is one thread's turn.
constexpr std::chrono::milliseconds kPatience{60'000};

/// Counts and stores from several threads. The number of threads that met something wrong.
int work(Cache& cache, int who) {
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      const std::string key = "p" + std::to_string(who) + "t" + std::to_string(t);
      std::int64_t now = 0;
      std::string out;
      for (unsigned i = 0; i < kCalls; ++i) {
        const std::array codes{cache.increment("n", 1, now, 0), cache.set(key, checked_value(key, i, 24 + i % 500)),
                               cache.get(key, out)};
        if (codes != std::array{Code::ok, Code::ok, Code::ok} || number_of(key, out) != i) {
          for (const Code code : codes) std::fprintf(stderr, "%s, ", std::string(to_string(code)).c_str());
          std::fprintf(stderr, "call %u of %s, %zu bytes\n", i, key.c_str(), out.size());
          ++wrong;
          return;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return wrong;
}

/// The same calls from several threads, until they are told to end. Once they have begun they allocate nothing: a child
/// must find the allocator free, and AddressSanitizer's, unlike glibc's, is not held over fork.
class Callers {
 public:
  explicit Callers(Cache& cache) {
    for (int t = 0; t < kThreads; ++t)
      threads_.emplace_back([this, &cache, t] { call("parent" + std::to_string(t), cache); });
    while (begun_.load() < kThreads) ::usleep(500);
  }
  /// The number of calls of each kind that all of them have made; none if one met something wrong.
  std::optional<std::uint64_t> end() {
    end_ = true;
    for (std::thread& thread : threads_) thread.join();
    return wrong_ ? std::nullopt : std::optional(calls_.load());
  }

 private:
  void call(const std::string& key, Cache& cache) {
    std::vector<std::string> values;
    for (unsigned i = 0; i < 16; ++i) values.push_back(checked_value(key, i, 24 + i * 32));
    std::array<char, 600> out{};
    std::int64_t now = 0;
    Found found;
    std::uint64_t made = 0;
    for (; !end_.load(std::memory_order_relaxed); ++made) {
      const std::string& value = values[made % values.size()];
      const bool ok = cache.increment("n", 1, now, 0) == Code::ok && cache.set(key, value) == Code::ok &&
                      cache.get_into(key, out, found) == Code::ok && value == std::string_view(out.data(), found.size);
      if (!ok) wrong_ = true;
      if (made == 0) ++begun_;
      if (!ok) break;
    }
    calls_ += made;
  }

  std::vector<std::thread> threads_;
  std::atomic<std::uint64_t> calls_{0};
  std::atomic<int> begun_{0};
  std::atomic<bool> end_{false}, wrong_{false};
};

}  // namespace

TEST_CASE("a handle opened before fork serves parent and children, while threads of the parent are in calls") {
  UniqueName name;
  Cache cache = Cache::open({.name = name, .capacity_bytes = 8 * MiB, .lock_timeout = kPatience});
  std::vector<Child> children;
  children.reserve(kChildren);
  Callers parent(cache);
  for (int i = 0; i < kChildren; ++i) {
    children.emplace_back([&cache, i] { return work(cache, i); });
    ::usleep(3000);
  }
  for (Child& child : children) CHECK(child.join() == 0);
  const auto calls = parent.end();
  REQUIRE(calls.has_value());
  const std::uint64_t all = *calls + std::uint64_t{kChildren} * kThreads * kCalls;
  std::int64_t now = 0;
  CHECK(cache.increment("n", 0, now) == Code::ok);
  CHECK(static_cast<std::uint64_t>(now) == all);
  CHECK(cache.stats().hits == all);  // each thread counts on its own line
  CHECK(cache.stats().busy == 0);
  CHECK(cache.verify().empty());
}

TEST_CASE("handles opened after fork, in children of children too, are to the same segment") {
  UniqueName name;
  const Options options{.name = name, .capacity_bytes = 8 * MiB, .lock_timeout = kPatience};
  std::vector<Child> children;
  for (int i = 0; i < kChildren; ++i) {
    children.emplace_back([&, i] {
      Cache cache = Cache::open(options);
      Child grandchild([&] { return work(cache, 10 + i); });
      Cache second = Cache::open({.name = name, .lock_timeout = kPatience});
      return work(second, i) + grandchild.join();
    });
  }
  for (Child& child : children) CHECK(child.join() == 0);
  Cache cache = Cache::attach(name.str());
  std::int64_t now = 0;
  CHECK(cache.increment("n", 0, now) == Code::ok);
  CHECK(now == std::int64_t{2} * kChildren * kThreads * kCalls);
  CHECK(cache.verify().empty());
}

TEST_CASE("the processes that have called and live are told") {
  UniqueName name;
  Cache cache = Cache::open({.name = name, .capacity_bytes = 1 * MiB});
  struct Steps {
    std::atomic<bool> called, end;
  };
  Shared<Steps> steps;
  Child child([&] {
    static_cast<void>(cache.set("key", "value"));
    steps->called = true;
    while (!steps->end.load()) ::usleep(500);
    return 0;
  });
  REQUIRE(comes_true([&] { return steps->called.load(); }));
  std::vector<::pid_t> expected{::getpid(), child.pid()};
  std::sort(expected.begin(), expected.end());
  CHECK(cache.stats().processes == expected);
  steps->end = true;
  CHECK(child.join() == 0);
  CHECK(cache.stats().processes == std::vector<::pid_t>{::getpid()});
}

TEST_CASE("a handle closed in a child leaves the parent's alone, and the other way round") {
  UniqueName name;
  std::optional<Cache> cache = Cache::open({.name = name, .capacity_bytes = 1 * MiB});
  Child closes([&] {
    cache.reset();
    return 0;
  });
  CHECK(closes.join() == 0);
  CHECK(cache->set("key", "value") == Code::ok);
  struct Steps {
    std::atomic<bool> go;
  };
  Shared<Steps> steps;
  Child keeps([&] {
    while (!steps->go.load()) ::usleep(500);
    return cache->get("key") == "value" && cache->set("key", "from the child") == Code::ok ? 0 : 1;
  });
  cache.reset();
  const auto attached = [&] {
    for (const SegmentInfo& info : segments()) {
      if (info.name == name.str()) return info.attached;
    }
    return false;
  };
  CHECK(attached());
  steps->go = true;
  CHECK(keeps.join() == 0);
  CHECK_FALSE(attached());
  CHECK(Cache::attach(name.str()).get("key") == "from the child");
}
