#include "base/racy_copy.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <thread>

using namespace forklore::base;

TEST_CASE("bytes arrive whole, at any length and alignment") {
  std::array<char, 300> from{};
  for (std::size_t i = 0; i < from.size(); ++i) from[i] = static_cast<char>(i * 7 + 1);
  for (std::size_t offset = 0; offset < 9; ++offset) {
    for (const std::size_t n : {0u, 1u, 2u, 7u, 8u, 9u, 31u, 64u, 255u}) {
      std::array<char, 300> shared{};
      racy_fill(shared.data() + offset, from.data(), n);
      CHECK(std::string_view(shared.data() + offset, n) == std::string_view(from.data(), n));
      CHECK(shared[offset + n] == 0);
      CHECK(racy_equal(from.data(), shared.data() + offset, n));
      std::array<char, 300> out{};
      racy_copy(out.data(), shared.data() + offset, n);
      CHECK(std::equal(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(n), from.begin()));
      CHECK(out[n] == 0);
      if (n == 0) continue;
      shared[offset + n - 1] = static_cast<char>(shared[offset + n - 1] + 1);
      CHECK_FALSE(racy_equal(from.data(), shared.data() + offset, n));
    }
  }
}

// The protocol of the header: slot off, release fence, bytes, slot; against slot, bytes, acquire fence, slot.
TEST_CASE("what passes the second look is not torn") {
  std::atomic<std::uint64_t> slot{0};
  std::array<unsigned char, 200> shared{};
  std::atomic<bool> end{false};
  std::thread writer([&] {
    std::array<unsigned char, 200> bytes{};
    for (std::uint64_t version = 1; !end.load(std::memory_order_relaxed); ++version) {
      slot.store(0, std::memory_order_relaxed);
      std::atomic_thread_fence(std::memory_order_release);
      bytes.fill(static_cast<unsigned char>(version));
      racy_fill(shared.data(), bytes.data(), bytes.size());
      slot.store(version, std::memory_order_release);
      std::this_thread::yield();
    }
  });
  long hits = 0;
  long torn = 0;
  while (hits < 1'000'000) {
    const std::uint64_t seen = slot.load(std::memory_order_acquire);
    std::array<unsigned char, 200> copy{};
    racy_copy(copy.data(), shared.data(), copy.size());
    std::atomic_thread_fence(std::memory_order_acquire);
    if (seen == 0 || slot.load(std::memory_order_relaxed) != seen) continue;
    ++hits;
    torn += std::any_of(copy.begin(), copy.end(), [&](unsigned char b) { return b != (seen & 0xff); });
  }
  end = true;
  writer.join();
  CHECK(torn == 0);
}
