// log_line.hpp - Gives the operator one line, through Hooks::log. Not to be called with a lock that others wait for.
#pragma once

#include <string_view>

namespace forklore::session {

void log_line(std::string_view line);

}  // namespace forklore::session
