#include "compression.hpp"

#include <algorithm>
#include <cstring>
#include <forklore/cache.hpp>
#include <limits>
#include <string>

#include "arguments.hpp"
#include "errors.hpp"
#include "hooks.hpp"
#include "interpreter.hpp"

namespace forklore::python {
namespace {

constexpr Compression kAllCompressions[kCompressions] = {{kZlib, nullptr}, {kZstd, "zstandard"}, {kLz4, "lz4"}};

struct CompressedHead {
  std::uint32_t size;
  std::uint16_t format;
};
constexpr std::size_t kHeadBytes = 6;

// The callables of a compression, its package imported. nullptr with ImportError set.
const CompressionCalls* functions_of(const Compression& compression) {
  CompressionCalls& calls = interpreter().compressions[static_cast<std::size_t>(&compression - kAllCompressions)];
  if (calls.decompress != nullptr) return &calls;
  const Reference module(run_python([] { return PyImport_ImportModule("forklore.compression"); }));
  const auto ask = [&] { return PyObject_CallMethod(module.get(), "calls_of", "s", name_of(compression)); };
  const Reference both(module ? run_python(ask) : nullptr);
  PyObject *compress, *decompress;
  if (!both || !PyArg_ParseTuple(both.get(), "OO", &compress, &decompress)) return nullptr;
  Py_XSETREF(calls.compress, Py_NewRef(compress));
  Py_XSETREF(calls.decompress, Py_NewRef(decompress));
  return &calls;
}

// Whether a value of this size may lie in the segment. The bound changes only when the segment is replaced by
// another, so it is asked for again only where it would say no.
bool is_possible(std::size_t size, const Codec& codec) {
  if (size > codec.most) {
    codec.most = guarded([&] { return codec.cache->stats().max_value_bytes; }, std::size_t{0});
    PyErr_Clear();
  }
  return size <= codec.most && size <= std::numeric_limits<std::uint32_t>::max();
}

const Compression* compression_of(std::uint16_t format) {
  const auto found = std::find_if(kAllCompressions, kAllCompressions + kCompressions,
                                  [&](const auto& one) { return one.format == format; });
  return found == kAllCompressions + kCompressions ? nullptr : found;
}

// Numbers are what incr and others rely on, and hold no more than their digits.
bool is_number(std::uint16_t format) { return format == kInteger || format == kReal || format == kBig; }

// Unreadable for the exception that is set, unless it says more than that the bytes are wrong. Always nullptr.
PyObject* unreadable(const Compression& compression) {
  if (PyErr_ExceptionMatches(PyExc_Exception) == 0 || PyErr_ExceptionMatches(PyExc_MemoryError) != 0) return nullptr;
  if (PyErr_ExceptionMatches(PyExc_ImportError) != 0 && compression.package != nullptr) {
    PyErr_Format(errors().unreadable, "the stored value is compressed by %s; pip install %s", name_of(compression),
                 compression.package);
    return nullptr;
  }
  set_error_from(errors().unreadable, "the stored value cannot be decompressed");
  return nullptr;
}

bool parse_way(PyObject* name, const Compression*& compression) {
  for (const Compression& one : kAllCompressions) {
    if (!PyUnicode_Check(name) || PyUnicode_CompareWithASCIIString(name, name_of(one)) != 0) continue;
    compression = &one;
    if (functions_of(one) != nullptr) return true;
    if (PyErr_ExceptionMatches(PyExc_ImportError) == 0 || one.package == nullptr) return false;
    PyErr_Clear();
    const std::string package = one.package;
    set_option_error({.option = kCompression,
                      .fault = std::string("\"") + name_of(one) + "\" needs the Python package " + package +
                               ", which cannot be imported",
                      .remedy = "pip install " + package});
    return false;
  }
  set_option_error({.option = kCompression, .given = shown(name), .bound = "\"zlib\", \"zstd\" or \"lz4\""});
  return false;
}

}  // namespace

const char* name_of(const Compression& compression) { return format_of(compression.format)->name; }

bool parse_compression(PyObject* name, PyObject* above, Codec& codec) {
  const auto absent = [](PyObject* object) { return object == nullptr || object == Py_None; };
  codec.compression = nullptr;
  codec.compress_above = std::numeric_limits<std::size_t>::max();
  if (absent(name) && absent(above)) return true;
  const Compression* compression = kAllCompressions;
  if (!absent(name) && !parse_way(name, compression)) return false;
  if (absent(above)) {
    set_option_error({.option = kCompression,
                      .fault = kCompressAbove + Message(" is not given"),
                      .remedy = kCompressAbove + Message(" is the bytes of a value from which on it is compressed")});
    return false;
  }
  std::size_t size = 0;
  if (!parse_size(kCompressAbove, above, size)) return false;
  if (size == 0 || size > kMaxCapacityBytes) {
    set_option_error({.option = kCompressAbove,
                      .given = shown(above),
                      .bound = "a number of bytes from 1 to " + std::to_string(kMaxCapacityBytes)});
    return false;
  }
  codec.compression = compression;
  codec.compress_above = std::max(size, kSmall);
  return functions_of(*compression) != nullptr;
}

bool compress(Encoded& value, const Codec& codec) {
  const std::string_view plain = value.view();
  // What is too large is so without compression too: else a reader could not bound what it takes.
  if (is_number(value.format()) || !is_possible(plain.size(), codec)) return true;
  const CompressionCalls* calls = functions_of(*codec.compression);
  // Of its own, as an error's traceback may keep what was passed.
  const Reference bytes(PyBytes_FromStringAndSize(plain.data(), static_cast<Py_ssize_t>(plain.size())));
  if (calls == nullptr || !bytes) return false;
  const Reference made(run_python([&] { return PyObject_CallOneArg(calls->compress, bytes.get()); }));
  if (!made) return false;
  if (!PyBytes_CheckExact(made.get())) {
    PyErr_Format(PyExc_TypeError, "%s gave %.200s", name_of(*codec.compression), Py_TYPE(made.get())->tp_name);
    return false;
  }
  const auto size = static_cast<std::size_t>(PyBytes_GET_SIZE(made.get()));
  if (size + kHeadBytes >= plain.size()) return true;
  Reference whole(PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(size + kHeadBytes)));
  if (!whole) return false;
  const CompressedHead head{static_cast<std::uint32_t>(plain.size()), value.format()};
  char* const data = PyBytes_AS_STRING(whole.get());
  std::memcpy(data, &head.size, 4);
  std::memcpy(data + 4, &head.format, 2);
  std::memcpy(data + kHeadBytes, PyBytes_AS_STRING(made.get()), size);
  return value.own(codec.compression->format, std::move(whole));
}

