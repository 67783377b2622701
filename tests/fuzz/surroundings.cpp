#include "surroundings.hpp"

#include <sys/mman.h>
#include <sys/random.h>

#include <algorithm>
#include <cstring>
#include <vector>

namespace {

constexpr std::size_t kGuard = 64 << 20;

std::vector<std::span<std::byte>> guarded;

std::size_t whole_pages(std::size_t bytes) { return (bytes + 4095) & ~std::size_t{4095}; }

}  // namespace

extern "C" {

// What the linker calls what it wraps, and what it puts in its place.
void* __real_mmap(void* at, std::size_t bytes, int protection, int flags, int file, ::off_t offset);  // NOLINT
int __real_munmap(void* at, std::size_t bytes);                                                       // NOLINT

void* __wrap_mmap(void* at, std::size_t bytes, int protection, int flags, int file, ::off_t offset) {  // NOLINT
  if (at != nullptr || file < 0 || (flags & MAP_TYPE) == MAP_PRIVATE) {
    return __real_mmap(at, bytes, protection, flags, file, offset);
  }
  const std::size_t inside = whole_pages(bytes);
  void* around =
      __real_mmap(nullptr, inside + 2 * kGuard, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (around == MAP_FAILED) return around;
  void* middle = static_cast<std::byte*>(around) + kGuard;
  void* mapped = __real_mmap(middle, bytes, protection, flags | MAP_FIXED, file, offset);
  if (mapped == MAP_FAILED) {
    __real_munmap(around, inside + 2 * kGuard);
    return mapped;
  }
  guarded.emplace_back(static_cast<std::byte*>(mapped), bytes);
  return mapped;
}

int __wrap_munmap(void* at, std::size_t bytes) {  // NOLINT
  const auto it = std::find_if(guarded.begin(), guarded.end(), [&](const auto& m) { return m.data() == at; });
  if (it == guarded.end()) return __real_munmap(at, bytes);
  guarded.erase(it);
  return __real_munmap(static_cast<std::byte*>(at) - kGuard, whole_pages(bytes) + 2 * kGuard);
}

::ssize_t __wrap_getrandom(void* to, std::size_t bytes, unsigned) {  // NOLINT
  std::memset(to, 0x5a, bytes);
  return static_cast<::ssize_t>(bytes);
}
}

namespace forklore::fuzz {

std::span<std::byte> last_mapping() noexcept { return guarded.empty() ? std::span<std::byte>{} : guarded.back(); }

}  // namespace forklore::fuzz
