// racy_copy.hpp - Reading bytes that another process may be writing.
//
// This is the one deliberate data race of the library. What is read counts as garbage until the caller has proved it.
// The caller loads the slot that led here (acquire), calls these, issues an acquire fence, and loads the slot again. A
// writer takes every slot off a chunk and issues a release fence before it writes a byte there. So if one byte came
// from a later writer, the two fences meet: the second load sees the slot changed, and the bytes are thrown away.
//
// Under ThreadSanitizer the bytes are relaxed atomics, so that the tool can follow this.
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

/// racy_copy, and whether all bytes that are now at to are ASCII.
inline bool racy_copy_ascii(void* to, const void* shared, std::size_t n) noexcept {
  racy_copy(to, shared, n);
  unsigned char all = 0;
  for (std::size_t i = 0; i < n; ++i) all |= static_cast<const unsigned char*>(to)[i];
  return all < 0x80;
}

/// Whether n bytes of shared memory equal own ones. The verdict counts only after the caller's second look.
inline bool racy_equal(const void* own, const void* shared, std::size_t n) noexcept {
  auto* a = static_cast<const unsigned char*>(own);
  auto* b = static_cast<const unsigned char*>(shared);
  bool same = true;
  for (std::size_t i = 0; i < n; ++i) same &= a[i] == __atomic_load_n(b + i, __ATOMIC_RELAXED);
  return same;
}

/// Writes n bytes where no slot leads. Readers that still look there will throw away what they see. from may lie in
/// shared memory too.
inline void racy_fill(void* shared, const void* from, std::size_t n) noexcept {
  auto* out = static_cast<unsigned char*>(shared);
  auto* in = static_cast<const unsigned char*>(from);
  for (std::size_t i = 0; i < n; ++i) {
    __atomic_store_n(out + i, __atomic_load_n(in + i, __ATOMIC_RELAXED), __ATOMIC_RELAXED);
  }
}

#else

/// Copies n bytes out of shared memory. The result counts only after the caller's second look.
[[gnu::always_inline]] inline void racy_copy(void* to, const void* shared, std::size_t n) noexcept {
  // Most values are short: they are copied as vectors, inline. Those from the end overlap those from the beginning.
  if (n < 16 || n > 128) {
    std::memcpy(to, shared, n);
    return;
  }
  auto* out = static_cast<char*>(to);
  auto* in = static_cast<const char*>(shared);
  const auto both = [&](std::size_t at) {
    std::memcpy(out + at, in + at, 16);
    std::memcpy(out + n - 16 - at, in + n - 16 - at, 16);
  };
  both(0);
  if (n > 32) both(16);
  if (n > 64) {
    both(32);
    both(48);
  }
}

/// racy_copy, and whether all bytes that are now at to are ASCII. Each byte is loaded once, and looked at on its way.
/// So the answer is true of the copy, whoever writes meanwhile.
[[gnu::noinline]] inline bool racy_copy_ascii(void* to, const void* shared, std::size_t n) noexcept {
  using Word [[gnu::aligned(1), gnu::may_alias]] = std::uint64_t;
  using Vector [[gnu::vector_size(16), gnu::aligned(1), gnu::may_alias]] = std::uint64_t;
  constexpr std::size_t kVectors = 4;  // that do not wait for each other
  auto* out = static_cast<unsigned char*>(to);
  auto* in = static_cast<const unsigned char*>(shared);
  Vector all[kVectors] = {};  // in registers, because the loops over them are unrolled
  const auto pass = [&](Vector& seen, std::size_t at) {
    const Vector now = *reinterpret_cast<const volatile Vector*>(in + at);  // volatile: never twice
    *reinterpret_cast<Vector*>(out + at) = now;
    seen |= now;
  };
  const auto pass_word = [&](std::size_t at) {
    const Word now = *reinterpret_cast<const volatile Word*>(in + at);
    *reinterpret_cast<Word*>(out + at) = now;
    all[0][0] |= now;
  };
  std::size_t at = 0;
  if (n >= 8 * sizeof all) {  // stores that lie in two lines cost twice as much
    pass(all[0], 0);
    at = -reinterpret_cast<std::uintptr_t>(out) % sizeof(Vector);
  }
  for (; n - at >= sizeof all; at += sizeof all) {
#pragma GCC unroll 4
    for (std::size_t i = 0; i < kVectors; ++i) pass(all[i], at + i * sizeof(Vector));
  }
  for (; n - at >= sizeof(Vector); at += sizeof(Vector)) pass(all[0], at);
  // The last ones overlap those before them where there are some.
  if (at < n && n >= sizeof(Vector)) {
    pass(all[0], n - sizeof(Vector));
  } else if (at < n && n >= sizeof(Word)) {
    pass_word(0);
    pass_word(n - sizeof(Word));
  } else {
    for (; at < n; ++at) all[0][0] |= out[at] = *const_cast<const volatile unsigned char*>(in + at);
  }
  const Vector both = (all[0] | all[1]) | (all[2] | all[3]);
  return ((both[0] | both[1]) & 0x8080808080808080U) == 0;
}

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
  // Keys are short: they are compared as words, inline, mostly two to four. Those from the end overlap those from the
  // beginning.
  if (n >= 16 && n <= 32) [[likely]]
    return (differ(0) | differ(8) | differ(n - 16) | differ(n - 8)) == 0;
  if (n < 8 || n > 64) return std::memcmp(a, b, n) == 0;
  std::uint64_t other = differ(0) | differ(n - 8);
  if (n > 16) other |= differ(8) | differ(n - 16) | differ(16) | differ(24) | differ(n - 32) | differ(n - 24);
  return other == 0;
}

/// Writes n bytes where no slot leads. Readers that still look there will throw away what they see. from may lie in
/// shared memory too, and in a damaged segment the two may overlap.
inline void racy_fill(void* shared, const void* from, std::size_t n) noexcept {
  if (n < 8 || n > 32) {
    std::memmove(shared, from, n);
    return;
  }
  // As long as most keys: copied as words, inline. All are loaded before the first is stored.
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
