// Segments of each format, as the library wrote them when it was the present one. The present format's is opened and
// read; those before are refused in words, and left alone.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "golden/contents.hpp"
#include "refusal.hpp"
#include "scratch.hpp"
#include "session/naming.hpp"
#include "unique_name.hpp"

using namespace forklore;
namespace fs = std::filesystem;

namespace {

constexpr std::uint32_t kFirstGolden = 5;  // the format whose segment was the first to be kept

fs::path golden_file(std::uint32_t format) { return fs::path(FORKLORE_GOLDEN) / golden::file_name(format); }

std::string bytes_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// A copy that may be written, as this user's own file.
fs::path copy_of(const fs::path& from, const fs::path& to) {
  fs::copy_file(from, to);
  fs::permissions(to, fs::perms::owner_read | fs::perms::owner_write);
  return to;
}

/// The present golden segment's bytes with another number for its format.
std::string renumbered(std::uint32_t format) {
  std::string bytes = bytes_of(golden_file(store::kFormatVersion));
  bytes.replace(offsetof(store::SegmentHeader, format_version), sizeof format,
                std::string(reinterpret_cast<const char*>(&format), sizeof format));
  return bytes;
}

}  // namespace

TEST_CASE("a segment that this format's first library wrote is opened, sound, and all in it is read") {
  const fs::path golden = golden_file(store::kFormatVersion);
  REQUIRE_MESSAGE(fs::exists(golden), "there is no " << golden.string() << "; scripts/golden.sh makes it");
  tests::Scratch scratch;
  Cache cache = Cache::open(golden::options(copy_of(golden, scratch / "segment")));
  CHECK(cache.verify().empty());
  for (int i = 0; i < golden::kKeys; ++i) CHECK(cache.get(golden::key(i)) == golden::value(i));
  std::int64_t now = 0;
  CHECK(cache.increment("count", 1, now) == Code::ok);
  CHECK(now == golden::kCount + 1);
  CHECK(cache.get("spilled") == golden::spilled());
  CHECK(cache.get("long") == "lived");
  Ttl left{};
  CHECK(cache.ttl("long", left) == Code::ok);
  CHECK(left > golden::kLong / 2);
  CHECK(left < golden::kLong);
  CHECK(cache.contains("erased") == Code::not_found);
  CHECK(get_or_compute(cache, "computed", golden::kLong, [] { return std::string("again"); }) == "once");
  CHECK(cache.stats().entries == golden::kKeys + 4);
  CHECK(cache.stats().resets == 0);
  CHECK(cache.set("new", "value") == Code::ok);
  CHECK(cache.verify().empty());
}

TEST_CASE("a segment of each format before is refused with both versions, and left alone") {
  for (std::uint32_t format = kFirstGolden; format < store::kFormatVersion; ++format) {
    CAPTURE(format);
    tests::Scratch scratch;
    const fs::path path = copy_of(golden_file(format), scratch / "segment");
    const tests::Refusal refused = tests::refusal(golden::options(path));
    CHECK(refused.code == std::errc::bad_message);
    CHECK(refused.has("its format is version " + std::to_string(format)));
    CHECK(refused.has("this library's is " + std::to_string(store::kFormatVersion)));
    CHECK(bytes_of(path) == bytes_of(golden_file(format)));
  }
}

TEST_CASE("a format before or to come is refused, whatever else the file says") {
  for (const std::uint32_t format : {store::kFormatVersion - 1, store::kFormatVersion + 1}) {
    tests::Scratch scratch;
    const fs::path path = scratch / "segment";
    std::ofstream(path, std::ios::binary) << renumbered(format);
    fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
    const tests::Refusal refused = tests::refusal(golden::options(path));
    CHECK(refused.has("its format is version " + std::to_string(format)));
    CHECK(refused.has("remove it to begin anew"));
  }
}

TEST_CASE("by name, a library of another format begins with an empty segment beside the old one") {
  const tests::UniqueName name;
  const std::string now = session::path_of({.name = name}).string();
  const std::string suffix = "-v" + std::to_string(store::kFormatVersion);
  REQUIRE(now.ends_with(suffix));
  const fs::path old = now.substr(0, now.size() - suffix.size()) + "-v" + std::to_string(store::kFormatVersion - 1);
  const std::string bytes = renumbered(store::kFormatVersion - 1);
  std::ofstream(old, std::ios::binary) << bytes;
  fs::permissions(old, fs::perms::owner_read | fs::perms::owner_write);
  {
    Cache cache = Cache::open({.name = name, .capacity_bytes = golden::kCapacity});
    CHECK(cache.stats().entries == 0);
    CHECK(cache.set("new", "value") == Code::ok);
  }
  CHECK(bytes_of(old) == bytes);
  fs::remove(old);
}
