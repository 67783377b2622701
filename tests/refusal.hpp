// refusal.hpp - The error of opening a segment.
#pragma once

#include <forklore/forklore.hpp>
#include <string>
#include <string_view>
#include <system_error>

namespace forklore::tests {

struct Refusal {
  std::error_code code;
  std::string says;  ///< empty: it was opened
  [[nodiscard]] bool has(std::string_view part) const { return says.find(part) != std::string::npos; }
};

inline Refusal refusal(const Options& options) {
  try {
    const Cache cache = Cache::open(options);
  } catch (const OpenError& error) {
    return {error.code(), error.what()};
  }
  return {};
}

}  // namespace forklore::tests
