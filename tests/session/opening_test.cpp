// What lies under a name when it is opened: nothing, something unfinished, something damaged, another's, another shape.
#include "session/opening.hpp"

#include <doctest/doctest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <fstream>
#include <iterator>
#include <mutex>

#include "child.hpp"
#include "no_descriptors.hpp"
#include "process/waiting.hpp"
#include "refusal.hpp"
#include "scratch.hpp"
#include "session/naming.hpp"
#include "unique_name.hpp"

using namespace forklore;
using tests::Child;
using tests::comes_true;
using tests::Refusal;
using tests::refusal;
using tests::Scratch;
using tests::UniqueName;
namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

Options file_options(const fs::path& path) { return {.place = Place::file, .path = path, .capacity_bytes = 1 * MiB}; }

void write(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
  ::chmod(path.c_str(), 0600);
}

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Overwrites bytes of a file at an offset of the header.
template <class T>
void poke(const fs::path& path, std::size_t offset, const T& value) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(static_cast<std::streamoff>(offset));
  file.write(reinterpret_cast<const char*>(&value), sizeof value);
}

bool works(Cache cache) {
  std::string out;
  return cache.set("key", "value") == Code::ok && cache.get("key", out) == Code::ok && out == "value";
}

/// A file system of 4 MiB, where this process may mount one.
struct Mount {
  explicit Mount(const fs::path& at)
      : path(at), done(::mount("tmpfs", at.c_str(), "tmpfs", MS_NOSUID, "size=4m") == 0) {}
  ~Mount() {
    if (done) ::umount2(path.c_str(), MNT_DETACH);
  }
  Mount(const Mount&) = delete;
  Mount& operator=(const Mount&) = delete;
  fs::path path;
  bool done;
};

}  // namespace

TEST_CASE("what is not there is made, of the size and mode asked for, whatever the umask") {
  UniqueName name;
  const ::mode_t before = ::umask(0077);
  const Cache cache = Cache::open({.name = name, .capacity_bytes = 3 * MiB, .mode = 0660});
  ::umask(before);
  struct ::stat info {};
  REQUIRE(::stat(cache.path().c_str(), &info) == 0);
  CHECK(info.st_size == 3 << 20);
  CHECK((info.st_mode & 07777) == 0660);
  CHECK(info.st_blocks * 512 >= info.st_size);  // the memory is taken, not promised
}

TEST_CASE("attach does not make what is not there") {
  UniqueName name;
  try {
    const Cache cache = Cache::attach(name.str());
    FAIL("it attached");
  } catch (const OpenError& error) {
    CHECK(error.code() == std::errc::no_such_file_or_directory);
    const std::string says = error.what();
    CHECK(says.find(name.str()) != std::string::npos);
    CHECK(says.find("check name, and owner (now user " + std::to_string(::geteuid()) + ")") != std::string::npos);
  }
  CHECK_FALSE(remove_segment(name.str()));
  CHECK(refusal({.name = name, .read_only = true}).code == std::errc::no_such_file_or_directory);
  CHECK_FALSE(remove_segment(name.str()));
  CHECK_THROWS_AS(static_cast<void>(Cache::attach("/no/such/file", Place::file)), OpenError);
  CHECK_THROWS_AS(static_cast<void>(Cache::attach("no-such-memory", Place::anonymous)), OpenError);
}

TEST_CASE("an empty file, or one that nobody has finished, is made a segment") {
  Scratch scratch;
  for (const std::size_t size : {0u, 1u, 255u, 256u, 5000u, 1u << 20, 3u << 20}) {
    CAPTURE(size);
    const fs::path path = scratch / std::to_string(size);
    write(path, std::string(size, '\0'));
    CHECK(works(Cache::open(file_options(path))));
    CHECK(fs::file_size(path) == 1 << 20);
  }
}

TEST_CASE("a file that is something else is refused and left alone") {
  Scratch scratch;
  const fs::path path = scratch / "notes";
  const std::string text(5000, 'x');
  write(path, text);
  const Refusal refused = refusal(file_options(path));
  CHECK(refused.code == std::errc::bad_message);
  CHECK(refused.has(path.string()));
  CHECK(refused.has("does not begin as a Forklore segment does"));
  CHECK(read(path) == text);
  CHECK_THROWS_WITH_AS(remove_segment(path.string(), Place::file),
                       doctest::Contains("is not a Forklore segment, so it is not removed"), OpenError);
  CHECK(read(path) == text);
}

