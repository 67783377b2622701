// memory_model.hpp - Which executions can happen: on x86, on an ARMv8 processor, and by the rules of C++ alone, which
// is to say whatever compiler and processor may do.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "model/execution.hpp"

namespace forklore::model {

enum class Memory : std::uint8_t { x86, armv8, cpp };
inline constexpr std::array<Memory, 3> kMemories{Memory::x86, Memory::armv8, Memory::cpp};
std::string_view to_string(Memory memory) noexcept;

/// rf, co and fr are set.
bool can_happen(const Execution& execution, Memory memory);

/// What must take effect before what. On a processor, any order that respects it tells how it happened. C++ knows no
/// such order; there it is what happens before what.
Relation effects(const Execution& execution, Memory memory);

}  // namespace forklore::model
