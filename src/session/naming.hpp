// naming.hpp - Checks what options ask for, and tells which file a name means.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "forklore/options.hpp"
#include "store/geometry.hpp"

namespace forklore::session {

inline constexpr std::string_view kShmDirectory = "/dev/shm";

/// Returns the shape of a segment made as options ask. Its capacity is 0 if they ask for none.
store::Shape wanted_shape(const Options& options);

/// Says which option a segment of this shape does not meet: "when_full: reject is asked for, and evict is there". None
/// if it meets all. An option that is not given is met.
std::optional<Reason> difference(const Options& options, const store::Shape& there);

/// Plans a new segment. A capacity of 0 takes the default. Throws OpenError if there can be none of that shape.
store::Geometry plan_or_throw(store::Shape shape);

/// Returns the environment's FORKLORE_TEST_PREFIX, or nothing. While tests run all names begin with it. Throws
/// OpenError if no name could.
std::string test_prefix();

/// Returns the file behind a segment: /dev/shm/forklore-OWNER-NAME-vFORMAT, or the path given. Empty for
/// Place::anonymous. With a test prefix NAME begins with it, and a Place::file lies there too, named by its path.
std::filesystem::path path_of(const Options& options);

/// Returns the file in which the successor of the one under path is made.
std::filesystem::path successor_of(const std::filesystem::path& path);

/// What the name of a file of path_of() says.
struct FileName {
  ::uid_t owner = 0;
  std::string name;
  unsigned format = 0;
  friend bool operator==(const FileName&, const FileName&) = default;
};
/// Returns none if it is no segment's file, or lies outside of this test prefix. Throws as test_prefix() does.
std::optional<FileName> parse_file_name(std::string_view file);

/// Says which other users have a segment of this name: "user 33 has one of this name, ...". Empty if none has.
Message owned_by_others(const Options& options);

/// "64 MiB", "1.5 GiB", "100 bytes".
std::string in_words(std::uint64_t bytes);
/// "0660".
std::string in_octal(::mode_t mode);
/// "64 MiB (67108864)".
std::string exactly(std::uint64_t bytes);

}  // namespace forklore::session
