// huge_pages.hpp - Shared memory in pages of 2 MiB instead of 4 KiB.
//
// A read at random from a segment of some hundred MiB then waits for memory alone and no longer for the page tables as
// well, and a process that attaches takes one page fault where it took 512.
#pragma once

#include <cstddef>
#include <cstdint>

namespace forklore::base {

/// What a huge page has, in bytes; 0 where this kernel has none.
std::size_t huge_page_bytes() noexcept;

/// Takes the memory of a new file of tmpfs, which has its size and no memory yet, in huge pages: whole ones, from the
/// first on, until the kernel refuses one (it is older than 6.1, told to deny them, or its memory is in pieces) or
/// three seconds are over. Whatever comes of it, the file is as good as before, and what it lacks is still to be
/// allocated.
void take_huge_pages(int descriptor, std::uint64_t bytes) noexcept;

/// Addresses of bytes, reserved, that begin where a huge page may; nullptr if there are none. For a mapping to replace.
void* reserve_aligned(std::size_t bytes) noexcept;

}  // namespace forklore::base
