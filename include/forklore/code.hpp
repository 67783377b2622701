// code.hpp - The outcome of a call, as a value: only opening a segment throws.
#pragma once

#include <cstdint>
#include <forklore/export.hpp>
#include <string_view>

namespace forklore {

/// What a call on a Cache came to. Unless it is `ok`, the call has changed nothing.
enum class Code : std::uint8_t {
  ok,
  not_found,     ///< no entry under that key, or it has expired
  exists,        ///< add: there is an entry already
  changed,       ///< compare_and_set: the version is no longer the entry's
  too_large,     ///< larger than Stats::max_value_bytes; Options::max_value_bytes raises it
  invalid_key,   ///< empty, or longer than kMaxKeyBytes
  not_a_number,  ///< increment of an entry, or a value in format kInteger, that is no 64-bit integer
  overflow,      ///< increment past the range of a 64-bit integer
  full,          ///< WhenFull::reject alone: no room for a new key, or a larger value than the one that is there,
                 ///< without taking a live entry. Of a Lock: no line for one more
  busy,          ///< the lock was held by a living owner for all of Options::lock_timeout
  read_only,     ///< a write through a handle that only reads: opened so, of a segment that was removed and cannot be
                 ///< made anew here, or forked into another pid namespace
  buffer_too_small,  ///< get_into: Found::size says how much is wanted
  invalid_argument,  ///< a rate, a window, a limit or a time that makes no sense: a count of 0, say
};

/// The enumerator's own name, "not_found" for Code::not_found.
[[nodiscard]] FORKLORE_EXPORT std::string_view to_string(Code code) noexcept;

}  // namespace forklore
