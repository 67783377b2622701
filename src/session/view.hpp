// view.hpp - One segment as this process has it mapped.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>

#include "base/mapping.hpp"
#include "base/process.hpp"
#include "store/segment.hpp"

namespace forklore::session {

/// Lives as long as its attachment, also when no longer current.
struct View {
  View(base::Mapping mapped, const store::Description& description, bool writable, base::FileIdentity file,
       std::filesystem::path where);

  std::uint64_t id;             // differs between all views of a process's life
  base::FileIdentity identity;  // zero: memory without a name
  const std::filesystem::path path;
  bool made = false;  // by this process, just now
  base::LockDomain domain;
  base::Mapping mapping;
  int descriptor = -1;  // kept only where the mapping alone does not keep the flock
  store::Segment segment;
  // It was removed or replaced, and what the name means now could not be opened. Relaxed: set once, under the
  // registry's mutex; who sees it late looks again later.
  std::atomic<bool> lost{false};
  std::atomic<std::uint64_t> said_lacking{0};  // boottime at which the log was told that no line is left. Relaxed
};

}  // namespace forklore::session
