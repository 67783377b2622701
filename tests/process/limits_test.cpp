// What the system allows a creator is less than it asks for: an error with both numbers, never a signal.
#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <forklore/forklore.hpp>
#include <fstream>
#include <string>
#include <vector>

#include "child.hpp"
#include "session/naming.hpp"
#include "unique_name.hpp"

using namespace forklore;
using tests::Child;
using tests::UniqueName;
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kMiB = 1 << 20;

bool write(const fs::path& path, const std::string& text) {
  std::ofstream file(path);
  return file << text && file.flush();
}

/// A memory cgroup with a limit, where this process may make one: at the root of what is mounted.
class MemoryGroup {
 public:
  explicit MemoryGroup(std::uint64_t limit) {
    struct Version {
      const char *root, *limit;
    };
    for (const Version& version :
         {Version{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"}, Version{"/sys/fs/cgroup", "memory.max"}}) {
      const fs::path path = fs::path(version.root) / ("forklore-test-" + std::to_string(::getpid()));
      if (::mkdir(path.c_str(), 0755) != 0) continue;
      path_ = path;
      if (fs::exists(path / version.limit) && write(path / version.limit, std::to_string(limit))) return;
      leave_none();
    }
  }
  ~MemoryGroup() { leave_none(); }
  MemoryGroup(const MemoryGroup&) = delete;
  MemoryGroup& operator=(const MemoryGroup&) = delete;

  explicit operator bool() const { return !path_.empty(); }
  [[nodiscard]] std::string name() const { return path_.filename(); }
  [[nodiscard]] bool enter() const { return write(path_ / "cgroup.procs", std::to_string(::getpid())); }

 private:
  void leave_none() {
    if (!path_.empty()) ::rmdir(path_.c_str());
    path_.clear();
  }
  fs::path path_;
};

/// Opens in a child: 0 if it works, 1 if refused in words that have all the parts, 2 if in others.
template <class Limit>
int open_under(Limit limit, const Options& options, const std::vector<std::string>& parts) {
  return Child([&] {
           if (!limit()) return 3;
           try {
             Cache cache = Cache::open(options);
             return cache.set("key", "value") == Code::ok ? 0 : 4;
           } catch (const OpenError& error) {
             for (const std::string& part : parts) {
               if (std::string(error.what()).find(part) == std::string::npos) {
                 std::fprintf(stderr, "%s\n", error.what());
                 return 2;
               }
             }
             return error.code() == std::errc::not_enough_memory ? 1 : 5;
           }
         })
      .join();
}

}  // namespace

TEST_CASE("a memory cgroup that is too small for the capacity") {
  const MemoryGroup group(48 * kMiB);
  if (!group) {
    MESSAGE("skipped: no memory cgroup can be made here");
    return;
  }
  UniqueName name;
  const auto inside = [&] { return group.enter(); };
  for (const Place place : {Place::shm, Place::anonymous}) {
    CAPTURE(place == Place::shm);
    Options options{.name = name, .place = place, .capacity_bytes = 64 * kMiB};
    const std::vector<std::string> parts{"capacity_bytes: 64 MiB (67108864) is asked for", "the memory cgroup",
                                         group.name(), "left; raise its memory."};
    CHECK(open_under(inside, options, parts) == 1);
    CHECK_FALSE(fs::exists(session::path_of({.name = name})));
    options.capacity_bytes = 16 * kMiB;
    CHECK(open_under(inside, options, {}) == 0);
    remove_segment(name.str());
  }
}

TEST_CASE("a limit on the size of files that is below the capacity") {
  UniqueName name;
  const auto limited = [] {
    const rlimit limit{2 * kMiB, 2 * kMiB};
    return ::setrlimit(RLIMIT_FSIZE, &limit) == 0;
  };
  for (const Place place : {Place::shm, Place::anonymous}) {
    Options options{.name = name, .place = place, .capacity_bytes = 4 * kMiB};
    const std::vector<std::string> parts{"capacity_bytes: 4 MiB (4194304) is asked for",
                                         "the limit on the size of files has 2 MiB (2097152) left", "ulimit -f"};
    CHECK(open_under(limited, options, parts) == 1);
    CHECK_FALSE(fs::exists(session::path_of({.name = name})));
    options.capacity_bytes = kMiB;
    CHECK(open_under(limited, options, {}) == 0);
    remove_segment(name.str());
  }
}
