// compression.hpp - Values above a size, compressed: a format of its own around another one.
//
//   +------------------+--------------+------------------------+
//   | size 4 bytes     | format 2     | compressed bytes       |
//   +------------------+--------------+------------------------+
//
// size and format are of the value that was compressed, in this machine's order. Both are claims: an entry may be
// damaged. So nothing is allocated for a size beyond the segment's max_value.
#pragma once

#include <Python.h>

#include <cstddef>
#include <cstdint>

#include "value.hpp"

namespace forklore::python {

/// One way to compress. Its functions are in forklore/compression.py.
struct Compression {
  std::uint16_t format;  // the name of its row is the compression's
  const char* package;   // on PyPI; nullptr: Python has it
};

inline constexpr std::size_t kCompressions = 3;
/// Values of up to this many bytes are never compressed.
inline constexpr std::size_t kSmall = 64;

/// The two callables of a compression in one interpreter. Set with its first use.
struct CompressionCalls {
  PyObject* compress;
  PyObject* decompress;
};

/// The name of a compression in the API: "zlib", "zstd", "lz4".
const char* name_of(const Compression& compression);
/// Options that C++ does not have.
inline constexpr Option kCompression{"compression"};
inline constexpr Option kCompressAbove{"compress_above"};
/// The options compression and compress_above of a handle, nullptr or None: not given. False with OpenError or
/// TypeError set. May throw std::bad_alloc.
bool parse_compression(PyObject* name, PyObject* above, Codec& codec);

/// Compresses a value that is larger than the handle's compress_above, unless it does not shrink. False with an
/// exception set.
bool compress(Encoded& value, const Codec& codec);
PyObject* decode_compressed(Decoded& from, const Codec& codec);

}  // namespace forklore::python
