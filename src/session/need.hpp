// need.hpp - Tells whether there is room for a segment before it is made.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "forklore/options.hpp"

namespace forklore::session {

/// Why more bytes cannot be had under path for a segment of so many in all; none if they can.
std::optional<Reason> shortage_of(const std::filesystem::path& path, std::uint64_t bytes, std::uint64_t more,
                                  Place place);

}  // namespace forklore::session
