// code.hpp - The outcome of a call, as a value: only opening a segment throws.
#pragma once

#include <cstdint>
#include <forklore/export.hpp>
#include <string_view>

namespace forklore {

/// What a call on a Cache came to. Unless it is `ok`, the call has stored nothing. A failed write may still have
/// evicted other entries to make room, or voided a computation of its key. An erase, or a touch with a ttl of 0, that
/// answers not_found may have removed a value that was only served stale. Computation::store() gives the right back
/// whatever it answers.
enum class Code : std::uint8_t {
  ok,
  not_found,     ///< no entry under that key, or it has expired
  exists,        ///< add: there is an entry already
  changed,       ///< compare_and_set: the version is no longer the entry's
  too_large,     ///< larger than Stats::max_value_bytes; Options::max_value_bytes raises it
  invalid_key,   ///< empty, or longer than kMaxKeyBytes
  not_a_number,  ///< increment, a rate or a window: the entry that is there is no 64-bit integer
  overflow,      ///< increment past the range of a 64-bit integer
  full,          ///< there is no room for a new key or a larger value unless a live entry is evicted, and
                 ///< WhenFull::reject forbids that. A Computation: also, no room to note that its caller computes
  busy,          ///< a living owner held the lock for all of Options::lock_timeout, or of a Lock's wait. A Lock that is
                 ///< not reentrant may be that owner itself; then it answers at once
  read_only,     ///< a write through a handle that only reads: opened so, of a segment that was removed and cannot be
                 ///< made again here, or forked into another pid namespace
  buffer_too_small,  ///< get_into, get_to: the caller gave too little room; Found::size says how much is wanted
  invalid_argument,  ///< a rate, a window, a limit or a time is out of range, such as a count of 0. Or a value in
                     ///< format kInteger has another size than one
  not_held,          ///< a Lock or a Computation: the caller does not hold it, or no longer
  no_line,           ///< a Lock: the stripe has no line left for one more
  no_memory,         ///< this process has no memory for what it must remember, such as a reentrant lock
};

/// The enumerator's own name, "not_found" for Code::not_found.
[[nodiscard]] FORKLORE_EXPORT std::string_view to_string(Code code) noexcept;

}  // namespace forklore
