// refusal.hpp - Why a segment cannot be opened, listed or removed, said in one way.
#pragma once

#include <string>
#include <system_error>

namespace forklore::session {

/// Throws OpenError. what begins with the path or the option, and names the remedy. Where descriptors are lacking the
/// remedy is added here.
[[noreturn]] void fail(std::error_code code, const std::string& what);
[[noreturn]] void fail(std::errc code, const std::string& what);

}  // namespace forklore::session
