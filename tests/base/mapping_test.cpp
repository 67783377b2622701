#include "base/mapping.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "child.hpp"
#include "scratch.hpp"

using namespace forklore::base;
using forklore::tests::Child;
using forklore::tests::Scratch;
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kSize = 256 * 1024;

File make(const fs::path& path, std::uint64_t bytes = kSize) {
  std::error_code error;
  File file = File::open(path, File::Access::create, 0600, error);
  REQUIRE_FALSE(error);
  file.allocate(bytes, error);
  REQUIRE_FALSE(error);
  return file;
}

Mapping map(const File& file) {
  std::error_code error;
  Mapping mapping = Mapping::map(file, false, error);
  REQUIRE_FALSE(error);
  return mapping;
}

bool can_lock_exclusively(const fs::path& path) {
  std::error_code error;
  return File::open(path, File::Access::read, 0, error).try_lock(FileLock::exclusive);
}

}  // namespace

TEST_CASE("a file made here has the mode asked for, one that was there keeps its own") {
  Scratch scratch;
  const ::mode_t umask_before = ::umask(0077);
  std::error_code error;
  File made = File::open(scratch / "file", File::Access::create, 0664, error);
  ::umask(umask_before);
  REQUIRE(made);
  CHECK_FALSE(error);
  CHECK(made.mode() == 0664);
  CHECK(made.owner() == ::geteuid());
  CHECK(made.is_regular());
  CHECK(made.size() == 0);
  CHECK((::fcntl(made.descriptor(), F_GETFD) & FD_CLOEXEC) != 0);

  File again = File::open(scratch / "file", File::Access::create, 0600, error);
  REQUIRE(again);
  CHECK(again.mode() == 0664);
  CHECK(again.identity() == made.identity());
  CHECK(identity_of(scratch / "file") == made.identity());
  fs::remove(scratch / "file");
  CHECK(identity_of(scratch / "file") == FileIdentity{});
  File next = File::open(scratch / "file", File::Access::create, 0600, error);
  CHECK(next.identity() != made.identity());
}

TEST_CASE("what cannot be opened says why") {
  Scratch scratch;
  std::error_code error;
  CHECK_FALSE(File::open(scratch / "none", File::Access::read_write, 0, error));
  CHECK(error == std::errc::no_such_file_or_directory);
  CHECK_FALSE(File::open(scratch / "none/file", File::Access::create, 0600, error));
  CHECK(error == std::errc::no_such_file_or_directory);
  make(scratch / "file");
  fs::create_symlink(scratch / "file", scratch / "link");
  for (const auto access : {File::Access::read, File::Access::read_write, File::Access::create}) {
    CHECK_FALSE(File::open(scratch / "link", access, 0600, error));
    CHECK(error == std::errc::too_many_symbolic_link_levels);
  }
  CHECK(identity_of(scratch / "link") != identity_of(scratch / "file"));
  REQUIRE(::mkfifo((scratch / "pipe").c_str(), 0600) == 0);
  File pipe = File::open(scratch / "pipe", File::Access::read, 0, error);  // and does not wait for a writer
  CHECK(pipe);
  CHECK_FALSE(pipe.is_regular());
}

TEST_CASE("allocate gives the size asked for, empty, and nothing if it fails") {
  Scratch scratch;
  File file = make(scratch / "file", 40'000'001);
  CHECK(file.size() == 40'000'001);
  REQUIRE(::pwrite(file.descriptor(), "abcd", 4, 0) == 4);
  char head[4] = {};
  CHECK(file.read_start(head, 4));
  CHECK(std::memcmp(head, "abcd", 4) == 0);
  std::error_code error;
  file.allocate(3, error);
  CHECK_FALSE(error);
  CHECK(file.size() == 3);
  CHECK_FALSE(file.read_start(head, 4));
  CHECK(file.read_start(head, 3));
  CHECK(head[0] == 0);
  file.allocate(0, error);
  CHECK(error == std::errc::invalid_argument);

  Child limited([&] {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{20u << 20, 20u << 20};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    std::error_code failure;
    file.allocate(40u << 20, failure);
    return failure == std::errc::file_too_large && file.size() == 0 ? 0 : 1;
  });
  CHECK(limited.join() == 0);
}

TEST_CASE("a quick timer does not keep allocate from its end") {
  Scratch scratch("/dev/shm");
  struct sigaction quiet {};
  struct sigaction old {};
  quiet.sa_handler = [](int) {};
  ::sigaction(SIGALRM, &quiet, &old);
  const itimerval often{{0, 500}, {0, 500}};
  ::setitimer(ITIMER_REAL, &often, nullptr);
  std::error_code error;
  File file = File::open(scratch / "file", File::Access::create, 0600, error);
  file.allocate(48u << 20, error);
  const itimerval never{};
  ::setitimer(ITIMER_REAL, &never, nullptr);
  ::sigaction(SIGALRM, &old, nullptr);
  CHECK_FALSE(error);
  CHECK(file.size() == 48u << 20);
}

