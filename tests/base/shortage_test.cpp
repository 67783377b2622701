#include "base/shortage.hpp"

#include <doctest/doctest.h>
#include <sys/statvfs.h>

#include "scratch.hpp"

using forklore::base::find_shortage;
using forklore::base::Shortage;
using forklore::tests::Scratch;

namespace {

constexpr std::uint64_t kMiB = 1 << 20;

std::string mib(std::uint64_t n) { return std::to_string(n * kMiB) + "\n"; }
bool mentions(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

constexpr std::string_view kMount2 =
    "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/root rw\n"
    "30 22 0:26 / /sys/fs/cgroup rw,nosuid shared:4 master:1 - cgroup2 cgroup2 rw,nsdelegate\n";

/// A fake /proc and /sys with one cgroup of version 2 inside another.
struct Tree {
  Scratch scratch;
  void process(std::string_view cgroup, std::string_view mountinfo) const {
    scratch.write("proc/self/cgroup", cgroup);
    scratch.write("proc/self/mountinfo", mountinfo);
  }
  void version2(const std::string& path, std::string_view max, std::uint64_t current,
                std::uint64_t inactive = 0) const {
    const std::string directory = "sys/fs/cgroup" + path;
    scratch.write(directory + "/memory.max", max);
    scratch.write(directory + "/memory.current", mib(current));
    scratch.write(directory + "/memory.stat", "anon 4096\ninactive_file " + mib(inactive) + "active_file 99999999\n");
  }
  void version1(const std::string& path, std::string_view max, std::uint64_t usage, std::uint64_t inactive = 0) const {
    const std::string directory = "sys/fs/cgroup/memory" + path;
    scratch.write(directory + "/memory.limit_in_bytes", max);
    scratch.write(directory + "/memory.usage_in_bytes", mib(usage));
    scratch.write(directory + "/memory.stat", "inactive_file 0\ntotal_inactive_file " + mib(inactive));
  }
  std::optional<Shortage> find(std::uint64_t n) const { return find_shortage("", n * kMiB, true, scratch.path()); }
};

}  // namespace

TEST_CASE("version 2: the limit less what is in use, file pages not counted") {
  Tree tree;
  tree.process("0::/app\n", kMount2);
  tree.version2("/app", mib(100), 60, 10);
  CHECK_FALSE(tree.find(50));
  const auto shortage = tree.find(51);
  REQUIRE(shortage);
  CHECK(shortage->available == 50 * kMiB);
  CHECK(shortage->limit == "the memory cgroup /app");
  CHECK(mentions(shortage->remedy, "memory.max"));
  CHECK(mentions(shortage->remedy, "docker run --memory"));
  CHECK_FALSE(find_shortage("", 51 * kMiB, false, tree.scratch.path()));
}

TEST_CASE("version 2: the tightest of all enclosing limits counts") {
  Tree tree;
  tree.process("0::/pod/app/worker\n", kMount2);
  tree.version2("/pod", mib(300), 280);
  tree.version2("/pod/app", mib(100), 30);
  tree.version2("/pod/app/worker", "max\n", 10);
  CHECK_FALSE(tree.find(20));
  REQUIRE(tree.find(21));
  CHECK(tree.find(21)->limit == "the memory cgroup /pod");
  CHECK(tree.find(21)->available == 20 * kMiB);
  CHECK(tree.find(500)->limit == "the memory cgroup /pod");
  tree.version2("/pod", mib(3000), 280);
  CHECK(tree.find(500)->limit == "the memory cgroup /pod/app");
  CHECK(tree.find(500)->available == 70 * kMiB);
}

TEST_CASE("version 2: a container with its own cgroup namespace has its limit at the mount point") {
  Tree tree;
  tree.process("0::/\n", kMount2);
  tree.version2("", mib(64), 4);
  CHECK_FALSE(tree.find(60));
  CHECK(tree.find(61)->limit == "the memory cgroup /");

  SUBCASE("also for a process that was moved in from outside") {
    tree.process("0::/../other\n", kMount2);
    tree.scratch.write("sys/fs/other/memory.max", "1\n");
    tree.scratch.write("sys/fs/other/memory.current", "0\n");
    CHECK_FALSE(tree.find(60));
    CHECK(tree.find(61));
  }
}

TEST_CASE("version 1: own file names, and the controller among others") {
  Tree tree;
  tree.process("5:cpu,cpuacct:/x\n4:memory:/site/app\n1:name=systemd:/\n0::/\n",
               "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
               "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
               "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n");
  tree.version1("", "9223372036854771712\n", 10);
  tree.version1("/site", mib(200), 150, 20);
  tree.version1("/site/app", "9223372036854771712\n", 150);
  CHECK_FALSE(tree.find(70));
  REQUIRE(tree.find(71));
  CHECK(tree.find(71)->available == 70 * kMiB);
  CHECK(tree.find(71)->limit == "the memory cgroup /site");
  CHECK(mentions(tree.find(71)->remedy, "memory.limit_in_bytes"));
}

TEST_CASE("version 1: a mount that shows only a part has the rest of the path below it") {
  Tree tree;
  tree.process("4:memory:/docker/abc/inner\n",
               "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro,relatime - cgroup cgroup rw,memory\n");
  tree.version1("", mib(100), 90);
  tree.version1("/inner", mib(50), 45);
  CHECK_FALSE(tree.find(5));
  CHECK(tree.find(6)->limit == "the memory cgroup /docker/abc/inner");
  tree.version1("/inner", mib(50), 10);
  CHECK(tree.find(11)->limit == "the memory cgroup /docker/abc");
  tree.process("4:memory:/docker/abcdef\n",
               "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro,relatime - cgroup cgroup rw,memory\n");
  CHECK(tree.find(11)->available == 10 * kMiB);
}

TEST_CASE("both versions at once, and a mount point with a space") {
  Tree tree;
  tree.process("4:memory:/a\n0::/b\n",
               "35 31 0:32 / /sys/fs/cgroup/memory ro,relatime - cgroup cgroup rw,memory\n"
               "36 31 0:33 / /sys/fs/cgroup/uni\\040fied rw,relatime - cgroup2 cgroup2 rw\n");
  tree.version1("/a", mib(100), 40);
  tree.version2("/uni fied/b", mib(100), 80);
  CHECK_FALSE(tree.find(20));
  CHECK(tree.find(30)->limit == "the memory cgroup /b");
  tree.version2("/uni fied/b", "max\n", 80);
  CHECK(tree.find(61)->limit == "the memory cgroup /a");
}

TEST_CASE("more in use than the limit leaves nothing, not a great deal") {
  Tree tree;
  tree.process("0::/app\n", kMount2);
  tree.version2("/app", mib(100), 120);
  CHECK(tree.find(1)->available == 0);
  tree.version2("/app", mib(100), 120, 500);
  CHECK_FALSE(tree.find(100));
}

TEST_CASE("a limit that cannot be read is no limit") {
  Tree tree;
  CHECK_FALSE(tree.find(1 << 20));
  tree.process("nonsense\n0::/app\n:\n", "nonsense - x\n");
  CHECK_FALSE(tree.find(1 << 20));
  tree.process("0::/app\n", kMount2);
  CHECK_FALSE(tree.find(1 << 20));
  tree.version2("/app", "12cows\n", 1);
  CHECK_FALSE(tree.find(1 << 20));
  tree.scratch.write("sys/fs/cgroup/app/memory.max", "");
  CHECK_FALSE(tree.find(1 << 20));
}

TEST_CASE("the file system's free space") {
  struct statvfs system {};
  REQUIRE(::statvfs("/dev/shm", &system) == 0);
  const std::uint64_t huge = std::uint64_t{1} << 60;
  CHECK_FALSE(find_shortage("/dev/shm", 1, false));
  if (system.f_blocks != 0) {
    const auto shortage = find_shortage("/dev/shm", huge, false);
    REQUIRE(shortage);
    CHECK(shortage->limit == "the file system of /dev/shm");
    CHECK(shortage->available <= std::uint64_t{system.f_blocks} * system.f_frsize);
    CHECK(mentions(shortage->remedy, "--shm-size"));
    CHECK(mentions(shortage->remedy, "medium: Memory"));
  }
  Scratch scratch;
  const auto shortage = find_shortage(scratch.path(), huge, false);
  REQUIRE(shortage);
  CHECK(mentions(shortage->remedy, "another path"));
  CHECK_FALSE(find_shortage(scratch / "none", huge, false));
  CHECK_FALSE(find_shortage("", huge, false));
}

TEST_CASE("this machine's own files can be read") { CHECK_FALSE(find_shortage("", 1, true)); }