TEST_CASE("a file too short for a segment is refused too, and its bytes are kept") {
  Scratch scratch;
  for (const std::string& text : {std::string("short"), std::string(255, 'x'), std::string(7, '\0') + "x"}) {
    write(scratch / "notes", text);
    const Refusal refused = refusal(file_options(scratch / "notes"));
    CHECK(refused.code == std::errc::bad_message);
    CHECK(refused.has("does not begin as a Forklore segment does"));
    CHECK(refused.has("remove it to begin anew"));
    CHECK_THROWS_AS(remove_segment((scratch / "notes").string(), Place::file), OpenError);
    CHECK(read(scratch / "notes") == text);
  }
}

TEST_CASE("a file that begins with zeroes and is something else is refused and left alone") {
  Scratch scratch;
  const std::string text = std::string(sizeof(std::uint64_t), '\0') + std::string(5000, 'x');
  write(scratch / "picture", text);
  CHECK(refusal(file_options(scratch / "picture")).has("does not begin as a Forklore segment does"));
  CHECK_THROWS_AS(remove_segment((scratch / "picture").string(), Place::file), OpenError);
  CHECK(read(scratch / "picture") == text);
}

TEST_CASE("what a maker's death has left within the header is made anew, and can be removed") {
  Scratch scratch;
  const fs::path path = scratch / "segment";
  CHECK(works(Cache::open(file_options(path))));
  const std::string sound = read(path);
  const std::string half = std::string(sizeof(std::uint64_t), '\0') + sound.substr(sizeof(std::uint64_t));
  write(path, half);
  CHECK(works(Cache::open(file_options(path))));
  write(path, half);
  CHECK(remove_segment(path.string(), Place::file));
}

TEST_CASE("a segment that was cut short or has grown is refused with both sizes") {
  Scratch scratch;
  const fs::path path = scratch / "segment";
  CHECK(works(Cache::open(file_options(path))));
  for (const std::size_t size : {std::size_t{4096}, std::size_t{(1 << 20) - 1}, std::size_t{2 << 20}}) {
    fs::resize_file(path, size);
    const Refusal refused = refusal(file_options(path));
    CHECK(refused.code == std::errc::bad_message);
    CHECK(refused.has("its header says 1048576 bytes and it has " + std::to_string(size)));
    CHECK(refused.has("remove it to begin anew"));
  }
  CHECK(remove_segment(path.string(), Place::file));
  CHECK(works(Cache::open(file_options(path))));
}

TEST_CASE("a header damaged in any of its bytes is refused with a reason, or is as good as before") {
  using store::SegmentHeader;
  Scratch scratch;
  const fs::path path = scratch / "segment";
  CHECK(works(Cache::open(file_options(path))));
  const std::string sound = read(path);
  for (std::size_t at = 0; at < offsetof(SegmentHeader, birth_boottime); ++at) {
    CAPTURE(at);
    write(path, sound);
    poke(path, at, static_cast<char>(sound[at] ^ 0x41));
    const Refusal error = refusal({.place = Place::file, .path = path});
    CHECK(error.code == std::errc::bad_message);
    CHECK(error.has(path.string()));
    CHECK(error.has("remove it to begin anew"));
  }
  for (std::size_t at = offsetof(SegmentHeader, birth_boottime); at < sizeof(SegmentHeader); ++at) {
    write(path, sound);
    poke(path, at, static_cast<char>(sound[at] ^ 0x41));
    CHECK(works(Cache::open({.place = Place::file, .path = path})));
  }
}

