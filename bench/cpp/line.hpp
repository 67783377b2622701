// line.hpp - What it costs to hand one cache line from one process to another, each on a core of its own.
//
// Where the cores of a virtual machine lie is the host's affair, and may change within a run: so this is measured in
// every round, and stands beside what two processes gained in the same rounds.
#pragma once

#include <vector>

namespace bench {

/// Nanoseconds from one process's store to the answer of the other, which waits for it: half of a round trip. A figure
/// for each bout, the mean of some thousand. Throws where there are no two cores.
std::vector<double> line_nanoseconds(unsigned bouts);

}  // namespace bench
