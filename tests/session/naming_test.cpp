#include "session/naming.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <forklore/forklore.hpp>

#include "child.hpp"
#include "store/layout.hpp"
#include "unique_name.hpp"

using namespace forklore;
using namespace forklore::session;
using tests::Child;
using tests::UniqueName;

TEST_CASE("a name and its owner are a file, and back") {
  const std::string path = path_of({.name = "site-v1-x", .owner = 1234});
  CHECK(path == "/dev/shm/forklore-1234-site-v1-x-v6");
  CHECK(parse_file_name("forklore-1234-site-v1-x-v6") == FileName{1234, "site-v1-x", 6});
  CHECK(parse_file_name("forklore-0-a-v1") == FileName{0, "a", 1});
  CHECK(parse_file_name("forklore-4294967294-a-v4-v5") == FileName{4294967294, "a-v4", 5});
  CHECK(parse_file_name("forklore-7-1234-a-v60") == FileName{7, "1234-a", 60});
  CHECK(path_of({.name = "a"}) == "/dev/shm/forklore-" + std::to_string(::geteuid()) + "-a-v6");
}

TEST_CASE("a file segment is where its path says, anonymous memory nowhere") {
  CHECK(path_of({.place = Place::file, .path = "/var/cache/x"}) == "/var/cache/x");
  CHECK(path_of({.name = "a", .place = Place::anonymous}).empty());
}

TEST_CASE("other files are not taken for segments") {
  for (const char* file :
       {"", "forklore-", "forklore-1234", "forklore-1234-", "forklore-1234--v5", "forklore-x-a-v5", "forklore--a-v5",
        "forklore-1234-a", "forklore-1234-a-v", "forklore-1234-a-v05", "forklore-1234-a-v-5", "forklore-01234-a-v5",
        "forklore-1234-a-v99999999999", "forklore-1234-a-v5.next", "forklore-1234-a b-v5", "forklore-1234-.a-v5",
        "sem.forklore-1234-a-v5", "forklore-99999999999999-a-v5", "forklore-1234-v5"}) {
    CAPTURE(file);
    CHECK_FALSE(parse_file_name(file));
  }
}

TEST_CASE("under a test prefix names begin with it, files lie beside them, and nothing else is seen") {
  const std::string owner = std::to_string(::geteuid());
  CHECK(Child([&] {
          ::setenv("FORKLORE_TEST_PREFIX", "run7-", 1);
          const std::string end = "-v" + std::to_string(store::kFormatVersion);
          bool good = path_of({.name = "a"}) == "/dev/shm/forklore-" + owner + "-run7-a" + end;
          const std::string file = path_of({.place = Place::file, .path = "/var/cache/x"});
          good &= file.starts_with("/dev/shm/forklore-" + owner + "-run7-file-") && file.ends_with(end);
          good &= file != path_of({.place = Place::file, .path = "/var/cache/y"});
          good &= path_of({.name = "a", .place = Place::anonymous}).empty();
          good &= parse_file_name("forklore-1234-run7-a-v5") == FileName{.owner = 1234, .name = "a", .format = 5};
          good &= !parse_file_name("forklore-1234-a-v5");
          good &= !parse_file_name("forklore-1234-run7--v5");
          good &= !parse_file_name("forklore-1234-run7-v5");
          return good ? 0 : 1;
        }).join() == 0);
  for (const char* wrong :
       {".a", "a b", "a/b", "0123456789012345678901234567890123456789012345678901234567890123456789"}) {
    CAPTURE(wrong);
    CHECK(Child([&] {
            ::setenv("FORKLORE_TEST_PREFIX", wrong, 1);
            try {
              static_cast<void>(path_of({.name = "a"}));
            } catch (const OpenError& error) {
              return error.code() == std::errc::invalid_argument ? 0 : 1;
            }
            return 1;
          }).join() == 0);
  }
}

TEST_CASE("what opening would take is what is not there yet") {
  const UniqueName name;
  const Options options{.name = name, .capacity_bytes = 1 * MiB};
  const Need before = need_of(options);
  CHECK(before.path == path_of(options));
  CHECK(before.bytes == 1 << 20);
  CHECK_FALSE(before.shortage.has_value());
  const Cache cache = Cache::open(options);
  CHECK(need_of(options).bytes == 0);
  CHECK(need_of({.name = name}).bytes == 0);
  CHECK(need_of({.name = name, .capacity_bytes = 2 * MiB}).bytes == 2 << 20);  // a successor is made beside it
  CHECK(need_of({.name = name, .place = Place::anonymous}).bytes == kDefaultCapacityBytes);
  const auto shortage = need_of({.name = name, .capacity_bytes = 2 * MiB}, std::uint64_t{1} << 60).shortage;
  REQUIRE(shortage.has_value());
  CHECK(shortage->option == Option::capacity_bytes);
  CHECK(shortage->path == path_of(options));
  CHECK(shortage->bound.starts_with("at most "));
  CHECK(shortage->fault.said().starts_with("2 MiB (2097152) beside the 1048576 TiB (1152921504606846976) of others "));
  CHECK(shortage->remedy.said().ends_with(", or lower capacity_bytes, or that of the others"));
  CHECK_THROWS_AS(static_cast<void>(need_of({.name = "not a name"})), OpenError);
}

TEST_CASE("sizes in words") {
  CHECK(in_words(0) == "0 bytes");
  CHECK(in_words(1023) == "1023 bytes");
  CHECK(in_words(1024) == "1 KiB");
  CHECK(in_words(1536) == "1.5 KiB");
  CHECK(in_words(64 << 20) == "64 MiB");
  CHECK(in_words(std::uint64_t{16} << 30) == "16 GiB");
  CHECK(in_words(std::uint64_t{3} << 50) == "3072 TiB");
}

TEST_CASE("a plan without a capacity takes the default") {
  CHECK(plan_or_throw({}).shape.capacity == kDefaultCapacityBytes);
  CHECK(plan_or_throw({}).shape.max_value == 1 << 20);
  CHECK(plan_or_throw({.reject = true}).shape.reject);
}