TEST_CASE("anonymous memory is sealed to its size") {
  std::error_code error;
  File file = File::anonymous("forklore-test", error);
  REQUIRE(file);
  file.allocate(kSize, error);
  CHECK_FALSE(error);
  CHECK(::ftruncate(file.descriptor(), 0) != 0);
  CHECK(::ftruncate(file.descriptor(), kSize * 2) != 0);
  CHECK(file.size() == kSize);
  Mapping mapping = map(file);
  mapping.data()[0] = std::byte{1};
  Child child([&] { return mapping.data()[0] == std::byte{1} ? 0 : 1; });
  CHECK(child.join() == 0);
}

TEST_CASE("mappings of one file share it") {
  Scratch scratch;
  File file = make(scratch / "file");
  Mapping one = map(file);
  Mapping two = map(file);
  CHECK(one.size() == kSize);
  one.data()[kSize - 1] = std::byte{7};
  CHECK(two.data()[kSize - 1] == std::byte{7});
  std::error_code error;
  Mapping read = Mapping::map(file, true, error);
  CHECK(read.data()[kSize - 1] == std::byte{7});
  one.flush();
  Mapping moved = std::move(one);
  CHECK(one.data() == nullptr);
  CHECK(one.size() == 0);
  CHECK(moved.data()[kSize - 1] == std::byte{7});
  moved = Mapping();
  CHECK(moved.data() == nullptr);
  CHECK(two.data()[kSize - 1] == std::byte{7});
}

TEST_CASE("what cannot be mapped says why") {
  Scratch scratch;
  std::error_code error;
  CHECK(Mapping::map(File(), false, error).data() == nullptr);
  CHECK(error);
  File empty = File::open(scratch / "file", File::Access::create, 0600, error);
  CHECK(Mapping::map(empty, false, error).data() == nullptr);
  CHECK(error == std::errc::invalid_argument);
  empty.allocate(kSize, error);
  File unwritable = File::open(scratch / "file", File::Access::read, 0, error);
  CHECK(Mapping::map(unwritable, false, error).data() == nullptr);
  CHECK(error == std::errc::permission_denied);
}

TEST_CASE("locks exclude, and closing gives them back") {
  Scratch scratch;
  File one = make(scratch / "file");
  std::error_code error;
  {
    File two = File::open(scratch / "file", File::Access::read, 0, error);
    CHECK(one.try_lock(FileLock::shared));
    CHECK(two.try_lock(FileLock::shared));
    CHECK(lock_is_held(scratch / "file"));
    CHECK_FALSE(can_lock_exclusively(scratch / "file"));
  }
  one = File();
  CHECK_FALSE(lock_is_held(scratch / "file"));
  CHECK(can_lock_exclusively(scratch / "file"));
  CHECK_FALSE(lock_is_held(scratch / "none"));
}

TEST_CASE("the mapping keeps the lock when the descriptor is closed, over fork, to the last unmap") {
  Scratch scratch("/dev/shm");
  const fs::path path = scratch / "file";
  File file = make(path);
  CHECK(file.promises_allocation());
  REQUIRE(file.try_lock(FileLock::shared));
  Mapping mapping = map(file);
  file = File();
  CHECK(lock_is_held(path));
  CHECK(lock_is_held(path));  // the first look did not take it away

  int pipe_ends[2];
  REQUIRE(::pipe(pipe_ends) == 0);
  Child child([&] {
    for (int descriptor = 3; descriptor < 64; ++descriptor) {
      if (descriptor != pipe_ends[0]) ::close(descriptor);  // as daemonisers do
    }
    char byte = 0;
    return ::read(pipe_ends[0], &byte, 1) == 0 && mapping.data() != nullptr ? 0 : 1;
  });
  ::close(pipe_ends[0]);
  mapping = Mapping();
  CHECK(lock_is_held(path));
  ::close(pipe_ends[1]);
  CHECK(child.join() == 0);
  CHECK_FALSE(lock_is_held(path));
}

TEST_CASE("a retired mapping lets the file and its lock go, at the same addresses, and disturbs nobody") {
  Scratch scratch("/dev/shm");
  const fs::path path = scratch / "file";
  File file = make(path);
  REQUIRE(file.try_lock(FileLock::shared));
  Mapping mine = map(file);
  file = File();
  std::error_code error;
  File other = File::open(path, File::Access::read_write, 0, error);
  Mapping theirs = map(other);
  mine.data()[100] = std::byte{5};
  std::byte* const where = mine.data();
  REQUIRE(lock_is_held(path));

  mine.retire();
  CHECK_FALSE(lock_is_held(path));
  CHECK(mine.data() == where);
  CHECK(mine.size() == kSize);
  CHECK(where[100] == std::byte{0});
  where[100] = std::byte{9};
  where[kSize - 1] = std::byte{9};
  CHECK(theirs.data()[100] == std::byte{5});
  CHECK(theirs.data()[kSize - 1] == std::byte{0});
  Mapping().retire();
}

TEST_CASE("a descriptor moves up with its lock") {
  Scratch scratch;
  File file = make(scratch / "file");
  REQUIRE(file.try_lock(FileLock::shared));
  const int low = file.release();
  CHECK_FALSE(file);
  const int high = move_descriptor_up(low);
  CHECK(high >= 512);
  CHECK((::fcntl(high, F_GETFD) & FD_CLOEXEC) != 0);
  CHECK(::fcntl(low, F_GETFD) == -1);
  CHECK(lock_is_held(scratch / "file"));
  ::close(high);
  CHECK_FALSE(lock_is_held(scratch / "file"));
}
