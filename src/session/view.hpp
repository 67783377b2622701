// view.hpp - One segment as this process has it mapped.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>

#include "base/mapping.hpp"
#include "base/process.hpp"
#include "store/segment.hpp"

namespace forklore::session {

/// Lives as long as its attachment, also when it is no longer the current one.
struct View {
  View(base::Mapping mapped, const store::Description& description, bool writable, base::FileIdentity file,
       std::filesystem::path where);

  std::uint64_t id;             // no other view of this process ever has it
  base::FileIdentity identity;  // zero: memory without a name
  const std::filesystem::path path;
  bool made = false;  // this process has just made the segment
  base::LockDomain domain;
  base::Mapping mapping;
  int descriptor = -1;  // kept open only where the mapping alone does not keep the flock
  store::Segment segment;
  // The segment was removed or replaced, and what the name means now could not be opened. Relaxed: it is set once, by
  // Attachment::lose(), with the registry's mutex held. A thread that sees it late checks the name again later.
  std::atomic<bool> lost{false};
  std::atomic<std::uint64_t> said_lacking{0};  // boottime when the log was told of no line left. Relaxed
};

}  // namespace forklore::session
