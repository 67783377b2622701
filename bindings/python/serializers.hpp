// serializers.hpp - What turns a value that has no format of its own into bytes and back.
#pragma once

#include <Python.h>

#include <cstddef>
#include <cstdint>

#include "value.hpp"

namespace forklore::python {

/// One serializer: two functions of a Python module, with the arguments that they get beside the value.
struct Serializer {
  std::uint16_t format;  // the name of its row is the serializer's
  const char* module;    // and package, where Python has it not
  const char* dump;
  const char* dump_keywords;  // nullptr: none
  const char* load;
  const char* load_keywords;
};

inline constexpr std::size_t kSerializers = 3;

/// The two callables of a serializer in one interpreter. Set once its first handle with it is opened.
struct SerializerCalls {
  PyObject* dump;
  PyObject* load;
};

/// The name of a serializer in the API: "none" of nullptr.
const char* name_of(const Serializer* serializer);
/// An option that C++ does not have.
inline constexpr Option kSerializer{"serializer"};
/// The serializer of that name, its module imported; nullptr is "none". False with OpenError set. May throw
/// std::bad_alloc.
bool parse_serializer(PyObject* name, const Serializer*& serializer);

/// Writes a value of any type. False with SerializerError or MemoryError set. May run Python code.
bool encode_serialized(Encoded& to, PyObject* value, const Serializer* serializer);
PyObject* decode_serialized(Decoded& from, const Codec& codec);

}  // namespace forklore::python
