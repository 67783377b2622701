#include "base/huge_pages.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <charconv>
#include <chrono>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

namespace forklore::base {
namespace {

constexpr std::chrono::seconds kPatience{3};
constexpr int kAttempts = 3;  // for one page: a signal, or another look at the page, may be in the way

std::size_t read_size() noexcept {
  const int descriptor = ::open("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return 0;
  std::array<char, 32> text{};
  const ssize_t got = ::read(descriptor, text.data(), text.size());
  ::close(descriptor);
  std::size_t bytes = 0;
  if (got <= 0 || std::from_chars(text.data(), text.data() + got, bytes).ec != std::errc{}) return 0;
  return std::has_single_bit(bytes) ? bytes : 0;
}

// MADV_COLLAPSE makes a huge page of what is there and fills it with zeros. Something must be there: one byte is.
bool take_one(int descriptor, std::byte* page, std::uint64_t offset, std::size_t bytes) noexcept {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (::fallocate(descriptor, 0, static_cast<::off_t>(offset), 1) == 0 &&
        ::madvise(page, bytes, MADV_COLLAPSE) == 0) {
      return true;
    }
    if (errno != EAGAIN && errno != EINTR) return false;
  }
  return false;
}

}  // namespace

std::size_t huge_page_bytes() noexcept {
  static const std::size_t bytes = read_size();
  return bytes;
}

void* reserve_aligned(std::size_t bytes) noexcept {
  const std::size_t huge = huge_page_bytes();
  if (huge == 0 || bytes < huge) return nullptr;
  const auto small = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t wanted = (bytes + small - 1) / small * small;
  const std::size_t taken = wanted + huge - small;
  void* const all = ::mmap(nullptr, taken, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (all == MAP_FAILED) return nullptr;
  const std::size_t before = -reinterpret_cast<std::uintptr_t>(all) & (huge - 1);
  auto* const begin = static_cast<std::byte*>(all) + before;
  if (before != 0) ::munmap(all, before);
  if (const std::size_t after = taken - before - wanted; after != 0) ::munmap(begin + wanted, after);
  return begin;
}

void take_huge_pages(int descriptor, std::uint64_t bytes) noexcept {
  const std::size_t huge = huge_page_bytes();
  void* const room = reserve_aligned(bytes);
  if (room == nullptr) return;
  void* const mapped = ::mmap(room, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, descriptor, 0);
  if (mapped != MAP_FAILED) {
    const auto until = std::chrono::steady_clock::now() + kPatience;
    for (std::uint64_t at = 0; at + huge <= bytes && std::chrono::steady_clock::now() < until; at += huge) {
      if (!take_one(descriptor, static_cast<std::byte*>(mapped) + at, at, huge)) break;
    }
  }
  ::munmap(room, bytes);
}

}  // namespace forklore::base
