// Somebody writes over a segment while a call is at it, between any two of its instructions: what the call has read and
// bounded once, it must not read again. The promises are those of damage.cpp but for the last. The writes come from a
// signal handler, by a timer, so that one core is enough; their moments are chance, so what fails need not fail again.
//
// usage: fuzz_scribble [rounds]    each of some hundred calls on a segment as it should be
#include <signal.h>
#include <time.h>

#include <cstdio>
#include <cstdlib>
#include <random>

#include "caller.hpp"
#include "overwriter.hpp"
#include "sample.hpp"
#include "seed.hpp"

using namespace forklore;

namespace {

class RandomChoices : public tests::Choices {
 public:
  explicit RandomChoices(std::uint64_t seed) : random_(seed) {}
  std::size_t below(std::size_t bound) override { return random_() % bound; }

 private:
  std::mt19937_64 random_;
};

/// Writes over a word of a sample every few microseconds, while it lives. There is one at a time.
class Scribbler {
 public:
  Scribbler(fuzz::Sample& sample, std::uint64_t seed) : sample_(sample), over_(sample), choices_(seed) {
    at_work = this;
    struct sigaction action {};
    action.sa_handler = [](int) { at_work->write(); };
    action.sa_flags = SA_RESTART;
    ::sigaction(SIGALRM, &action, nullptr);
    fuzz::must(::timer_create(CLOCK_MONOTONIC, nullptr, &timer_) == 0, "there are timers");
    set_timer();
  }
  ~Scribbler() {
    ::timer_delete(timer_);
    ::signal(SIGALRM, SIG_IGN);
  }
  Scribbler(const Scribbler&) = delete;
  Scribbler& operator=(const Scribbler&) = delete;

  [[nodiscard]] unsigned writes() const noexcept { return writes_; }

 private:
  void write() {
    over_.write_over(sample_.mapped(), choices_);
    writes_ = writes_ + 1;
    set_timer();
  }
  void set_timer() {
    itimerspec once{};
    once.it_value.tv_nsec = 1000 + static_cast<long>(choices_.below(30'000));
    ::timer_settime(timer_, 0, &once, nullptr);
  }

  static inline Scribbler* at_work = nullptr;
  fuzz::Sample& sample_;
  fuzz::Overwriter over_;
  RandomChoices choices_;
  timer_t timer_{};
  volatile unsigned writes_ = 0;
};

}  // namespace

int main(int count, char** arguments) {
  constexpr unsigned kCalls = 300;  // before the segment is put back
  const unsigned rounds = count > 1 ? static_cast<unsigned>(std::strtoul(arguments[1], nullptr, 10)) : 500;
  const std::uint64_t seed = tests::seed();
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  fuzz::Sample sample({.name = fuzz::own_name("scribble"),
                       .place = Place::anonymous,
                       .capacity_bytes = kMinCapacityBytes,
                       .lock_timeout = std::chrono::milliseconds(0)},
                      tests::Room::evicting, {160}, 4000);
  RandomChoices choices(seed);
  Scribbler scribbler(sample, seed + 1);
  fuzz::Caller caller(sample.cache(), sample.mix(), choices, false);
  for (unsigned round = 0; round < rounds; ++round) {
    sample.restore();
    for (unsigned i = 0; i < kCalls; ++i) caller.call();
  }
  std::printf("%u calls beside %u writes\n", rounds * kCalls, scribbler.writes());
  return 0;
}