TEST_CASE("a file of another owner is refused, by name") {
  if (::geteuid() != 0) {  // who cannot give a file away finds one of root's
    const Refusal refused = refusal({.place = Place::file, .path = "/etc/passwd", .mode = 0644, .read_only = true});
    CHECK(refused.code == std::errc::permission_denied);
    CHECK(refused.has("belongs to user 0, not to " + std::to_string(::geteuid())));
    return;
  }
  UniqueName name;
  { CHECK(works(Cache::open({.name = name, .capacity_bytes = 1 * MiB}))); }
  const std::string path = session::path_of({.name = name});
  REQUIRE(::chown(path.c_str(), 12345, 12345) == 0);
  const Refusal refused = refusal({.name = name});
  CHECK(refused.code == std::errc::permission_denied);
  CHECK(refused.has("belongs to user 12345, not to 0"));
  CHECK(refused.has("owner"));
}

TEST_CASE("an owner that is named is given the segment, and it has a name of its own") {
  if (::geteuid() != 0) {
    MESSAGE("skipped: only root can give a file away");
    return;
  }
  UniqueName name;
  const Options options{.name = name, .capacity_bytes = 1 * MiB, .owner = 12345};
  const Cache cache = Cache::open(options);
  struct ::stat info {};
  REQUIRE(::stat(cache.path().c_str(), &info) == 0);
  CHECK(info.st_uid == 12345);
  CHECK(cache.path().find("forklore-12345-") != std::string::npos);
  CHECK_THROWS_AS(static_cast<void>(Cache::attach(name.str())), OpenError);  // root's own of that name is another
  ::unlink(cache.path().c_str());
}

TEST_CASE("a file that others may read or write is refused unless mode says so") {
  UniqueName name;
  { CHECK(works(Cache::open({.name = name, .capacity_bytes = 1 * MiB}))); }
  const std::string path = session::path_of({.name = name});
  for (const ::mode_t mode : {0604u, 0602u, 0640u, 0666u}) {
    REQUIRE(::chmod(path.c_str(), mode) == 0);
    const Refusal refused = refusal({.name = name});
    CHECK(refused.code == std::errc::permission_denied);
    CHECK(refused.has("others may read or write it"));
    CHECK(works(Cache::open({.name = name, .mode = mode})));
  }
}

TEST_CASE("what is no regular file is refused, and a link is not followed") {
  UniqueName name;
  const std::string path = session::path_of({.name = name});
  Scratch scratch;
  write(scratch / "target", "");
  fs::create_symlink(scratch / "target", path);
  const Refusal link = refusal({.name = name});
  CHECK(link.has("is a symbolic link"));
  CHECK(fs::file_size(scratch / "target") == 0);
  CHECK_THROWS_AS(remove_segment(name.str()), OpenError);
  fs::remove(path);
  REQUIRE(::mkfifo((scratch / "pipe").c_str(), 0600) == 0);
  CHECK_THROWS_AS(static_cast<void>(Cache::open(file_options(scratch / "pipe"))), OpenError);
  fs::create_directory(scratch / "directory");
  CHECK(refusal(file_options(scratch / "directory")).has("is a directory; give the path of a file"));
  const Refusal nowhere = refusal(file_options(scratch / "none" / "segment"));
  CHECK(nowhere.code == std::errc::no_such_file_or_directory);
  CHECK(nowhere.has("path: there is no directory " + (scratch / "none").string()));
}

TEST_CASE("a capacity beyond what is free is refused with both numbers, and nothing is left") {
  struct ::statvfs room {};
  REQUIRE(::statvfs(std::string(session::kShmDirectory).c_str(), &room) == 0);
  UniqueName name;
  const std::uint64_t free = std::uint64_t{room.f_bavail} * room.f_frsize;
  if (free < kMaxCapacityBytes) {
    const Refusal refused = refusal({.name = name, .capacity_bytes = kMaxCapacityBytes});
    CHECK(refused.code == std::errc::not_enough_memory);
    CHECK(refused.has("capacity_bytes: 16 GiB (17179869184) is asked for, and "));
    CHECK(refused.has(" left; "));
    CHECK_FALSE(fs::exists(session::path_of({.name = name})));
    return;
  }
  MESSAGE("/dev/shm has more than 16 GiB free: a small tmpfs is tried in its place");
  Scratch scratch;
  const Mount mount(scratch.path());
  if (!mount.done) {
    MESSAGE("skipped: it may not be mounted");
    return;
  }
  Options options = file_options(scratch / "segment");
  options.capacity_bytes = 8 * MiB;
  const Refusal refused = refusal(options);
  CHECK(refused.code == std::errc::not_enough_memory);
  CHECK(refused.has("capacity_bytes: 8 MiB (8388608) is asked for, and "));
  CHECK(refused.has("4 MiB (4194304) left; "));
  CHECK_FALSE(fs::exists(scratch / "segment"));
  options.capacity_bytes = 2 * MiB;
  CHECK(works(Cache::open(options)));
  options.capacity_bytes = 3 * MiB;  // the successor must fit beside what it succeeds
  CHECK(refusal(options).has("2 MiB (2097152) left; "));
  CHECK_FALSE(fs::exists(scratch / "segment.next"));
  CHECK(works(Cache::open({.place = Place::file, .path = scratch / "segment"})));
}

