// Every wrong option is named in the error, with its bound.
#include <doctest/doctest.h>

#include <filesystem>
#include <functional>
#include <string>
#include <type_traits>

#include "refusal.hpp"
#include "scratch.hpp"
#include "unique_name.hpp"

using namespace forklore;
using tests::Refusal;
using tests::refusal;

namespace {

void check_says(const Options& options, std::initializer_list<const char*> parts) {
  const Refusal refused = refusal(options);
  CAPTURE(refused.says);
  CHECK(refused.code == std::errc::invalid_argument);
  CHECK(refused.says.starts_with("forklore: "));
  for (const char* part : parts) {
    CAPTURE(part);
    CHECK(refused.has(part));
  }
}

}  // namespace

TEST_CASE("a name that is none") {
  for (const std::string& name : {std::string(), std::string("a b"), std::string("a/b"), std::string("../x"),
                                  std::string(".x"), std::string(129, 'x'), std::string("ä")}) {
    check_says({.name = name}, {"name: ", "1 to 128 characters of A-Z a-z 0-9 . _ -", "no dot"});
  }
}

TEST_CASE("a name of all that is allowed, and the longest") {
  tests::UniqueName unique;
  std::string name = unique.str() + "-AZaz09._-";
  for (int i = 0; i < 2; ++i) {
    CHECK(refusal({.name = name, .capacity_bytes = kMinCapacityBytes}).says == "");
    CHECK(remove_segment(name));
    name.resize(128, 'x');
  }
}

TEST_CASE("a path where none belongs, none where one does, and one that is not absolute") {
  check_says({.name = "x", .path = "/tmp/x"}, {"path: ", "place = file"});
  check_says({.place = Place::file}, {"path: ", "place = file"});
  check_says({.place = Place::file, .path = "x/y"}, {"path: x/y is not absolute"});
}

TEST_CASE("a capacity out of bounds") {
  check_says({.name = "x", .capacity_bytes = 1ul}, {"capacity_bytes: 1 bytes", "128 KiB and 16 GiB"});
  check_says({.name = "x", .capacity_bytes = -1l}, {"capacity_bytes: ", "128 KiB and 16 GiB"});
  check_says({.name = "x", .capacity_bytes = kMinCapacityBytes - 1}, {"capacity_bytes: ", "128 KiB and 16 GiB"});
  check_says({.name = "x", .capacity_bytes = kMaxCapacityBytes + 1}, {"capacity_bytes: ", "128 KiB and 16 GiB"});
}

TEST_CASE("nothing that is given is nothing given") {
  check_says({.name = "x", .capacity_bytes = 0 * GiB}, {"capacity_bytes: 0 bytes", "128 KiB and 16 GiB"});
  check_says({.name = "x", .max_value_bytes = 0 * GiB}, {"max_value_bytes: 0", "leave it out"});
  check_says({.name = "x", .stripes = 0}, {"stripes: 0 is not a power of two", "leave it out"});
  // Nor are they asked of a segment that is there.
  tests::UniqueName name;
  const Cache made = Cache::open({.name = name, .capacity_bytes = kMinCapacityBytes});
  CHECK(refusal({.name = name, .capacity_bytes = 0 * GiB}).says != "");
  CHECK(refusal({.name = name}).says == "");
}

TEST_CASE("a size is 64 bits wide, and is a number again") {
  static_assert(sizeof(ByteCount) == sizeof(std::size_t));
  static_assert(ByteCount(4 * GiB) == std::size_t{1} << 32);
  static_assert(4 * GiB == 4096 * MiB && MiB == 1024 * KiB);
  static_assert(std::is_convertible_v<std::int64_t, ByteCount> && std::is_convertible_v<std::size_t, ByteCount>);
  static_assert(!std::is_convertible_v<double, ByteCount>);
}

TEST_CASE("stripes that are no power of two, or too many, or too small to be any") {
  for (const unsigned stripes : {3u, 65u, 128u, ~0u}) {
    check_says({.name = "x", .stripes = stripes}, {"stripes: ", "power of two from 1 to 64"});
  }
  check_says({.name = "x", .capacity_bytes = kMinCapacityBytes, .stripes = 64},
             {"stripes: 64 stripes of a capacity of 128 KiB are too small", "fewer"});
  check_says({.name = "x", .capacity_bytes = 32 * MiB, .max_value_bytes = 4 * MiB, .stripes = 64},
             {"stripes: 64", "for values of 4 MiB"});
}

TEST_CASE("values that do not fit the capacity") {
  check_says({.name = "x", .capacity_bytes = 1 * MiB, .max_value_bytes = 1 * MiB},
             {"max_value_bytes: 1 MiB", "a capacity of 1 MiB", "at most ", "Raise capacity_bytes"});
  check_says({.name = "x", .capacity_bytes = 8 * MiB, .when_full = WhenFull::reject, .max_value_bytes = 1 * MiB},
             {"max_value_bytes: 1 MiB", "when_full = reject", "at most "});
}

TEST_CASE("a timeout, a mode, a time to live and enumerators out of range") {
  check_says({.name = "x", .lock_timeout = std::chrono::milliseconds(-1)}, {"lock_timeout: ", "0 and an hour"});
  check_says({.name = "x", .lock_timeout = std::chrono::hours(2)}, {"lock_timeout: ", "0 and an hour"});
  for (const ::mode_t mode : {0400u, 0200u, 0700u, 0u, 01600u})
    check_says({.name = "x", .mode = mode}, {"mode: ", "0600"});
  check_says({.name = "x", .default_ttl = kDefaultTtl}, {"default_ttl: "});
  check_says({.name = "x", .place = static_cast<Place>(9)}, {"place: "});
  check_says({.name = "x", .when_full = static_cast<WhenFull>(9)}, {"when_full: "});
  check_says({.name = "x", .place = Place::anonymous, .read_only = true}, {"read_only: "});
}

TEST_CASE("nothing is left behind by what was refused") {
  tests::UniqueName name;
  CHECK(refusal({.name = name, .capacity_bytes = kMinCapacityBytes, .stripes = 64}).says != "");
  CHECK_FALSE(remove_segment(name.str()));
  tests::Scratch scratch;
  CHECK(refusal({.place = Place::file, .path = scratch / "x", .capacity_bytes = 1 * MiB, .max_value_bytes = 1 * MiB})
            .says != "");
  CHECK_FALSE(std::filesystem::exists(scratch / "x"));
}

TEST_CASE("options are those of the segment where it has its own") {
  tests::UniqueName name;
  const Cache made = Cache::open({.name = name,
                                  .capacity_bytes = 4 * MiB,
                                  .when_full = WhenFull::reject,
                                  .max_value_bytes = 10'000ul,
                                  .stripes = 2});
  const Cache found = Cache::open({.name = name, .default_ttl = Ttl(5)});
  const Options options = found.options();
  CHECK(options.capacity_bytes == 4 * MiB);
  CHECK(options.when_full == WhenFull::reject);
  CHECK(options.max_value_bytes == 10'000);
  CHECK(options.stripes == 2);
  CHECK(options.default_ttl == Ttl(5));
  CHECK(found.stats().reattachments == 0);
}
