#include "value.hpp"

#include <cstring>
#include <utility>

#include "compression.hpp"
#include "errors.hpp"
#include "serializers.hpp"

namespace forklore::python {

bool is_ascii(const char* data, std::size_t size) {
  for (; size >= 8; size -= 8, data += 8) {
    std::uint64_t word;
    std::memcpy(&word, data, 8);
    if ((word & 0x8080808080808080U) != 0) return false;
  }
  for (; size > 0; --size, ++data) {
    if (static_cast<unsigned char>(*data) >= 0x80) return false;
  }
  return true;
}

// Encoded

bool Encoded::take(PyObject* value, const Codec& codec) {
  const Format* format = writer_of(Py_TYPE(value));
  const bool taken =
      format != nullptr ? format->encode(*this, value) : encode_serialized(*this, value, codec.serializer);
  return taken && (size_ <= codec.compress_above || compress(*this, codec));
}

bool Encoded::own(std::uint16_t format, Reference bytes) {
  if (!bytes) return false;
  point_to(format, PyBytes_AS_STRING(bytes.get()), PyBytes_GET_SIZE(bytes.get()));
  object_ = std::move(bytes);
  return true;
}

void Encoded::copy_word(std::uint16_t format, const void* word) {
  std::memcpy(word_, word, sizeof word_);
  point_to(format, word_, sizeof word_);
}

// Decoded

Into Decoded::room(std::size_t size, std::uint16_t format) {
  size_ = size;
  format_ = format;
  ascii_ = false;
  if (size <= 8 && format != kBytes) {  // numbers, and a str so short that Python may share it
    object_ = Reference();
    return data_ = small_;
  }
  const Format* row = format_of(format);
  const auto length = static_cast<Py_ssize_t>(size);
  if (row == nullptr || row->widest == 0) {
    object_ = Reference(PyBytes_FromStringAndSize(nullptr, length));
    return data_ = object_ ? PyBytes_AS_STRING(object_.get()) : nullptr;
  }
  // Of two bytes a character: an odd size only if it is damaged.
  const Py_ssize_t characters = row->widest > 0xFF ? (length + 1) / 2 : length;
  object_ =
      Reference(row->make == nullptr ? PyUnicode_New(characters, row->widest) : row->make(characters, row->widest));
  data_ = object_ ? static_cast<char*>(PyUnicode_DATA(object_.get())) : nullptr;
  return {data_, row->widest == 0x7F ? &ascii_ : nullptr};
}

PyObject* Decoded::decode(const Codec& codec) {
  const Format* row = format_of(format_);
  if (row != nullptr) return row->decode(*this, codec);
  return PyErr_Format(errors().unreadable, "the stored value has format %d, which this build does not know",
                      int{format_});
}

bool Decoded::fill(std::uint16_t format, Reference bytes) {
  const auto size = static_cast<std::size_t>(PyBytes_GET_SIZE(bytes.get()));
  const char* from = PyBytes_AS_STRING(bytes.get());
  const Into to = room(size, format);
  if (to.data == nullptr) return false;
  std::memcpy(to.data, from, size);
  if (to.ascii != nullptr) *to.ascii = python::is_ascii(from, size);
  return true;
}

Reference Decoded::bytes() {
  if (object_) return Reference(object_.release());
  return Reference(PyBytes_FromStringAndSize(small_, static_cast<Py_ssize_t>(size_)));
}

PyObject* Decoded::damaged() const {
  return PyErr_Format(errors().unreadable, "the stored value is damaged: format %d (%s) with %zu bytes", int{format_},
                      format_of(format_)->name, size_);
}

}  // namespace forklore::python
