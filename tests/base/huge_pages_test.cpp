#include "base/huge_pages.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <string_view>

#include "base/mapping.hpp"
#include "scratch.hpp"

using namespace forklore::base;
using forklore::tests::Scratch;

namespace {

std::uint64_t memory_of(int descriptor) {
  struct stat status {};
  REQUIRE(::fstat(descriptor, &status) == 0);
  return static_cast<std::uint64_t>(status.st_blocks) * 512;
}

}  // namespace

TEST_CASE("addresses are reserved where a huge page may begin, and no more than asked for") {
  const std::size_t huge = huge_page_bytes();
  if (huge == 0) return;
  CHECK(std::has_single_bit(huge));
  CHECK(reserve_aligned(huge - 1) == nullptr);
  const std::size_t bytes = 3 * huge + 5000;
  auto* const room = static_cast<std::byte*>(reserve_aligned(bytes));
  REQUIRE(room != nullptr);
  CHECK(reinterpret_cast<std::uintptr_t>(room) % huge == 0);
  unsigned char resident = 0;
  CHECK(::mincore(room, 1, &resident) == 0);
  CHECK(::mincore(room + 3 * huge + 4096, 1, &resident) == 0);
  CHECK(::munmap(room, bytes) == 0);
  CHECK(::mincore(room, 1, &resident) != 0);
}

TEST_CASE("whatever pages a file gets, all of it is there, empty, and mapped where huge pages may begin") {
  const Scratch scratch("/dev/shm");
  const std::size_t huge = std::max<std::size_t>(huge_page_bytes(), 2 << 20);
  if (huge > 4u << 20) return;
  const std::uint64_t bytes = 4 * huge + 12288;
  std::error_code error;
  File file = File::open(scratch / "file", File::Access::create, 0600, error);
  REQUIRE_FALSE(error);
  file.allocate(bytes, error);
  REQUIRE_FALSE(error);
  CHECK(file.size() == bytes);
  CHECK(memory_of(file.descriptor()) == bytes);

  const Mapping mapping = Mapping::map(file, false, error);
  REQUIRE_FALSE(error);
  CHECK(mapping.size() == bytes);
  if (huge_page_bytes() != 0) CHECK(reinterpret_cast<std::uintptr_t>(mapping.data()) % huge == 0);
  CHECK(std::all_of(mapping.data(), mapping.data() + bytes, [](std::byte byte) { return byte == std::byte{0}; }));
  mapping.data()[bytes - 1] = std::byte{7};
  const Mapping second = Mapping::map(file, true, error);
  CHECK(second.data()[bytes - 1] == std::byte{7});

  file.allocate(bytes, error);  // begins anew
  REQUIRE_FALSE(error);
  CHECK(memory_of(file.descriptor()) == bytes);
}

TEST_CASE("what is not shared memory stays as it is") {
  const Scratch scratch;
  std::error_code error;
  const File file = File::open(scratch / "file", File::Access::create, 0600, error);
  REQUIRE_FALSE(error);
  take_huge_pages(file.descriptor(), 1u << 26);
  CHECK(file.size() <= 1);
  take_huge_pages(-1, 1u << 26);
}
