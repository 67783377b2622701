// permission.hpp - Whether this process may use what lies under a name, and why not.
#pragma once

#include <filesystem>
#include <system_error>

#include "base/mapping.hpp"
#include "forklore/options.hpp"

namespace forklore::session {

/// Throws OpenError unless f is a regular file of the owner, and no more open to others, than options say.
void check_file(const std::filesystem::path& file, const base::File& f, const Options& options);

/// Throws OpenError unless options allow a successor of f, which differs so from what they ask for.
void check_successor(const std::filesystem::path& name, const base::File& f, const Options& options, Reason differs);

/// Throws OpenError: why there is no file, or none could be made.
[[noreturn]] void fail_to_open(const std::filesystem::path& name, std::error_code error, const Options& options,
                               bool may_make);

}  // namespace forklore::session
