#include "line.hpp"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <stdexcept>
#include <thread>

#include "shared.hpp"
#include "workers.hpp"

namespace bench {
namespace {

constexpr unsigned kPlayers = 2;
constexpr std::uint32_t kHandOvers = 5000;  // of a bout, after as many that warm it up
constexpr std::uint64_t kMostSpins = std::uint64_t{1} << 31;

/// Counts up: the one stores odd numbers, the other even ones. Two lines of room, as processors fetch them in pairs.
struct alignas(128) Ball {
  std::atomic<std::uint32_t> turn{0};
};

/// Waits for each turn of its own and passes the ball on; false if the other is gone.
bool play(Ball& ball, std::uint32_t first, std::uint32_t last) {
  for (std::uint32_t turn = first; turn < last; turn += kPlayers) {
    // Reads what the other stores with release.
    for (std::uint64_t spins = 0; ball.turn.load(std::memory_order_acquire) != turn; ++spins) {
      if (spins == kMostSpins) return false;
    }
    ball.turn.store(turn + 1, std::memory_order_release);  // the other's acquire above
  }
  return true;
}

}  // namespace

std::vector<double> line_nanoseconds(unsigned bouts) {
  if (std::thread::hardware_concurrency() < kPlayers) throw std::runtime_error("handing a line over takes two cores");
  using Clock = std::chrono::steady_clock;
  const Shared<Ball> ball;
  const Shared<double> took;
  std::vector<double> all;
  for (unsigned bout = 0; bout < bouts; ++bout) {
    ball->turn = 0;
    std::array<::pid_t, kPlayers> players{};
    for (unsigned player = 0; player < kPlayers; ++player) {
      players[player] = ::fork();
      if (players[player] != 0) continue;
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      take_core(player, kPlayers);
      bool well = play(*ball, player, kHandOvers);
      const auto begin = Clock::now();
      well = well && play(*ball, kHandOvers + player, 2 * kHandOvers);
      if (player == 0) *took = std::chrono::duration<double, std::nano>(Clock::now() - begin).count() / kHandOvers;
      ::_exit(well ? 0 : 1);
    }
    bool well = true;
    for (const ::pid_t player : players) {
      int status = 0;
      well = player > 0 && ::waitpid(player, &status, 0) == player && status == 0 && well;
    }
    if (!well) throw std::runtime_error("cannot hand a line over");
    all.push_back(*took);
  }
  return all;
}

}  // namespace bench
