#include "base/shortage.hpp"

#include <linux/magic.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string_view>
#include <vector>

namespace forklore::base {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kNoLimit = std::uint64_t{1} << 62;  // version 1 writes its "none" as a number near 2^63

/// One version of memory cgroups: how to find them and what their files are called.
struct Hierarchy {
  std::string_view type;        ///< of its mounts
  std::string_view controller;  ///< that a line or a mount must name; empty: the line that names none
  const char* limit;
  const char* usage;
  std::string_view reclaimable;  ///< the line of memory.stat with file pages that make way
  const char* remedy;
};

constexpr Hierarchy kHierarchies[] = {
    {"cgroup2", "", "memory.max", "memory.current", "inactive_file",
     "raise its memory.max (a container's memory limit: docker run --memory, resources.limits.memory in Kubernetes; "
     "MemoryMax= of a systemd unit)"},
    {"cgroup", "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file",
     "raise its memory.limit_in_bytes (a container's memory limit: docker run --memory, resources.limits.memory in "
     "Kubernetes; MemoryLimit= of a systemd unit)"},
};

/// Where a hierarchy, or a part of it, can be seen.
struct Mount {
  std::string root;  ///< the cgroup that lies at the mount point
  fs::path point;
};

std::optional<std::uint64_t> parse(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<std::uint64_t> read_number(const fs::path& path) {
  std::ifstream file(path);
  std::string word;
  if (!(file >> word)) return std::nullopt;
  return parse(word);
}

std::uint64_t read_stat(const fs::path& path, std::string_view wanted) {
  std::ifstream file(path);
  for (std::string name, value; file >> name >> value;) {
    if (name == wanted) return parse(value).value_or(0);
  }
  return 0;
}

// Whether a comma-separated list names item; an empty item asks for an empty list.
bool names(std::string_view list, std::string_view item) {
  for (;;) {
    const std::size_t comma = list.find(',');
    if (list.substr(0, comma) == item) return true;
    if (comma == std::string_view::npos) return false;
    list.remove_prefix(comma + 1);
  }
}

// Undoes the octal escapes (\040 for a space) of mountinfo.
std::string unescape(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    const char* digits = text.data() + i + 1;
    if (text[i] == '\\' && i + 3 < text.size() && std::from_chars(digits, digits + 3, value, 8).ptr == digits + 3) {
      plain += static_cast<char>(value);
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

// This process's cgroup, from lines "number:controllers:path".
std::optional<std::string> own_cgroup(const fs::path& root, const Hierarchy& hierarchy) {
  std::ifstream file(root / "proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const auto controllers = std::string_view(line).substr(first + 1, second - first - 1);
    if (names(controllers, hierarchy.controller)) return line.substr(second + 1);
  }
  return std::nullopt;
}

// From lines "id parent device root point options [tags] - type source options".
std::vector<Mount> mounts_of(const fs::path& root, const Hierarchy& hierarchy) {
  std::vector<Mount> found;
  std::ifstream file(root / "proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    const std::vector<std::string> fields{std::istream_iterator<std::string>(words), {}};
    if (fields.size() < 10) continue;
    const auto dash = std::find(fields.begin() + 6, fields.end(), "-");
    if (fields.end() - dash < 4 || dash[1] != hierarchy.type) continue;
    if (!hierarchy.controller.empty() && !names(dash[3], hierarchy.controller)) continue;
    found.push_back({unescape(fields[3]), root / fs::path(unescape(fields[4])).relative_path()});
  }
  return found;
}

// The way from the mount's cgroup down to path; empty where path lies elsewhere (a cgroup namespace's outside).
fs::path below(const std::string& mount_root, const std::string& path) {
  if (path.starts_with("/..")) return {};
  if (mount_root == "/") return fs::path(path).relative_path();
  if (!path.starts_with(mount_root + "/")) return {};
  return path.substr(mount_root.size() + 1);
}

// What is left under the limit of the cgroup in directory; none without a limit.
std::optional<std::uint64_t> left_in(const fs::path& directory, const Hierarchy& hierarchy) {
  const auto limit = read_number(directory / hierarchy.limit);
  const auto usage = read_number(directory / hierarchy.usage);
  if (!limit || !usage || *limit >= kNoLimit) return std::nullopt;
  const std::uint64_t yielding = std::min(read_stat(directory / "memory.stat", hierarchy.reclaimable), *usage);
  const std::uint64_t needed = *usage - yielding;
  return *limit > needed ? *limit - needed : 0;
}

class Tightest {
 public:
  explicit Tightest(std::uint64_t bytes) : bytes_(bytes) {}
  void add(std::uint64_t available, std::string limit, std::string remedy) {
    if (available >= bytes_ || (shortage_ && shortage_->available <= available)) return;
    shortage_ = Shortage{std::move(limit), available, std::move(remedy)};
  }
  std::optional<Shortage> result() && { return std::move(shortage_); }

 private:
  std::uint64_t bytes_;
  std::optional<Shortage> shortage_;
};

void add_file_system(Tightest& tightest, const fs::path& directory) {
  struct statvfs system {};
  struct statfs kind {};
  if (directory.empty() || ::statvfs(directory.c_str(), &system) != 0) return;
  if (system.f_blocks == 0) return;  // a tmpfs without a limit
  const bool is_memory = ::statfs(directory.c_str(), &kind) == 0 && kind.f_type == TMPFS_MAGIC;
  const bool is_shm = directory.lexically_normal().native().starts_with("/dev/shm");
  const char* remedy = "free space there, choose another path";
  if (is_shm) {
    remedy =
        "give it more: docker run --shm-size=..., in Kubernetes a volume emptyDir with medium: Memory mounted at "
        "/dev/shm, on a host mount -o remount,size=... /dev/shm";
  } else if (is_memory) {
    remedy = "mount that tmpfs with a larger size=, choose another path";
  }
  tightest.add(std::uint64_t{system.f_bavail} * system.f_frsize, "the file system of " + directory.string(), remedy);
}

// Past it, a process that makes a file larger gets SIGXFSZ.
void add_file_size_limit(Tightest& tightest) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return;
  tightest.add(limit.rlim_cur, "the limit on the size of files", "raise it (ulimit -f, LimitFSIZE= of a systemd unit)");
}

void add_cgroups(Tightest& tightest, const fs::path& root, const Hierarchy& hierarchy) {
  const auto own = own_cgroup(root, hierarchy);
  if (!own) return;
  for (const Mount& mount : mounts_of(root, hierarchy)) {
    for (fs::path way = below(mount.root, *own);; way = way.parent_path()) {
      const auto left = left_in(mount.point / way, hierarchy);
      const fs::path name = way.empty() ? fs::path(mount.root) : mount.root / way;
      if (left) tightest.add(*left, "the memory cgroup " + name.string(), hierarchy.remedy);
      if (way.empty()) break;
    }
  }
}

}  // namespace

std::optional<Shortage> find_shortage(const fs::path& directory, std::uint64_t bytes, bool charged) {
  return find_shortage(directory, bytes, charged, "/");
}

std::optional<Shortage> find_shortage(const fs::path& directory, std::uint64_t bytes, bool charged,
                                      const fs::path& root) {
  Tightest tightest(bytes);
  add_file_system(tightest, directory);
  add_file_size_limit(tightest);
  if (charged) {
    for (const Hierarchy& hierarchy : kHierarchies) add_cgroups(tightest, root, hierarchy);
  }
  return std::move(tightest).result();
}

}  // namespace forklore::base
