// Every wrong option is named in the error, with its bound.
#include <doctest/doctest.h>

#include <filesystem>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
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
    check_says({.name = name}, {"name must be 1 to 128 characters of A-Z a-z 0-9 . _ -", "no dot", "not \""});
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
  check_says({.place = Place::file, .path = "x/y"}, {"path must be an absolute path, not x/y"});
}

TEST_CASE("a capacity out of bounds") {
  check_says({.name = "x", .capacity_bytes = 1ul}, {"capacity_bytes must be 128 KiB to 16 GiB, not 1 bytes"});
  check_says({.name = "x", .capacity_bytes = -1l}, {"capacity_bytes must be 128 KiB to 16 GiB, not "});
  check_says({.name = "x", .capacity_bytes = kMinCapacityBytes - 1},
             {"capacity_bytes must be 128 KiB to 16 GiB, not "});
  check_says({.name = "x", .capacity_bytes = kMaxCapacityBytes + 1},
             {"capacity_bytes must be 128 KiB to 16 GiB, not "});
}

TEST_CASE("nothing that is given is nothing given") {
  check_says({.name = "x", .capacity_bytes = 0 * GiB}, {"capacity_bytes must be 128 KiB to 16 GiB, not 0 bytes"});
  check_says({.name = "x", .max_value_bytes = 0 * GiB}, {"max_value_bytes must be ", "not 0", "leave it out"});
  check_says({.name = "x", .stripes = 0}, {"stripes must be a power of two", "not 0", "leave it out"});
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
    check_says({.name = "x", .stripes = stripes}, {"stripes must be a power of two from 1 to 64, not "});
  }
  check_says({.name = "x", .capacity_bytes = kMinCapacityBytes, .stripes = 64},
             {"stripes: 64 stripes of a capacity_bytes of 128 KiB are too small", "fewer"});
  check_says({.name = "x", .capacity_bytes = 32 * MiB, .max_value_bytes = 4 * MiB, .stripes = 64},
             {"stripes: 64", "for values of 4 MiB"});
}

TEST_CASE("values that do not fit the capacity") {
  check_says({.name = "x", .capacity_bytes = 1 * MiB, .max_value_bytes = 1 * MiB},
             {"max_value_bytes: 1 MiB", "a capacity_bytes of 1 MiB", "at most ", "raise capacity_bytes"});
  check_says({.name = "x", .capacity_bytes = 8 * MiB, .when_full = WhenFull::reject, .max_value_bytes = 1 * MiB},
             {"max_value_bytes: 1 MiB", "when_full = reject", "at most "});
}

TEST_CASE("a timeout, a mode, a time to live and enumerators out of range") {
  check_says({.name = "x", .lock_timeout = std::chrono::milliseconds(-1)},
             {"lock_timeout must be 0 to 3600 seconds, not "});
  check_says({.name = "x", .lock_timeout = std::chrono::hours(2)}, {"lock_timeout must be 0 to 3600 seconds, not "});
  for (const ::mode_t mode : {0400u, 0200u, 0700u, 0u, 01600u})
    check_says({.name = "x", .mode = mode}, {"mode must be 0600", "not 0"});
  check_says({.name = "x", .default_ttl = kDefaultTtl}, {"default_ttl must be "});
  check_says({.name = "x", .place = static_cast<Place>(9)}, {"place must be shm, file or anonymous, not 9"});
  check_says({.name = "x", .when_full = static_cast<WhenFull>(9)}, {"when_full must be evict or reject, not 9"});
  check_says({.name = "x", .place = Place::anonymous, .read_only = true}, {"read_only: "});
}

TEST_CASE("an error is data: the option, its bound, the remedy and the path, which each client says in its own words") {
  const auto refused_for = [](const Options& options) {
    try {
      static_cast<void>(Cache::open(options));
    } catch (const OpenError& error) {
      return error;
    }
    throw std::logic_error("it was opened");
  };
  const OpenError out_of_bound = refused_for({.name = "x", .stripes = 3});
  CHECK(out_of_bound.reason().option == Option::stripes);
  CHECK(out_of_bound.reason().given == "3");
  CHECK(out_of_bound.reason().bound == "a power of two from 1 to 64");
  CHECK(out_of_bound.reason().remedy.said() == "leave it out to have it chosen by capacity_bytes");
  CHECK(out_of_bound.reason().path.empty());

  const tests::UniqueName name;
  const Cache made = Cache::open({.name = name, .capacity_bytes = 1 * MiB, .when_full = WhenFull::reject});
  const OpenError differs = refused_for({.name = name, .when_full = WhenFull::evict});
  CHECK(differs.reason().option == Option::when_full);
  CHECK(differs.reason().bound == "reject");
  CHECK(differs.reason().path == made.path());
  CHECK(std::string(differs.what()).starts_with("forklore: " + made.path() + ": when_full: evict is asked for"));
  const auto shout = [](Option option, std::string_view value) {
    std::string text(option.word);
    for (char& letter : text) letter = static_cast<char>(letter >= 'a' && letter <= 'z' ? letter - 32 : letter);
    return value.empty() ? text : text + "!" + std::string(value);
  };
  CHECK(differs.message().said(shout) ==
        made.path() +
            ": WHEN_FULL: evict is asked for, and reject is there; leave it "
            "out to take what is there, or give CAPACITY_BYTES to put an empty successor "
            "in its place");
  const OpenError no_path = refused_for({.place = Place::file});
  CHECK(no_path.message().said(shout).starts_with("PATH: PLACE!file needs it; give PATH the absolute path"));
  CHECK(no_path.message().said().starts_with("path: place = file needs it; give path the absolute path"));
}

TEST_CASE("an error without a bound and a remedy ends in the system's words") {
  const auto what = [](std::errc code, Reason reason) {
    return std::string(OpenError(std::make_error_code(code), std::move(reason)).what());
  };
  CHECK(what(std::errc::io_error, {.path = "/x", .fault = "cannot map it"}) ==
        "forklore: /x: cannot map it: Input/output error");
  CHECK(what(std::errc::io_error, {.path = "/x", .fault = "cannot map it", .remedy = "buy a disk"}) ==
        "forklore: /x: cannot map it; buy a disk");
  CHECK(what(std::errc::invalid_argument, {.path = "/x", .fault = "is a pipe"}) == "forklore: /x: is a pipe");
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
