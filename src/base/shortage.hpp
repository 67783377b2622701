// shortage.hpp - How much memory may be taken before the kernel kills instead of failing.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace forklore::base {

/// A limit that a new segment would run into.
struct Shortage {
  std::string limit;            ///< a sentence's subject: "the file system of /dev/shm", "the memory cgroup /x/y"
  std::uint64_t available = 0;  ///< bytes left under it
  std::string remedy;           ///< the setting to change: "--shm-size ...", "memory.max ..."
};

/// Whether bytes more fit the file system of directory (unless it is empty), the limit on file sizes (RLIMIT_FSIZE)
/// and, if charged, memory.max less memory.current of every enclosing memory cgroup (versions 2 and 1, found through
/// /proc/self/cgroup and mountinfo, ancestors included; a limit that cannot be read is no limit; file pages not in use
/// count as available).
/// The tightest limit that they do not fit; none: they fit.
std::optional<Shortage> find_shortage(const std::filesystem::path& directory, std::uint64_t bytes, bool charged);

/// The same with root put before /proc and before every cgroup mount point found there; directory is taken as it is.
std::optional<Shortage> find_shortage(const std::filesystem::path& directory, std::uint64_t bytes, bool charged,
                                      const std::filesystem::path& root);

}  // namespace forklore::base