TEST_CASE("who opens without a capacity takes what is there; who opens with another makes a successor, and back") {
  UniqueName name;
  Cache first = Cache::open({.name = name, .capacity_bytes = 1 * MiB});
  REQUIRE(first.set("key", "value") == Code::ok);
  Cache same = Cache::open({.name = name});
  CHECK(same.get("key") == "value");
  CHECK(same.options().capacity_bytes == 1 * MiB);
  Cache again = Cache::open({.name = name, .capacity_bytes = 1 * MiB});
  CHECK(again.get("key") == "value");
  CHECK(first.stats().reattachments == 0);

  // A child of its own attachment makes the successor: this process finds out by itself.
  for (const std::size_t capacity : {std::size_t{2 << 20}, std::size_t{1 << 20}}) {
    CAPTURE(capacity);
    const std::string mark = "made with " + std::to_string(capacity);
    const std::uint64_t before = first.stats().reattachments;
    Child other([&] {
      Cache cache = Cache::open({.name = name, .capacity_bytes = capacity});
      return cache.get("key") || cache.set(mark, "value") != Code::ok ? 1 : 0;
    });
    CHECK(other.join() == 0);
    CHECK(comes_true([&] { return first.get(mark).has_value(); }, 1s));
    CHECK(first.stats().reattachments == before + 1);
    CHECK(first.options().capacity_bytes == capacity);
    CHECK_FALSE(first.get("key"));  // a rollback starts empty, never with stale entries
    CHECK(first.set("key", "value") == Code::ok);
    CHECK(same.get("key") == "value");
    CHECK(same.get(mark) == "value");
  }
}

TEST_CASE("in one process too, all handles move when one opens another shape") {
  UniqueName name;
  Cache first = Cache::open({.name = name, .capacity_bytes = 1 * MiB});
  Cache second = Cache::open({.name = name, .capacity_bytes = 2 * MiB, .stripes = 2});
  REQUIRE(second.set("key", "value") == Code::ok);
  CHECK(first.get("key") == "value");
  CHECK(first.options().stripes == 2);
  Cache third = Cache::open({.name = name, .capacity_bytes = 2 * MiB, .when_full = WhenFull::reject});
  CHECK_FALSE(first.get("key"));
  CHECK(first.options().when_full == WhenFull::reject);
  CHECK(first.stats().reattachments == 2);
}

TEST_CASE("a segment that is removed is made anew by whoever calls next, within a second, and one line says so") {
  static std::mutex mutex;
  static std::string lines;
  set_hooks({.log = [](std::string_view line) {
    const std::lock_guard lock(mutex);
    lines += std::string(line) + "\n";
  }});
  UniqueName name;
  Cache first = Cache::open({.name = name, .capacity_bytes = 1 * MiB, .max_value_bytes = 5000ul});
  REQUIRE(first.set("key", "value") == Code::ok);
  REQUIRE(remove_segment(name.str()));
  CHECK_FALSE(remove_segment(name.str()));
  CHECK(comes_true([&] { return !first.get("key"); }, 1s));
  CHECK(first.stats().reattachments == 1);
  CHECK(first.options().capacity_bytes == 1 * MiB);
  CHECK(first.options().max_value_bytes == 5000);
  CHECK(first.set("key", "new") == Code::ok);
  Cache second = Cache::open({.name = name});
  CHECK(second.get("key") == "new");
  set_hooks({});
  CHECK(lines.find("was removed or replaced; this process has moved to the segment now there") != std::string::npos);
  CHECK(std::count(lines.begin(), lines.end(), '\n') == 1);
}

