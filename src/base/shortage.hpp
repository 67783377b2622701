// shortage.hpp - Whether there is enough memory. Past a cgroup's limit the kernel does not refuse memory: it kills.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace forklore::base {

/// A limit that a new segment would exceed.
struct Shortage {
  std::string limit;            ///< the subject of a sentence: "the file system of /dev/shm", "the memory cgroup /x/y"
  std::uint64_t available = 0;  ///< bytes left under it
  std::string remedy;           ///< the setting to change: "--shm-size ...", "memory.max ..."
};

/// The tightest limit that so many more bytes exceed; none if they fit. It looks at
///   the file system of directory, unless directory is empty
///   the limit on file sizes (RLIMIT_FSIZE)
///   if charged: each memory cgroup around this process, of version 2 and 1, found by /proc/self/cgroup and mountinfo
/// A limit that cannot be read is no limit. File pages that are not in use count as available.
std::optional<Shortage> find_shortage(const std::filesystem::path& directory, std::uint64_t bytes, bool charged);

/// The same for tests: root stands before /proc and before each cgroup mount point. directory is taken as it is.
std::optional<Shortage> find_shortage(const std::filesystem::path& directory, std::uint64_t bytes, bool charged,
                                      const std::filesystem::path& root);

}  // namespace forklore::base
