#include "base/racy_copy.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <thread>
#include <utility>

#include "base/hash.hpp"

using namespace forklore::base;

TEST_CASE("bytes arrive whole, at any length and alignment") {
  std::array<char, 300> from{};
  for (std::size_t i = 0; i < from.size(); ++i) from[i] = static_cast<char>(i * 7 + 1);
  for (std::size_t offset = 0; offset < 9; ++offset) {
    for (const std::size_t n : {0u, 1u, 2u, 7u, 8u, 9u, 16u, 17u, 24u, 31u, 32u, 33u, 63u, 64u, 65u, 255u}) {
      std::array<char, 300> shared{};
      racy_fill(shared.data() + offset, from.data(), n);
      CHECK(std::string_view(shared.data() + offset, n) == std::string_view(from.data(), n));
      CHECK(shared[offset + n] == 0);
      CHECK(racy_equal(from.data(), shared.data() + offset, n));
      std::array<char, 300> out{};
      racy_copy(out.data(), shared.data() + offset, n);
      CHECK(std::equal(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(n), from.begin()));
      CHECK(out[n] == 0);
      for (std::size_t at = 0; at < n; ++at) {
        const char was = std::exchange(shared[offset + at], static_cast<char>(shared[offset + at] + 1));
        CHECK_FALSE(racy_equal(from.data(), shared.data() + offset, n));
        shared[offset + at] = was;
      }
    }
  }
}

TEST_CASE("a copy tells whether all of it is ASCII, at any length and alignment") {
  std::array<char, 700> shared{};
  for (std::size_t i = 0; i < shared.size(); ++i) shared[i] = static_cast<char>(i % 128);
  for (std::size_t offset = 0; offset < 17; ++offset) {
    for (std::size_t n = 0; n < 600; n += n < 140 ? 1 : 51) {
      alignas(16) std::array<char, 700> out;
      out.fill('#');
      const std::string_view from(shared.data() + 3, n);
      std::size_t wrong = !racy_copy_ascii(out.data() + offset, shared.data() + 3, n);
      wrong += std::string_view(out.data() + offset, n) != from;
      wrong += out[offset + n] != '#' || (offset > 0 && out[offset - 1] != '#');
      for (std::size_t at = 3; at < n + 3; ++at) {
        const char was = std::exchange(shared[at], '\x80');
        wrong += racy_copy_ascii(out.data() + offset, shared.data() + 3, n);
        wrong += std::string_view(out.data() + offset, n) != from;
        shared[at] = was;
      }
      CHECK(wrong == 0);
    }
  }
}

// The protocol of the header: slot off, release fence, bytes, slot; against slot, bytes, acquire fence, slot.
//
// Neither thread waits for the other, which on a busy machine may not be running. After each version the writer pauses
// for as long as none to three looks take: where none fits the reader falls into the middle, where three fit it hits.
TEST_CASE("what passes the second look is not torn") {
#ifdef FORKLORE_TSAN
  constexpr std::uint64_t kEnough = 50'000;  // of versions and of hits; every byte is a call there
#else
  constexpr std::uint64_t kEnough = 2'000'000;
#endif
  using Bytes = std::array<unsigned char, 200>;
  std::atomic<std::uint64_t> slot{0};
  Bytes shared{};
  std::atomic<std::uint64_t> hits{0};
  std::atomic<bool> end{false};
  std::uint64_t strange = 0, torn = 0, misses = 0;  // strange: the writer's
  std::thread writer([&] {
    Bytes bytes{};
    for (std::uint64_t version = 1; version <= kEnough || hits.load(std::memory_order_relaxed) < kEnough; ++version) {
      slot.store(0, std::memory_order_relaxed);
      std::atomic_thread_fence(std::memory_order_release);
      bytes.fill(static_cast<unsigned char>(version));
      racy_fill(shared.data(), bytes.data(), bytes.size());
      slot.store(version, std::memory_order_release);
      for (std::uint64_t looks = mix(version) % 4; looks > 0; --looks) {
        strange += !racy_equal(bytes.data(), shared.data(), bytes.size());
        std::atomic_thread_fence(std::memory_order_acquire);
      }
    }
    end = true;
  });
  while (!end.load(std::memory_order_relaxed)) {
    const std::uint64_t seen = slot.load(std::memory_order_acquire);
    Bytes copy{};
    racy_copy(copy.data(), shared.data(), copy.size());
    std::atomic_thread_fence(std::memory_order_acquire);
    if (seen == 0 || slot.load(std::memory_order_relaxed) != seen) {
      ++misses;
      continue;
    }
    hits.fetch_add(1, std::memory_order_relaxed);
    torn += std::any_of(copy.begin(), copy.end(), [&](unsigned char b) { return b != (seen & 0xff); });
  }
  writer.join();
  CHECK(strange == 0);
  CHECK(torn == 0);
  CHECK(misses > 0);
}