TEST_CASE("a handle opened at once after a removal is to the new segment") {
  UniqueName name;
  Cache first = Cache::open({.name = name, .capacity_bytes = 1 * MiB});
  REQUIRE(first.set("key", "value") == Code::ok);
  REQUIRE(remove_segment(name.str()));
  Cache second = Cache::open({.name = name});
  CHECK_FALSE(second.get("key"));
  REQUIRE(second.set("key", "new") == Code::ok);
  CHECK(first.get("key") == "new");
  REQUIRE(remove_segment(name.str()));
  CHECK_THROWS_AS(static_cast<void>(Cache::attach(name.str())), OpenError);
}

TEST_CASE("a read-only handle reads what others write and writes nothing") {
  UniqueName name;
  Cache writer = Cache::open({.name = name, .capacity_bytes = 1 * MiB});
  REQUIRE(writer.set("key", "value") == Code::ok);
  Cache reader = Cache::open({.name = name, .read_only = true});
  CHECK(reader.get("key") == "value");
  std::int64_t now = 0;
  CHECK(reader.set("key", "x") == Code::read_only);
  CHECK(reader.add("other", "x") == Code::read_only);
  CHECK(reader.replace("key", "x") == Code::read_only);
  CHECK(reader.erase("key") == Code::read_only);
  CHECK(reader.touch("key", kForever) == Code::read_only);
  CHECK(reader.increment("n", 1, now, 0) == Code::read_only);
  CHECK(reader.clear() == Code::read_only);
  REQUIRE(writer.set("key", "changed") == Code::ok);
  CHECK(reader.get("key") == "changed");
  CHECK(reader.stats().entries == 1);
  CHECK(reader.verify().size() == 1);
  std::vector<std::string> keys;
  Cursor cursor;
  CHECK(reader.scan(cursor, 1000, "", keys) == Code::ok);
  CHECK(keys == std::vector<std::string>{"key"});
}

TEST_CASE("where nobody may write, who only reads may open") {
  Scratch scratch;
  const Mount mount(scratch.path());
  const fs::path path = scratch / "segment";
  const Options options = file_options(path);
  const Options reads{.place = Place::file, .path = path, .read_only = true};
  CHECK(works(Cache::open(options)));
  REQUIRE(::chmod(path.c_str(), 0400) == 0);
  if (mount.done) {
    REQUIRE(::mount(nullptr, mount.path.c_str(), nullptr, MS_REMOUNT | MS_RDONLY | MS_NOSUID, "size=4m") == 0);
  }
  if (!mount.done && ::geteuid() == 0) {
    MESSAGE("skipped: root may write everywhere, and nothing may be mounted");
    return;
  }
  const Refusal refused = refusal(options);
  CHECK(refused.code == (mount.done ? std::errc::read_only_file_system : std::errc::permission_denied));
  CHECK(refused.has(path.string() + ": cannot open it"));
  Cache reader = Cache::open(reads);
  CHECK(reader.get("key") == "value");
  CHECK(reader.set("key", "other") == Code::read_only);
}

TEST_CASE("a file keeps its entries while it is not used, and says that it is clean") {
  Scratch scratch;
  const fs::path path = scratch / "segment";
  const auto clean = [&] {
    std::uint32_t word = 0;
    std::memcpy(&word, read(path).data() + offsetof(store::SegmentHeader, clean), sizeof word);
    return word;
  };
  {
    Cache cache = Cache::open(file_options(path));
    REQUIRE(cache.set("key", "value") == Code::ok);
    CHECK(clean() == 0);
    const Cache second = Cache::open(file_options(path));
  }
  CHECK(clean() == 1);
  Cache cache = Cache::attach(path.string(), Place::file);
  CHECK(clean() == 0);
  CHECK(cache.get("key") == "value");
}

