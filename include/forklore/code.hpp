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
  not_a_number,  ///< increment, a rate or a window: the entry that is there is no 64-bit integer
  overflow,      ///< increment past the range of a 64-bit integer
  full,          ///< WhenFull::reject alone: no room for a new key, or a larger value than the one that is there,
                 ///< without taking a live entry
  busy,          ///< a living owner held the lock for all of Options::lock_timeout, or of a Lock's wait
  read_only,     ///< a write through a handle that only reads: opened so, of a segment that was removed and cannot be
                 ///< made anew here, or forked into another pid namespace
  buffer_too_small,  ///< get_into, get_to: the caller gave too little room; Found::size says how much is wanted
  invalid_argument,  ///< a rate, a window, a limit or a time that makes no sense: a count of 0, say. Or a value in
                     ///< format kInteger that does not have the size of one
  no_line,           ///< a Lock: the stripe has no line left for one more
  no_memory,         ///< this process has no memory for what it must remember, such as a reentrant lock
};

/// The enumerator's own name, "not_found" for Code::not_found.
[[nodiscard]] FORKLORE_EXPORT std::string_view to_string(Code code) noexcept;

}  // namespace forklore
