// entry.hpp - What the commands on entries say of one.
#pragma once

#include <forklore/found.hpp>
#include <string>

#include "cli/text.hpp"

namespace forklore::cli {

/// Seconds; null for ever.
Json json_of_ttl(Ttl left);
/// Its key, its format, its size and its time to live.
Json json_of_entry(const std::string& key, const EntryInfo& info);

/// Throws a Failure that says why, unless code is ok. key: the one of the call.
void check(Code code, const std::string& key);

}  // namespace forklore::cli
