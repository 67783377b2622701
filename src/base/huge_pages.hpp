// huge_pages.hpp - Shared memory in pages of 2 MiB instead of 4 KiB.
//
// Without them, a read at random from some hundred MiB waits for the page tables too, not for the memory alone. A
// process that attaches takes one page fault instead of 512.
#pragma once

#include <cstddef>
#include <cstdint>

namespace forklore::base {

/// The size of a huge page in bytes. 0 if this kernel has none.
std::size_t huge_page_bytes() noexcept;

/// Takes the memory of a new file of tmpfs in huge pages. The file has its size and no memory yet. Ends when the kernel
/// refuses a page, or after three seconds. The kernel refuses if it is older than 6.1, is told to deny huge pages, or
/// has no memory in one piece. The caller then allocates what is lacking.
void take_huge_pages(int descriptor, std::uint64_t bytes) noexcept;

/// Reserves addresses that begin where a huge page may begin, for a mapping to take their place. nullptr if there are
/// none.
void* reserve_aligned(std::size_t bytes) noexcept;

}  // namespace forklore::base
