// For tests in qemu's user mode, which says yes to every advice on memory and follows none. What the library would rely
// on is refused here, as by a kernel that does not know it, and the library does without.
#include <sys/mman.h>

#include <cerrno>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

extern "C" int __real_madvise(void* address, std::size_t bytes, int advice);  // NOLINT: the linker's names
extern "C" int __wrap_madvise(void* address, std::size_t bytes, int advice) {
  if (advice != MADV_WIPEONFORK && advice != MADV_COLLAPSE) return __real_madvise(address, bytes, advice);
  errno = EINVAL;
  return -1;
}
