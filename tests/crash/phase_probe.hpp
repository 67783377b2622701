// phase_probe.hpp - Which function of the library's writing half this process is in, kept where others see it.
//
// src/store/stripe_update.cpp and stripe_reclaim.cpp are compiled into a storm with -finstrument-functions; what the
// compiler calls at each function's begin and end keeps a stack of phases. A death shows where it struck.
#pragma once

#include "crash/board.hpp"

namespace forklore::crash {

/// From here on this process's phases are kept in line.
void keep_phases(WorkerLine& line) noexcept;

}  // namespace forklore::crash
