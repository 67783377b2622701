// The writing methods of one key. Values are serialized before the call, so no lock is held meanwhile.
#include <limits>

#include "cache_calls.hpp"
#include "errors.hpp"

namespace forklore::python {
namespace {

constexpr const char* kNames[] = {"set", "add", "replace"};

// (key, value, ttl) of the three methods; the answer is left to the caller. None: an exception is set.
template <Store kStore>
std::optional<Code> store(PyObject* self, PyObject* const* given, Py_ssize_t count, PyObject* keywords) {
  static constexpr Parameters<3> kParameters{kNames[static_cast<int>(kStore)], 2, 3, {"key", "value", "ttl"}};
  std::array<PyObject*, 3> values{};
  Ttl ttl{};
  if (!kParameters.bind(given, count, keywords, values) || !parse_ttl(values[2], ttl)) return std::nullopt;
  const Call call(self);
  Key key;
  if (!call || !key.take(values[0])) return std::nullopt;
  return store_value(call, kStore, {key.view(), values[0]}, values[1], ttl);
}

PyObject* truth(Code code) { return Py_NewRef(code == Code::ok ? Py_True : Py_False); }
PyObject* truth(std::optional<Code> code) { return code ? truth(*code) : nullptr; }

PyObject* overflow() {
  PyErr_SetString(PyExc_OverflowError, "a counter is from -2**63 to 2**63 - 1; this one has not changed");
  return nullptr;
}

template <bool kUp>
PyObject* count(PyObject* self, PyObject* const* given, Py_ssize_t number, PyObject* keywords) {
  static constexpr Parameters<4> kParameters{kUp ? "incr" : "decr", 1, 2, {"key", "delta", "initial", "ttl"}};
  std::array<PyObject*, 4> values{};
  Ttl ttl{};
  if (!kParameters.bind(given, number, keywords, values) || !parse_ttl(values[3], ttl)) return nullptr;
  std::int64_t delta = 1;
  if (values[1] != nullptr && !parse_integer(values[1], delta)) return nullptr;
  if constexpr (!kUp) {
    if (delta == std::numeric_limits<std::int64_t>::min()) return overflow();
    delta = -delta;
  }
  std::optional<std::int64_t> initial;
  if (values[2] != nullptr && values[2] != Py_None && !parse_integer(values[2], initial.emplace())) return nullptr;
  const Call call(self);
  Key key;
  if (!call || !key.take(values[0])) return nullptr;
  return add_number(call, {key.view(), values[0]}, delta, initial, ttl);
}

}  // namespace

std::optional<Code> store_value(const Call& call, Store how, NamedKey key, PyObject* value, Ttl ttl) {
  Encoded encoded;
  if (!encoded.take(value, call.codec())) return std::nullopt;
  Cache& cache = call.cache();
  Code code{};
  Code no = Code::ok;
  switch (how) {
    case Store::set:
      code = cache.set(key.bytes, encoded.view(), ttl, encoded.format());
      break;
    case Store::add:
      code = cache.add(key.bytes, encoded.view(), ttl, encoded.format());
      no = Code::exists;
      break;
    case Store::replace:
      code = cache.replace(key.bytes, encoded.view(), ttl, encoded.format());
      no = Code::not_found;
      break;
  }
  if (code == Code::ok || code == no) return code;
  raise_code(code, call, key.object, encoded.view().size());
  return std::nullopt;
}

PyObject* touch_key(const Call& call, NamedKey key, Ttl ttl) {
  const Code code = call.cache().touch(key.bytes, ttl);
  return code == Code::ok || code == Code::not_found ? truth(code) : raise_code(code, call, key.object);
}

PyObject* delete_key(const Call& call, NamedKey key) {
  const Code code = call.cache().erase(key.bytes);
  return code == Code::ok || code == Code::not_found ? truth(code) : raise_code(code, call, key.object);
}

PyObject* add_number(const Call& call, NamedKey key, std::int64_t delta, std::optional<std::int64_t> initial, Ttl ttl) {
  std::int64_t now = 0;
  const Code code = call.cache().increment(key.bytes, delta, now, initial, ttl);
  if (code == Code::ok) return PyLong_FromLongLong(now);
  return code == Code::overflow ? overflow() : raise_code(code, call, key.object);
}

PyObject* cache_set(PyObject* self, PyObject* const* given, Py_ssize_t count, PyObject* keywords) {
  if (!store<Store::set>(self, given, count, keywords)) return nullptr;
  Py_RETURN_NONE;
}

PyObject* cache_add(PyObject* self, PyObject* const* given, Py_ssize_t count, PyObject* keywords) {
  return truth(store<Store::add>(self, given, count, keywords));
}

PyObject* cache_replace(PyObject* self, PyObject* const* given, Py_ssize_t count, PyObject* keywords) {
  return truth(store<Store::replace>(self, given, count, keywords));
}

PyObject* cache_touch(PyObject* self, PyObject* const* given, Py_ssize_t count, PyObject* keywords) {
  static constexpr Parameters<2> kParameters{"touch", 1, 2, {"key", "ttl"}};
  std::array<PyObject*, 2> values{};
  Ttl ttl{};
  if (!kParameters.bind(given, count, keywords, values) || !parse_ttl(values[1], ttl)) return nullptr;
  const Call call(self);
  Key key;
  if (!call || !key.take(values[0])) return nullptr;
  return touch_key(call, {key.view(), values[0]}, ttl);
}

PyObject* cache_cas(PyObject* self, PyObject* const* given, Py_ssize_t count, PyObject* keywords) {
  static constexpr Parameters<4> kParameters{"cas", 3, 4, {"key", "value", "version", "ttl"}};
  std::array<PyObject*, 4> values{};
  Ttl ttl{};
  if (!kParameters.bind(given, count, keywords, values) || !parse_ttl(values[3], ttl)) return nullptr;
  Version version{};
  if (!parse_word("version", "gets", values[2], version.word)) return nullptr;
  const Call call(self);
  Key key;
  Encoded value;
  if (!call || !key.take(values[0]) || !value.take(values[1], call.codec())) return nullptr;
  const Code code = call.cache().compare_and_set(key.view(), version, value.view(), ttl, value.format());
  if (code == Code::not_found) Py_RETURN_NONE;
  if (code == Code::ok || code == Code::changed) return truth(code);
  return raise_code(code, call, values[0], value.view().size());
}

PyObject* cache_incr(PyObject* self, PyObject* const* given, Py_ssize_t number, PyObject* keywords) {
  return count<true>(self, given, number, keywords);
}

PyObject* cache_decr(PyObject* self, PyObject* const* given, Py_ssize_t number, PyObject* keywords) {
  return count<false>(self, given, number, keywords);
}

PyObject* cache_delete(PyObject* self, PyObject* const* given, Py_ssize_t number, PyObject* keywords) {
  static constexpr Parameters<1> kParameters{"delete", 1, 1, {"key"}};
  std::array<PyObject*, 1> values{};
  if (!kParameters.bind(given, number, keywords, values)) return nullptr;
  const Call call(self);
  Key key;
  if (!call || !key.take(values[0])) return nullptr;
  return delete_key(call, {key.view(), values[0]});
}

}  // namespace forklore::python
