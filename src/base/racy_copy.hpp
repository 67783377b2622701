// racy_copy.hpp - Reading bytes that another process may be writing.
//
// This is the one deliberate data race of the library. What it returns is garbage until proved otherwise, and the
// proof is the caller's: it loads the slot that led here (acquire), calls these, issues an acquire fence and loads
// the slot again. A writer takes every slot off a chunk and issues a release fence before it writes one byte there.
// So if a single byte that was read here came from a later writer, the caller's fence synchronises with that
// writer's fence through it, the second load of the slot sees the change, and the bytes are thrown away.
//
// Under ThreadSanitizer the bytes are relaxed atomics, which makes the argument one that the tool can follow.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/test_fault.hpp"

namespace forklore::base {

#if defined(__SANITIZE_THREAD__)
#define FORKLORE_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define FORKLORE_TSAN 1
#endif
#endif

#ifdef FORKLORE_TSAN

/// Copies n bytes out of shared memory. The result counts only after the caller's second look.
inline void racy_copy(void* to, const void* shared, std::size_t n) noexcept {
  if (broken("plain-copy")) {
    std::memcpy(to, shared, n);
    return;
  }
  auto* out = static_cast<unsigned char*>(to);
  auto* in = static_cast<const unsigned char*>(shared);
  for (std::size_t i = 0; i < n; ++i) out[i] = __atomic_load_n(in + i, __ATOMIC_RELAXED);
}

/// Whether n bytes of shared memory equal own ones. The verdict counts only after the caller's second look.
inline bool racy_equal(const void* own, const void* shared, std::size_t n) noexcept {
  auto* a = static_cast<const unsigned char*>(own);
  auto* b = static_cast<const unsigned char*>(shared);
  bool same = true;
  for (std::size_t i = 0; i < n; ++i) same &= a[i] == __atomic_load_n(b + i, __ATOMIC_RELAXED);
  return same;
}

/// Writes n bytes where no slot points; readers that still look there will throw away what they see. from may be shared
/// as well.
inline void racy_fill(void* shared, const void* from, std::size_t n) noexcept {
  auto* out = static_cast<unsigned char*>(shared);
  auto* in = static_cast<const unsigned char*>(from);
  for (std::size_t i = 0; i < n; ++i) {
    __atomic_store_n(out + i, __atomic_load_n(in + i, __ATOMIC_RELAXED), __ATOMIC_RELAXED);
  }
}

#else

/// Copies n bytes out of shared memory. The result counts only after the caller's second look.
inline void racy_copy(void* to, const void* shared, std::size_t n) noexcept { std::memcpy(to, shared, n); }

/// Whether n bytes of shared memory equal own ones. The verdict counts only after the caller's second look.
[[gnu::always_inline]] inline bool racy_equal(const void* own, const void* shared, std::size_t n) noexcept {
  auto* a = static_cast<const char*>(own);
  auto* b = static_cast<const char*>(shared);
  const auto differ = [&](std::size_t at) {
    std::uint64_t x = 0;
    std::uint64_t y = 0;
    std::memcpy(&x, a + at, sizeof x);
    std::memcpy(&y, b + at, sizeof y);
    return x ^ y;
  };
  // Keys are short: words, inline. Those from the end overlap those from the beginning.
  if (n < 8 || n > 64) return std::memcmp(a, b, n) == 0;
  std::uint64_t other = differ(0) | differ(n - 8);
  if (n > 16) other |= differ(8) | differ(n - 16);
  if (n > 32) other |= differ(16) | differ(24) | differ(n - 32) | differ(n - 24);
  return other == 0;
}

/// Writes n bytes where no slot points; readers that still look there will throw away what they see. from may be shared
/// as well, and in a damaged segment the two may overlap.
inline void racy_fill(void* shared, const void* from, std::size_t n) noexcept {
  if (n < 8 || n > 32) {
    std::memmove(shared, from, n);
    return;
  }
  // As long as most keys: words, inline, all loaded before the first is stored.
  auto* out = static_cast<char*>(shared);
  auto* in = static_cast<const char*>(from);
  std::uint64_t word[4];
  std::memcpy(&word[0], in, 8);
  std::memcpy(&word[1], in + n - 8, 8);
  if (n > 16) {
    std::memcpy(&word[2], in + 8, 8);
    std::memcpy(&word[3], in + n - 16, 8);
    std::memcpy(out + 8, &word[2], 8);
    std::memcpy(out + n - 16, &word[3], 8);
  }
  std::memcpy(out, &word[0], 8);
  std::memcpy(out + n - 8, &word[1], 8);
}

#endif

}  // namespace forklore::base
