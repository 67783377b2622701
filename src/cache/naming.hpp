// naming.hpp - What options ask for, checked; and which file a name is.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "forklore/options.hpp"
#include "store/geometry.hpp"

namespace forklore {

inline constexpr std::string_view kShmDirectory = "/dev/shm";

/// Throws OpenError (invalid_argument) that names the first wrong option and its bound.
void check_options(const Options& options);

/// The shape that options ask for; capacity 0 if none is asked for.
store::Shape wanted_shape(const Options& options);

/// Plans the shape of a new segment; a capacity of 0 takes the default. Throws OpenError if it cannot be had.
store::Geometry plan_or_throw(store::Shape shape);

/// The file behind a segment: /dev/shm/forklore-OWNER-NAME-vFORMAT, or the path given. Empty for Place::anonymous.
std::filesystem::path path_of(const Options& options);

/// Owner and name out of such a file name; false if it is not one.
bool parse_file_name(std::string_view file, ::uid_t& owner, std::string& name);

/// "64 MiB", "1.5 GiB", "100 bytes".
std::string in_words(std::uint64_t bytes);

}  // namespace forklore
