// log_line.hpp - Gives the operator one line, through Hooks::log. Not to be called with a lock that others wait for.
#pragma once

#include "forklore/option.hpp"

namespace forklore::session {

void log_line(const Message& line);

}  // namespace forklore::session
