// header.hpp - What the first bytes of a file say: a segment, one that nobody has finished, or something else.
//
// All that opens, lists or removes a file asks here, so all of it agrees on which files are segments.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/mapping.hpp"
#include "store/segment.hpp"

namespace forklore::session {

struct FileHeader {
  enum class Kind : std::uint8_t {
    segment,     ///< a finished one, and sound: description has what it says
    unfinished,  ///< its maker is still at it, or died: empty, or all but the magic word may be there
    refused,     ///< a segment of another format or build, or a damaged one: fault says why
    foreign,     ///< somebody else's file: fault says so
  };
  Kind kind = Kind::unfinished;
  std::optional<store::Description> description;
  std::string fault;
};

/// Reads the header of a file that others may write meanwhile. A file that is being cut short counts as unfinished.
FileHeader read_header(const base::File& file);

}  // namespace forklore::session
