// refusal.hpp - Why a segment cannot be opened, listed or removed, said in one way.
#pragma once

#include <system_error>

#include "forklore/open_error.hpp"

namespace forklore::session {

/// Throws OpenError. Where descriptors are lacking the remedy is added here.
[[noreturn]] void fail(std::error_code code, Reason reason);
[[noreturn]] void fail(std::errc code, Reason reason);

}  // namespace forklore::session
