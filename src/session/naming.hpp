// naming.hpp - What options ask for, checked; and which file a name is.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "forklore/options.hpp"
#include "store/geometry.hpp"

namespace forklore::session {

inline constexpr std::string_view kShmDirectory = "/dev/shm";

/// The shape of a segment made as options ask; capacity 0 if none is asked for.
store::Shape wanted_shape(const Options& options);

/// What options ask of a segment and do not find in one of this shape: "when_full: reject is asked for, and evict is
/// there". Empty if it is as asked; what is not given is.
std::string difference(const Options& options, const store::Shape& there);

/// Plans the shape of a new segment; a capacity of 0 takes the default. Throws OpenError if it cannot be had.
store::Geometry plan_or_throw(store::Shape shape);

/// The environment's FORKLORE_TEST_PREFIX, with which all names begin while tests run; empty without. Throws OpenError
/// if none of a name could begin with it.
std::string test_prefix();

/// The file behind a segment: /dev/shm/forklore-OWNER-NAME-vFORMAT, or the path given. Empty for Place::anonymous.
/// Under a test prefix NAME begins with it, and what was to lie in a file is there too, by a name of its path.
std::filesystem::path path_of(const Options& options);

/// The file in which the successor of the one under path is made.
std::filesystem::path successor_of(const std::filesystem::path& path);

/// What the name of such a file says.
struct FileName {
  ::uid_t owner = 0;
  std::string name;
  unsigned format = 0;
  friend bool operator==(const FileName&, const FileName&) = default;
};
/// None if it is not one, or not of these tests. Throws as test_prefix() does.
std::optional<FileName> parse_file_name(std::string_view file);

/// "user 33 has one of this name, ...", if other users than the one that options ask for have. Empty if none has.
std::string owned_by_others(const Options& options);

/// "64 MiB", "1.5 GiB", "100 bytes".
std::string in_words(std::uint64_t bytes);
/// "64 MiB (67108864)".
std::string exactly(std::uint64_t bytes);

}  // namespace forklore::session
