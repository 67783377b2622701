#include "django_keys.hpp"

#include <charconv>
#include <cstring>

#include "arguments.hpp"
#include "hooks.hpp"

namespace forklore::python {
namespace {

// Django's MEMCACHE_MAX_KEY_LENGTH, beyond which validate_key warns.
constexpr std::size_t kMostSilent = 250;
static_assert(kMostSilent <= kMaxKeyBytes);

// Whether all of size ASCII bytes are such as validate_key lets pass without a warning: none up to the space, no DEL.
bool silent(const char* data, std::size_t size) {
  constexpr std::uint64_t kEach = 0x0101010101010101U;
  std::uint64_t good = ~std::uint64_t{0};
  std::uint64_t bad = 0;
  const auto look = [&](std::uint64_t word) {
    good &= word + kEach * (0x80 - '!');  // the high bit of a byte is set from '!' on
    bad |= word + kEach * (0x80 - 0x7F);  // and here at DEL alone
  };
  std::uint64_t word = 0;
  for (; size >= 8; size -= 8, data += 8) {
    std::memcpy(&word, data, 8);
    look(word);
  }
  word = kEach * '!';
  std::memcpy(&word, data, size);
  look(word);
  return ((good & ~bad) & kEach * 0x80) == kEach * 0x80;
}

// As default_key_func and validate_key have it, for the keys that they neither change nor warn of. 0: another key.
std::size_t make_usual(const BackendObject* self, PyObject* key, PyObject* version, char* to) {
  std::size_t size = self->head_size;
  std::memcpy(to, self->head, BackendObject::kMostHead);
  if (version != Py_None) {
    int beyond = 0;
    const long long number = PyLong_CheckExact(version) ? PyLong_AsLongLongAndOverflow(version, &beyond) : -1;
    if (number < 0 || beyond != 0) return 0;
    char* end = std::to_chars(to + self->prefix_size, to + kMostSilent - 1, number).ptr;
    *end++ = ':';
    size = static_cast<std::size_t>(end - to);
  }
  if (PyUnicode_CheckExact(key)) {
    if (!PyUnicode_IS_READY(key) || !PyUnicode_IS_COMPACT_ASCII(key)) return 0;
    const auto length = static_cast<std::size_t>(PyUnicode_GET_LENGTH(key));
    const auto* text = reinterpret_cast<const char*>(PyUnicode_1BYTE_DATA(key));
    if (size + length > kMostSilent || !silent(text, length)) return 0;
    std::memcpy(to + size, text, length);
    return size + length;
  }
  int beyond = 0;
  if (!PyLong_CheckExact(key)) return 0;
  const long long number = PyLong_AsLongLongAndOverflow(key, &beyond);
  if (beyond != 0) return 0;
  return static_cast<std::size_t>(std::to_chars(to + size, to + kMaxKeyBytes, number).ptr - to);
}

std::size_t make_otherwise(BackendObject* self, PyObject* key, PyObject* version, KeyBuffer& buffer) {
  auto* object = reinterpret_cast<PyObject*>(self);
  Reference made(run_python([&] { return PyObject_CallMethod(object, "make_and_validate_key", "OO", key, version); }));
  Key bytes;
  if (!made || !bytes.take(made.get())) return 0;
  std::memcpy(buffer.data(), bytes.view().data(), bytes.view().size());
  return bytes.view().size();
}

}  // namespace

std::size_t make_key(BackendObject* self, PyObject* key, PyObject* version, KeyBuffer& buffer) {
  if (!know(self)) return 0;
  const std::size_t size = self->usual ? make_usual(self, key, version, buffer.data()) : 0;
  return size != 0 ? size : make_otherwise(self, key, version, buffer);
}

}  // namespace forklore::python
