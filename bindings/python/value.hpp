// value.hpp - A Python value as the bytes and format of an entry, and back, by the registry of formats.hpp.
#pragma once

#include <Python.h>

#include <cstddef>
#include <cstdint>
#include <forklore/cache.hpp>
#include <limits>
#include <string_view>

#include "formats.hpp"
#include "reference.hpp"

namespace forklore::python {

struct Compression;
struct Serializer;

/// Whether no byte has its high bit set.
bool is_ascii(const char* data, std::size_t size);

/// How a handle writes and reads values.
struct Codec {
  const Serializer* serializer = nullptr;    // of values that have no format of their own; nullptr: refused
  const Compression* compression = nullptr;  // of values of more bytes than
  std::size_t compress_above = std::numeric_limits<std::size_t>::max();
  const Cache* cache = nullptr;  // whose segment bounds what may be decompressed
  mutable std::size_t most = 0;  // of those bytes, when last asked
};

/// What is stored for one value. The view is into the value, into the object or into the bytes of this struct:
/// it holds as long as the value lives and the struct stays where it is.
class Encoded {
 public:
  Encoded() = default;
  Encoded(const Encoded&) = delete;
  Encoded& operator=(const Encoded&) = delete;

  /// False with an exception set (SerializerError, MemoryError) if the value cannot be written. May run Python code.
  bool take(PyObject* value, const Codec& codec);

  [[nodiscard]] std::string_view view() const { return {data_, size_}; }
  [[nodiscard]] std::uint16_t format() const { return format_; }

  // For the formats' encode:
  /// Bytes that live as long as the value.
  void point_to(std::uint16_t format, const void* data, Py_ssize_t size) {
    data_ = static_cast<const char*>(data);
    size_ = static_cast<std::size_t>(size);
    format_ = format;
  }
  /// A bytes object that was made. False if it is none: then an exception is set.
  bool own(std::uint16_t format, Reference bytes);
  /// Eight bytes, copied.
  void copy_word(std::uint16_t format, const void* word);
  void change_format(std::uint16_t format) { format_ = format; }

 private:
  const char* data_ = "";
  std::size_t size_ = 0;
  std::uint16_t format_ = kBytes;
  char word_[8] = {};
  Reference object_;
};

/// Receives one value of a read: room() for the bytes, then decode() once the read has answered ok.
class Decoded {
 public:
  Decoded() = default;
  Decoded(Decoded&&) = default;
  Decoded& operator=(Decoded&&) = default;

  /// Memory for size bytes; nullptr with MemoryError set. May be called again: the last one counts.
  /// What it is told may be of an entry that is just being replaced, so it judges nothing.
  Into room(std::size_t size, std::uint16_t format);
  /// room() of the Decoded at context, for a call that reads one value.
  static Into room_for_one(void* context, std::size_t, const Found& found) {
    return static_cast<Decoded*>(context)->room(found.size, found.format);
  }
  /// The value as a new reference, or nullptr with an exception set (Unreadable, MemoryError). Once.
  PyObject* decode(const Codec& codec);
  /// Takes the bytes of a value as if they had been read. False with MemoryError set.
  bool fill(std::uint16_t format, Reference bytes);

  // For the formats' decode:
  [[nodiscard]] const char* data() const { return object_ ? data_ : small_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::uint16_t format() const { return format_; }
  /// Whether no byte has its high bit set. Of a value that was read into a str of ASCII the read has told.
  [[nodiscard]] bool is_ascii() const { return object_ ? ascii_ : python::is_ascii(small_, size_); }
  /// The object that the value was read into, once: a str or bytes as the format has it; nullptr of a short value.
  PyObject* release() { return object_.release(); }
  /// The value as bytes. Not of a format that is read into a str.
  Reference bytes();
  /// Sets Unreadable. Always nullptr.
  PyObject* damaged() const;

 private:
  Reference object_;  // what the value is copied into, if not into small_
  char* data_ = nullptr;
  std::size_t size_ = 0;
  std::uint16_t format_ = kBytes;
  char small_[16] = {};
  bool ascii_ = false;
};

}  // namespace forklore::python
