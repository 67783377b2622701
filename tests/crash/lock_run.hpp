// lock_run.hpp - Deaths around a lock, at every instruction: of who waits for it, of who holds it until it is given to
// a waiter, and of a reader that has come to take it.
#pragma once

#include "crash/instruction_run.hpp"

namespace forklore::crash {

/// The owner lives and is not robbed, whenever the waiter dies; it gives the lock up as if nobody had come.
Row waiter_dies(const RunOptions& options);

/// Whoever waits gets the lock and does its work, whenever the owner dies.
Row owner_dies_before_waiter(const RunOptions& options);

/// A reader that nothing but the lock helps on leaves all as it was.
Row locked_reader_dies(const RunOptions& options);

}  // namespace forklore::crash
