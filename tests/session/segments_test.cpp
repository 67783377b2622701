// What an operator sees and takes away: segments of every format, and of every owner that may be had.
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "child.hpp"
#include "no_descriptors.hpp"
#include "sanitized.hpp"
#include "scratch.hpp"
#include "session/naming.hpp"
#include "store/layout.hpp"
#include "unique_name.hpp"

using namespace forklore;
using tests::Child;
using tests::UniqueName;
namespace fs = std::filesystem;

namespace {

constexpr ::uid_t kOther = 1;  // a user that every host has

/// A file that has the name of a segment of some format, and nothing in it that this version knows.
struct Foreign {
  Foreign(const std::string& name, unsigned format, ::uid_t owner = ::geteuid())
      : path("/dev/shm/forklore-" + std::to_string(owner) + "-" + name + "-v" + std::to_string(format)) {
    std::ofstream(path) << "of another format";
    ::chmod(path.c_str(), 0600);
    if (owner != ::geteuid()) REQUIRE(::chown(path.c_str(), owner, owner) == 0);
  }
  ~Foreign() { fs::remove(path); }
  Foreign(const Foreign&) = delete;
  Foreign& operator=(const Foreign&) = delete;
  const fs::path path;
};

std::vector<SegmentInfo> listed(const std::string& name) {
  std::vector<SegmentInfo> found = segments();
  std::erase_if(found, [&](const SegmentInfo& info) { return info.name != name; });
  return found;
}

std::string says(const std::string& name, std::optional<::uid_t> owner = {}) {
  try {
    return remove_segment(name, Place::shm, owner) ? "removed" : "none";
  } catch (const OpenError& error) {
    return error.what();
  }
}

}  // namespace

TEST_CASE("segments are listed with what they are") {
  UniqueName name;
  const auto find = [&]() -> std::optional<SegmentInfo> {
    for (const SegmentInfo& info : segments()) {
      if (info.name == name.str() && info.owner == ::geteuid()) return info;
    }
    return std::nullopt;
  };
  CHECK_FALSE(find());
  {
    const Cache cache = Cache::open({.name = name, .capacity_bytes = 1 * MiB});
    const auto info = find();
    REQUIRE(info);
    CHECK(info->attached);
    CHECK(info->capacity_bytes == 1 << 20);
    CHECK(info->path == cache.path());
    CHECK(info->format == store::kFormatVersion);
    CHECK(info->bytes == 1 << 20);
  }
  REQUIRE(find());
  CHECK_FALSE(find()->attached);
  fs::resize_file(session::path_of({.name = name}), 4096);
  REQUIRE(find());
  CHECK(find()->capacity_bytes == 0);
  CHECK(remove_segment(name.str()));
  CHECK_FALSE(find());
}

TEST_CASE("segments of every format are listed, and removed with the name") {
  UniqueName name;
  const UniqueName other;
  constexpr unsigned kLater = store::kFormatVersion + 1;
  const Cache cache = Cache::open({.name = name, .capacity_bytes = 1 * MiB});
  const Foreign before(name, 1), later(name, kLater), others(other, 1);
  const auto found = listed(name);
  REQUIRE(found.size() == 3);
  CHECK(found[0].format == 1);
  CHECK(found[0].bytes == 17);
  CHECK(found[0].capacity_bytes == 0);
  CHECK_FALSE(found[0].attached);
  CHECK(found[0].path == before.path);
  CHECK(found[1].attached);
  CHECK(found[1].capacity_bytes == 1 << 20);
  CHECK(found[2].format == kLater);

  CHECK(remove_segment(name.str()));
  CHECK(listed(name).empty());
  CHECK_FALSE(fs::exists(before.path));
  CHECK(fs::exists(others.path));
  CHECK_FALSE(remove_segment(name.str()));

  const Foreign alone(name, 1);  // none of this format
  CHECK(remove_segment(name.str()));
  CHECK_FALSE(fs::exists(alone.path));
}

TEST_CASE("root sees and removes every owner's, by owner; others their own alone") {
  if (::geteuid() != 0) return;
  UniqueName name;
  const Cache mine = Cache::open({.name = name, .capacity_bytes = 1 * MiB});
  const Foreign theirs(name, store::kFormatVersion, kOther), old(name, 1, kOther);
  const auto found = listed(name);
  REQUIRE(found.size() == 3);
  CHECK(found[0].owner == 0);
  CHECK(found[1].owner == kOther);
  CHECK(found[1].format == 1);

  const int seen = Child([&] {
                     if (::setresuid(kOther, kOther, kOther) != 0) return 1;
                     for (const SegmentInfo& info : listed(name)) {
                       if (info.owner != kOther) return 2;
                     }
                     if (listed(name).size() != 2) return 3;
                     const std::string refused = says(name, 0);
                     if (refused.find("belongs to user 0; only that user and root may remove it") == std::string::npos)
                       return 4;
                     return says(name) == "removed" && listed(name).empty() ? 0 : 5;
                   }).join();
  CHECK(seen == 0);
  CHECK(listed(name).size() == 1);

  const Foreign again(name, 1, kOther);
  CHECK(says(name, kOther) == "removed");
  CHECK(listed(name).size() == 1);
  CHECK(says(name, kOther) == "none");
  CHECK(says(name) == "removed");
}

TEST_CASE("a file that somebody has put under another's name is not removed as that one's") {
  if (::geteuid() != 0) return;
  UniqueName name;
  const Foreign file(name, store::kFormatVersion, kOther);
  REQUIRE(::chown(file.path.c_str(), 0, 0) == 0);
  CHECK(says(name, kOther).find("belongs to user 0, not to 1") != std::string::npos);
  CHECK(fs::exists(file.path));
}

TEST_CASE("owner is compared with a path's owner") {
  const tests::Scratch scratch;
  const std::string path = scratch / "segment";
  { const Cache made = Cache::open({.place = Place::file, .path = path, .capacity_bytes = 1 * MiB}); }
  CHECK_THROWS_WITH_AS(remove_segment(path, Place::file, ::geteuid() + 1), doctest::Contains("belongs to user"),
                       OpenError);
  CHECK(remove_segment(path, Place::file, ::geteuid()));
}

TEST_CASE("a list that could not be made is no empty list") {
  UniqueName name;
  const Cache made = Cache::open({.name = name, .capacity_bytes = 1 * MiB});
  Child child([] {
    if (!tests::leave_descriptors(0)) return 1;
    try {
      return segments().empty() ? 2 : 3;
    } catch (const OpenError& error) {
      // UndefinedBehaviorSanitizer needs a descriptor to look at the error, and has none.
      return tests::kSanitized || error.code() == std::errc::too_many_files_open ? 0 : 4;
    }
  });
  CHECK(child.join() == 0);
}

TEST_CASE("a handle of the process that removes the segment moves at its next call") {
  UniqueName name;
  Cache cache = Cache::open({.name = name, .capacity_bytes = 1 * MiB});
  REQUIRE(cache.set("key", "old") == Code::ok);
  REQUIRE(remove_segment(name.str()));
  CHECK_FALSE(cache.get("key"));
  REQUIRE(cache.set("key", "new") == Code::ok);
  CHECK(Cache::open({.name = name}).get("key") == "new");
}
