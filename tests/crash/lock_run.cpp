#include "crash/lock_run.hpp"

#include <fcntl.h>
#include <linux/futex.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <utility>

#include "base/robust_lock.hpp"
#include "child.hpp"
#include "crash/workshop.hpp"
#include "process/waiting.hpp"

namespace forklore::crash {
namespace {

using tests::Child;
using tests::comes_true;
using Word = std::atomic<std::uint32_t>;

Word& lock_of(const SegmentFile& file) { return reinterpret_cast<store::StripeHeader*>(file.stripe())->lock; }

/// Whether the lock is a living process's.
bool is_held_by(const Word& lock, ::pid_t pid) {
  return (lock.load() & (FUTEX_TID_MASK | FUTEX_OWNER_DIED)) == static_cast<std::uint32_t>(pid);
}

/// A process that holds a lock until it is told to give it up.
class Holder {
 public:
  explicit Holder(Word& lock) {
    if (::pipe2(go_, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
    child_.emplace([this, &lock] {
      char byte = 0;
      if (base::acquire_lock(lock, std::chrono::seconds(20)) != base::Acquired::ok) return 1;
      if (::read(go_[0], &byte, 1) != 1) return 2;
      base::release_lock(lock);
      return 0;
    });
    if (!comes_true([&] { return owns(lock); })) throw std::runtime_error("the lock cannot be taken");
  }
  ~Holder() {
    for (const int end : go_) ::close(end);
  }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;

  [[nodiscard]] bool owns(const Word& lock) const { return is_held_by(lock, child_->pid()); }
  /// Whether it gave up what it held and ended well.
  bool give_up() { return ::write(go_[1], "", 1) == 1 && child_->join() == 0; }

 private:
  int go_[2] = {-1, -1};
  std::optional<Child> child_;
};

/// A segment, and a call on it in a child that can be stepped.
struct Stage {
  explicit Stage(std::uint64_t seed, std::chrono::milliseconds lock_timeout,
                 Workshop::Call its_call = set_call("new", 1, 100))
      : timeout(lock_timeout), call(std::move(its_call)) {
    Workshop shop(seed);
    shop.work(120, 600);
    set_call("spilled", 2, 6000)(shop.cache());
    geometry = shop.file().geometry();
    image = shop.file().take();
    std::string fault;
    before = read_all(shop.cache(), fault);
    call(shop.cache());
    static_cast<void>(shop.cache().set("waiter", "was here"));
    after = read_all(shop.cache(), fault);
  }
  [[nodiscard]] Checker checker() const {
    return Checker([this](const std::string& segment) { return examine(segment, before, after); });
  }
  [[nodiscard]] Stepper step_through_call() {
    return {[this] {
              cache.emplace(Cache::open({.name = name, .lock_timeout = timeout}));
              static_cast<void>(cache->contains("nothing"));
            },
            [this] { call(*cache); }};
  }

  tests::UniqueName name;
  std::chrono::milliseconds timeout;
  Workshop::Call call;
  store::Geometry geometry;
  Image image;
  Contents before, after;
  std::optional<Cache> cache;  // in children alone
};

}  // namespace

Row waiter_dies(const RunOptions& options) {
  Row row{.name = "waiting for a lock"};
  Random random(options.seed);
  Stage stage(options.seed, std::chrono::milliseconds(20));
  Checker checker = stage.checker();
  bool waited = false;
  /// Kills the waiter after so many steps, or at its end. How many it took.
  const auto run = [&](std::size_t most) {
    write_segment(stage.name, stage.image);
    const SegmentFile file(stage.name);
    Holder holder(lock_of(file));
    std::size_t step = 0;
    {
      Stepper waiter = stage.step_through_call();
      while (step < most && waiter.step()) ++step;
    }
    waited = (lock_of(file).load() & FUTEX_WAITERS) != 0;
    const std::string where = "killed after instruction " + std::to_string(step);
    if (!holder.owns(lock_of(file))) report_fault(row, where, "the lock of a living owner was taken");
    if (!holder.give_up()) report_fault(row, where, "its owner cannot give it up");
    if (const auto fault = checker.check(stage.name); !fault.empty()) report_fault(row, where, fault);
    return step;
  };
  for (;; stage.timeout *= 2) {  // again with more time, if that was up before it could sleep
    row.instructions = run(SIZE_MAX);
    if (waited || row.faults != 0) break;
  }
  for (const std::size_t step : choose(row.instructions + 1, options.sample, random)) {
    if (run(step) < step) ++row.astray;  // it goes by the clock, so it may be done sooner
    ++row.kills;
  }
  row.slowest = checker.slowest();
  return row;
}

Row owner_dies_before_waiter(const RunOptions& options) {
  Row row{.name = "giving a lock to who waits"};
  Random random(options.seed);
  Stage stage(options.seed, std::chrono::seconds(1));
  Checker checker = stage.checker();
  /// Kills the owner so many steps after it took the lock, or at its end. How many it took.
  const auto run = [&](std::size_t most) {
    write_segment(stage.name, stage.image);
    const SegmentFile file(stage.name);
    const Word& lock = lock_of(file);
    Stepper owner = stage.step_through_call();
    while (!is_held_by(lock, owner.pid()) && owner.step()) {
    }
    Child waiter([&] {
      Cache cache = Cache::open({.name = stage.name, .lock_timeout = std::chrono::seconds(20)});
      return cache.set("waiter", "was here") == Code::ok && cache.get("waiter") == "was here" ? 0 : 1;
    });
    if (!comes_true([&] { return (lock.load() & FUTEX_WAITERS) != 0; })) throw std::runtime_error("nobody waits");
    std::size_t step = 0;
    while (step < most && owner.step()) ++step;
    owner.kill();
    const std::string where = "killed after instruction " + std::to_string(step);
    if (waiter.join() != 0) report_fault(row, where, "who waited does not get the lock");
    if (const auto fault = checker.check(stage.name); !fault.empty()) report_fault(row, where, fault);
    return step;
  };
  row.instructions = run(SIZE_MAX);
  for (const std::size_t step : choose(row.instructions + 1, options.sample, random)) {
    if (run(step) < step) ++row.astray;
    ++row.kills;
  }
  row.slowest = checker.slowest();
  return row;
}

Row locked_reader_dies(const RunOptions& options) {
  Row row{.name = "read under the lock"};
  Random random(options.seed);
  Stage stage(options.seed, std::chrono::seconds(1), [](Cache& cache) {
    static std::array<char, 6000> value;
    Found found;
    static_cast<void>(cache.get_into("spilled", value, found));
  });
  Checker checker = stage.checker();
  // While nothing says where the value goes on, no round without the lock counts.
  const Snapshot now(stage.image, stage.geometry, {});
  store::Location place;
  if (!now.log().locate(now.word_of("spilled"), place)) throw std::runtime_error("no value to read");
  const std::size_t next_at = stage.geometry.stripes_at + stage.geometry.next_at + 4 * std::size_t{place.chunk};
  Image barred = stage.image;
  std::fill_n(barred.begin() + static_cast<std::ptrdiff_t>(next_at), 4, std::byte{0});
  bool locked = false;
  /// Kills the reader after so many steps, or at its end, and removes the bar. How many it took.
  const auto run = [&](std::size_t most) {
    write_segment(stage.name, barred);
    const SegmentFile file(stage.name);
    std::size_t step = 0;
    {
      Stepper reader = stage.step_through_call();
      while (step < most && reader.step()) {
        ++step;
        locked |= is_held_by(lock_of(file), reader.pid());
      }
    }
    std::memcpy(file.data() + next_at, stage.image.data() + next_at, 4);
    if (const auto fault = checker.check(stage.name); !fault.empty()) {
      report_fault(row, "killed after instruction " + std::to_string(step), fault);
    }
    return step;
  };
  row.instructions = run(SIZE_MAX);
  if (!locked) throw std::runtime_error("the reader does not take the lock");
  for (const std::size_t step : choose(row.instructions + 1, options.sample, random)) {
    if (run(step) < step) ++row.astray;
    ++row.kills;
  }
  row.slowest = checker.slowest();
  return row;
}

}  // namespace forklore::crash
