// What is asked of a segment that is there already: taken as it is, refused, or replaced by a successor.
#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "child.hpp"
#include "refusal.hpp"
#include "scratch.hpp"
#include "session/naming.hpp"
#include "unique_name.hpp"

using namespace forklore;
using tests::Child;
using tests::Refusal;
using tests::refusal;
using tests::Scratch;
using tests::UniqueName;
namespace fs = std::filesystem;

namespace {

void check_refused(const Options& options, std::initializer_list<const char*> parts) {
  const Refusal refused = refusal(options);
  CAPTURE(refused.says);
  CHECK(refused.code == std::errc::invalid_argument);
  for (const char* part : parts) {
    CAPTURE(part);
    CHECK(refused.has(part));
  }
}

/// The same in a process that has not opened it yet, and in this one.
template <class Check>
void in_both(Check check) {
  Child fresh([&] {
    try {
      return check() ? 0 : 1;
    } catch (const OpenError&) {
      return 2;
    }
  });
  CHECK(fresh.join() == 0);
  CHECK(check());
}

}  // namespace

TEST_CASE("what is not given is left to what is there, and never replaces it") {
  UniqueName name;
  {
    Cache made = Cache::open({.name = name,
                              .capacity_bytes = 4 * MiB,
                              .when_full = WhenFull::reject,
                              .max_value_bytes = 20'000ul,
                              .stripes = 2});
    REQUIRE(made.set("key", "value") == Code::ok);
  }
  for (const Options& options :
       {Options{.name = name}, Options{.name = name, .capacity_bytes = 4 * MiB},
        Options{.name = name, .when_full = WhenFull::reject}, Options{.name = name, .max_value_bytes = 20'000ul},
        Options{.name = name, .capacity_bytes = 4 * MiB, .stripes = 2}}) {
    in_both([&] {
      Cache cache = Cache::open(options);
      return cache.get("key") == "value" && cache.options().when_full == WhenFull::reject;
    });
  }
}

TEST_CASE("without a capacity, an option that differs is refused with both values, and nothing is lost") {
  UniqueName name;
  Cache made = Cache::open({.name = name, .capacity_bytes = 4 * MiB, .stripes = 2});
  REQUIRE(made.set("key", "value") == Code::ok);
  const auto refuse_all = [&] {
    const char* remedy = "leave it out to take what is there, or give capacity_bytes";
    check_refused({.name = name, .when_full = WhenFull::reject},
                  {"when_full: reject is asked for, and evict is there", remedy});
    check_refused({.name = name, .max_value_bytes = 5000ul},
                  {"max_value_bytes: 4.9 KiB (5000) is asked for, and ", " is there", remedy});
    check_refused({.name = name, .stripes = 4}, {"stripes: 4 is asked for, and 2 is there", remedy});
    check_refused({.name = name, .read_only = true, .stripes = 4}, {"stripes: 4 is asked for, and 2 is there"});
  };
  refuse_all();
  Child fresh([&] {
    Cache cache = Cache::open({.name = name, .read_only = true});
    return cache.get("key") == "value" ? 0 : 1;
  });
  CHECK(fresh.join() == 0);
  CHECK(made.get("key") == "value");
  CHECK(made.stats().reattachments == 0);
}

TEST_CASE("with a capacity, an option that differs makes a successor, which keeps when_full unless it is given") {
  UniqueName name;
  Cache first = Cache::open({.name = name, .capacity_bytes = 1 * MiB, .when_full = WhenFull::reject});
  REQUIRE(first.set("key", "value") == Code::ok);
  Cache larger = Cache::open({.name = name, .capacity_bytes = 2 * MiB});
  CHECK_FALSE(larger.get("key"));
  CHECK(larger.options().when_full == WhenFull::reject);
  CHECK(larger.options().capacity_bytes == 2 * MiB);
  Cache striped = Cache::open({.name = name, .capacity_bytes = 2 * MiB, .stripes = 2});
  CHECK(striped.options().stripes == 2);
  CHECK(striped.options().when_full == WhenFull::reject);
  Cache evicting = Cache::open({.name = name, .capacity_bytes = 2 * MiB, .when_full = WhenFull::evict});
  CHECK(evicting.options().when_full == WhenFull::evict);
  CHECK(first.stats().reattachments == 3);
}

TEST_CASE("a read-only handle that asks for what is not there is refused") {
  UniqueName name;
  const Cache made = Cache::open({.name = name, .capacity_bytes = 1 * MiB});
  CHECK_NOTHROW(static_cast<void>(Cache::open({.name = name, .capacity_bytes = 1 * MiB, .read_only = true})));
  CHECK_THROWS_WITH_AS(static_cast<void>(Cache::open({.name = name, .capacity_bytes = 2 * MiB, .read_only = true})),
                       doctest::Contains("capacity_bytes: 2 MiB (2097152) is asked for, and 1 MiB (1048576) is there; "
                                         "a read_only handle cannot replace it"),
                       OpenError);
}

TEST_CASE("anonymous memory has no successor: another shape under its name is refused") {
  Cache first = Cache::open({.name = "shape", .place = Place::anonymous, .capacity_bytes = 1 * MiB});
  REQUIRE(first.set("key", "value") == Code::ok);
  for (const std::optional<ByteCount> capacity : {std::optional<ByteCount>(), std::optional<ByteCount>(1 * MiB)}) {
    CHECK(Cache::open({.name = "shape", .place = Place::anonymous, .capacity_bytes = capacity}).get("key") == "value");
  }
  check_refused({.name = "shape", .place = Place::anonymous, .capacity_bytes = 2 * MiB},
                {"anonymous:shape", "capacity_bytes: 2 MiB (2097152) is asked for, and 1 MiB (1048576) is there",
                 "take another name"});
  check_refused({.name = "shape", .place = Place::anonymous, .when_full = WhenFull::reject},
                {"when_full: reject is asked for, and evict is there"});
}

TEST_CASE("what a death leaves of a successor is used by the next, and removed with the segment") {
  UniqueName name;
  const fs::path next = session::successor_of(session::path_of({.name = name}));
  Cache cache = Cache::open({.name = name, .capacity_bytes = 1 * MiB});
  for (const std::size_t size : {0u, 100u, 2u << 20}) {
    CAPTURE(size);
    std::ofstream(next, std::ios::binary) << std::string(size, '\0');
    fs::permissions(next, fs::perms{0666});
    const std::size_t capacity = cache.options().capacity_bytes == 1 * MiB ? 2 * MiB : 1 * MiB;
    CHECK(Cache::open({.name = name, .capacity_bytes = capacity}).options().capacity_bytes == capacity);
    CHECK_FALSE(fs::exists(next));
    CHECK(fs::status(cache.path()).permissions() == fs::perms{0600});
  }
  std::ofstream(next, std::ios::binary) << "";
  CHECK(remove_segment(name.str()));
  CHECK_FALSE(fs::exists(next));
  std::ofstream(next, std::ios::binary) << "";
  CHECK_FALSE(remove_segment(name.str()));
  CHECK_FALSE(fs::exists(next));
}

TEST_CASE("a file of somebody else's in the successor's place is left alone") {
  Scratch scratch;
  const fs::path path = scratch / "segment";
  Cache cache = Cache::open({.place = Place::file, .path = path, .capacity_bytes = 1 * MiB});
  scratch.write("segment.next", "my notes");
  CHECK_THROWS_WITH_AS(static_cast<void>(Cache::open({.place = Place::file, .path = path, .capacity_bytes = 2 * MiB})),
                       doctest::Contains("segment.next: it does not begin as a Forklore segment does"), OpenError);
  CHECK(remove_segment(path.string(), Place::file));
  std::string text;
  std::getline(std::ifstream(scratch / "segment.next"), text);
  CHECK(text == "my notes");
}