PyObject* decode_compressed(Decoded& from, const Codec& codec) {
  const Compression& compression = *compression_of(from.format());
  const Reference whole = from.bytes();
  if (!whole) return nullptr;
  CompressedHead head{};
  if (from.size() <= kHeadBytes) return from.damaged();
  std::memcpy(&head.size, PyBytes_AS_STRING(whole.get()), 4);
  std::memcpy(&head.format, PyBytes_AS_STRING(whole.get()) + 4, 2);
  const Format* plain = format_of(head.format);
  if (plain == nullptr || is_number(head.format) || compression_of(head.format) != nullptr || head.size <= kSmall ||
      !is_possible(head.size, codec)) {
    return from.damaged();
  }
  const CompressionCalls* calls = functions_of(compression);
  if (calls == nullptr) return unreadable(compression);
  const Reference packed(PyBytes_FromStringAndSize(PyBytes_AS_STRING(whole.get()) + kHeadBytes,
                                                   static_cast<Py_ssize_t>(from.size() - kHeadBytes)));
  const auto call = [&] { return PyObject_CallFunction(calls->decompress, "OI", packed.get(), head.size); };
  Reference made(packed ? run_python(call) : nullptr);
  if (!made) return packed ? unreadable(compression) : nullptr;
  if (!PyBytes_CheckExact(made.get()) || PyBytes_GET_SIZE(made.get()) != Py_ssize_t{head.size}) return from.damaged();
  Decoded value;
  return value.fill(head.format, std::move(made)) ? value.decode(codec) : nullptr;
}

}  // namespace forklore::python
