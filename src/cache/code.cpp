#include "forklore/code.hpp"

namespace forklore {

std::string_view to_string(Code code) noexcept {
  switch (code) {
    case Code::ok:
      return "ok";
    case Code::not_found:
      return "not_found";
    case Code::exists:
      return "exists";
    case Code::changed:
      return "changed";
    case Code::too_large:
      return "too_large";
    case Code::invalid_key:
      return "invalid_key";
    case Code::not_a_number:
      return "not_a_number";
    case Code::overflow:
      return "overflow";
    case Code::full:
      return "full";
    case Code::busy:
      return "busy";
    case Code::read_only:
      return "read_only";
    case Code::buffer_too_small:
      return "buffer_too_small";
    case Code::invalid_argument:
      return "invalid_argument";
    case Code::not_held:
      return "not_held";
    case Code::no_line:
      return "no_line";
    case Code::no_memory:
      return "no_memory";
  }
  return "unknown";
}

}  // namespace forklore
