#include "cache/naming.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

using namespace forklore;

TEST_CASE("a name and its owner are a file, and back") {
  const std::string path = path_of({.name = "site-v1-x", .owner = 1234});
  CHECK(path == "/dev/shm/forklore-1234-site-v1-x-v5");
  CHECK(parse_file_name("forklore-1234-site-v1-x-v5") == FileName{1234, "site-v1-x", 5});
  CHECK(parse_file_name("forklore-0-a-v1") == FileName{0, "a", 1});
  CHECK(parse_file_name("forklore-4294967294-a-v4-v5") == FileName{4294967294, "a-v4", 5});
  CHECK(parse_file_name("forklore-7-1234-a-v60") == FileName{7, "1234-a", 60});
  CHECK(path_of({.name = "a"}) == "/dev/shm/forklore-" + std::to_string(::geteuid()) + "-a-v5");
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