TEST_CASE("after a reboot a clean file keeps its entries, one that was in use is emptied") {
  using store::SegmentHeader;
  Scratch scratch;
  const fs::path path = scratch / "segment";
  for (const bool was_clean : {true, false}) {
    CAPTURE(was_clean);
    {
      Cache cache = Cache::open(file_options(path));
      REQUIRE(cache.set("key", "value") == Code::ok);
      REQUIRE(cache.set("short", "lived", std::chrono::hours(1)) == Code::ok);
    }
    poke(path, offsetof(SegmentHeader, domain), std::uint64_t{0x1234});  // the boot id is another's
    poke(path, offsetof(SegmentHeader, clean), std::uint32_t{was_clean ? 1u : 0u});
    Cache cache = Cache::open(file_options(path));
    CHECK(cache.get("key").has_value() == was_clean);
    Ttl left{};
    CHECK(cache.ttl("short", left) == (was_clean ? Code::ok : Code::not_found));
    if (was_clean) CHECK(left > std::chrono::minutes(59));
    CHECK(works(std::move(cache)));
  }
}

TEST_CASE("a copy of a file is a segment of its own, without the locks of the first") {
  Scratch scratch;
  Cache first = Cache::open(file_options(scratch / "first"));
  REQUIRE(first.set("key", "value") == Code::ok);
  write(scratch / "second", read(scratch / "first"));
  Cache second = Cache::open(file_options(scratch / "second"));
  CHECK(second.get("key") == "value");
  REQUIRE(second.set("key", "other") == Code::ok);
  CHECK(first.get("key") == "value");
  CHECK(second.verify().empty());
}

TEST_CASE("a segment in use by another pid namespace is refused; one that nobody uses is adopted") {
  Scratch scratch;
  const fs::path path = scratch / "segment";
  const std::size_t at = offsetof(store::SegmentHeader, domain) + offsetof(base::LockDomain, pid_namespace_inode);
  { CHECK(works(Cache::open(file_options(path)))); }
  poke(path, at, std::uint64_t{4242});
  Cache cache = Cache::open(file_options(path));
  CHECK(cache.get("key") == "value");
  poke(path, at, std::uint64_t{4242});
  CHECK_THROWS_WITH_AS(
      static_cast<void>(session::open_view(path, {.place = Place::file, .path = path}, session::Wish{})),
      doctest::Contains("in use in another pid namespace"), OpenError);
}

TEST_CASE("anonymous memory is shared with what is forked, under a name of this process") {
  Cache cache = Cache::open({.name = "mine", .place = Place::anonymous, .capacity_bytes = 1 * MiB});
  CHECK(cache.path() == "anonymous:mine");
  Child child([&] {
    Cache same = Cache::attach("mine", Place::anonymous);
    return cache.set("key", "from the child") == Code::ok && same.get("key") ? 0 : 1;
  });
  CHECK(child.join() == 0);
  CHECK(cache.get("key") == "from the child");
  CHECK_FALSE(remove_segment("mine", Place::anonymous));
  CHECK(cache.verify().empty());
}

TEST_CASE("too few descriptors are said to be too few, however far the opening came") {
  UniqueName made;
  const Cache there = Cache::open({.name = made, .capacity_bytes = 1 * MiB});
  const Scratch scratch;
  for (const Options& options : {Options{.name = made}, file_options(scratch / "new"),
                                 Options{.name = made.str() + "-other", .place = Place::anonymous}}) {
    CAPTURE(options.name);
    bool opened = false;
    for (int free = 0; free < 4; ++free) {
      CAPTURE(free);
      const int answer = Child([&] {
                           if (!tests::leave_descriptors(free)) return 1;
                           const Refusal refused = refusal(options);
                           if (refused.says.empty()) return 0;
                           const bool right = refused.code == std::errc::too_many_files_open &&
                                              refused.has("no descriptor left") && refused.has("ulimit -n");
                           return right ? 2 : 3;
                         }).join();
      CHECK((answer == 0 || answer == 2));
      if (free == 0 && options.place != Place::shm) CHECK(answer == 2);
      opened = opened || answer == 0;
    }
    CHECK(opened);
  }
}
