// attach.hpp - How long a process takes to attach to a segment that is there.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace bench {

/// Milliseconds until the first read is answered, each in a process of its own.
std::vector<double> attach_milliseconds(const std::string& name, std::size_t bytes, unsigned rounds);

}  // namespace bench
