// value.hpp - A Python value as the bytes and format of an entry, and back.
#pragma once

#include <Python.h>

#include <cstddef>
#include <cstdint>
#include <forklore/found.hpp>
#include <string_view>

#include "formats.hpp"
#include "reference.hpp"

namespace forklore::python {

/// What is stored for one value. The view is into the value, into the object or into the bytes of this struct:
/// it holds as long as the value lives and the struct stays where it is.
class Encoded {
 public:
  Encoded() = default;
  Encoded(const Encoded&) = delete;
  Encoded& operator=(const Encoded&) = delete;

  /// False with an exception set (SerializerError, MemoryError) if the value cannot be written. May run Python code.
  bool take(PyObject* value, Serializer serializer);

  [[nodiscard]] std::string_view view() const { return {data_, size_}; }
  [[nodiscard]] std::uint16_t format() const { return format_; }

 private:
  bool take_integer(PyObject* value);
  bool take_text(PyObject* value);
  bool take_other(PyObject* value, Serializer serializer);
  bool point_to(Reference bytes);

  const char* data_ = "";
  std::size_t size_ = 0;
  std::uint16_t format_ = kBytes;
  char number_[8] = {};
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
  PyObject* decode(Serializer serializer);

 private:
  bool as_bytes();  // makes object_ hold the bytes, also those of small_
  PyObject* number() const;
  PyObject* big();
  PyObject* serialized(Serializer serializer);

  Reference object_;  // the bytes or str that the value is copied into, if not into small_
  char* data_ = nullptr;
  std::size_t size_ = 0;
  std::uint16_t format_ = kBytes;
  char small_[16] = {};
  bool ascii_ = false;  // of what an object_ for a str of ASCII was filled with: told by the read
};

/// The two callables of a serializer. Set once the interpreter's first handle with it is opened.
struct SerializerCalls {
  PyObject* dump;
  PyObject* load;
};

/// The name of a serializer in the API: "pickle", "json", "msgpack", "none".
const char* to_string(Serializer serializer);
/// The serializer of that name, its module imported. False with OpenError set.
bool parse_serializer(PyObject* name, Serializer& serializer);

}  // namespace forklore::python
