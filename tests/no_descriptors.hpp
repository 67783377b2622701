// no_descriptors.hpp - A process that may open nothing more.
#pragma once

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

namespace forklore::tests {

/// Leaves this process, which does not come back from it, as many descriptors as said.
inline bool leave_descriptors(int free) {
  // What is open stays open below any limit, and the lowest free number is the next one's.
  const int next = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (next < 0) return false;
  ::close(next);
  const rlimit limit{static_cast<rlim_t>(next + free), static_cast<rlim_t>(next + free)};
  return ::setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

}  // namespace forklore::tests
