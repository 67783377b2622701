#include "base/clock.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <ctime>
#include <thread>

using forklore::base::boottime_ms;
using forklore::base::realtime_ms;

namespace {

std::uint64_t exact_ms(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1000 + static_cast<std::uint64_t>(now.tv_nsec) / 1'000'000;
}

}  // namespace

TEST_CASE("boottime is never ahead of CLOCK_BOOTTIME and only a tick behind") {
  std::uint64_t least_behind = UINT64_MAX;
  for (int i = 0; i < 200; ++i) {
    const std::uint64_t ours = boottime_ms();
    const std::uint64_t exact = exact_ms(CLOCK_BOOTTIME);
    REQUIRE(ours <= exact);
    least_behind = std::min(least_behind, exact - ours);
    std::this_thread::sleep_for(std::chrono::microseconds(300));
  }
  CHECK(least_behind <= 15);
}

TEST_CASE("boottime goes on, never steps back, also over the second at which its distance is looked at anew") {
  const std::uint64_t first = boottime_ms();
  std::uint64_t last = first;
  bool stepped_back = false;
  while (last < first + 1300) {
    const std::uint64_t now = boottime_ms();
    stepped_back |= now < last;
    last = std::max(last, now);
  }
  CHECK_FALSE(stepped_back);
  CHECK(last <= exact_ms(CLOCK_BOOTTIME));
}

TEST_CASE("realtime is CLOCK_REALTIME") {
  const std::uint64_t before = exact_ms(CLOCK_REALTIME);
  const std::uint64_t ours = realtime_ms();
  CHECK(before <= ours);
  CHECK(ours <= exact_ms(CLOCK_REALTIME));
}
