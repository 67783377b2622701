// surroundings.hpp - What a fuzz target holds still around the library, so that the same input does the same again, and
// puts around its mappings, so that no access beyond them goes unseen. Beside test_clock.cpp, link surroundings.cpp
// with -Wl,--wrap=mmap,--wrap=munmap,--wrap=getrandom:
//
//   mmap       a shared mapping of a file lies in the middle of 128 MiB that nobody may touch
//   getrandom  gives the same bytes each time
#pragma once

#include <cstddef>
#include <span>

namespace forklore::fuzz {

/// The shared mapping that was made last and still stands; empty if there is none.
std::span<std::byte> last_mapping() noexcept;

}  // namespace forklore::fuzz
