// log_line.hpp - One line for the operator, by way of Hooks::log. Never under a lock that a caller can wait for.
#pragma once

#include <string_view>

namespace forklore::session {

void log_line(std::string_view line);

}  // namespace forklore::session
