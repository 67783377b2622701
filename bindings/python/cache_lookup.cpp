// The reading methods of one key.
#include "cache_calls.hpp"
#include "errors.hpp"

namespace forklore::python {

int look_up(const Call& call, NamedKey key, Decoded& decoded, Found& found) {
  const std::optional<Code> code = guarded(
      [&]() -> std::optional<Code> {
        return call.cache().get_to(key.bytes, {&decoded, Decoded::room_for_one}, found);
      },
      std::optional<Code>());
  if (code == Code::ok) return 1;
  if (code == Code::not_found) {
    PyErr_Clear();  // of a room that a later attempt no longer needed
    return 0;
  }
  // Where room() had no memory for the value, it has set an exception. That one is raised, whatever the code is.
  if (code && PyErr_Occurred() == nullptr) raise_code(*code, call, key.object);
  return -1;
}

PyObject* read_value(const Call& call, NamedKey key, PyObject* absent) {
  Decoded decoded;
  Found found;
  const int answer = look_up(call, key, decoded, found);
  if (answer < 0) return nullptr;
  if (answer == 0) return Py_NewRef(absent);
  PyObject* value = decoded.decode(call.codec());
  if (value == nullptr) name_unreadable(key.object);
  return value;
}

int is_there(const Call& call, NamedKey key) {
  const Code code = call.cache().contains(key.bytes);
  if (code == Code::ok) return 1;
  if (code == Code::not_found) return 0;
  raise_code(code, call, key.object);
  return -1;
}

// On the Unreadable that is set: what cas() takes to replace just that value.
static void note_version(Version version) {
  PyObject *type, *error, *traceback;
  PyErr_Fetch(&type, &error, &traceback);
  PyErr_NormalizeException(&type, &error, &traceback);
  const Reference word(PyLong_FromUnsignedLongLong(version.word));
  if (!word || PyObject_SetAttrString(error, "_version", word.get()) != 0) PyErr_Clear();
  PyErr_Restore(type, error, traceback);
}

PyObject* cache_get(PyObject* self, PyObject* const* given, Py_ssize_t count, PyObject* keywords) {
  static constexpr Parameters<2> kParameters{"get", 1, 2, {"key", "default"}};
  std::array<PyObject*, 2> values{nullptr, Py_None};
  if (!kParameters.bind(given, count, keywords, values)) return nullptr;
  const Call call(self);
  Key key;
  if (!call || !key.take(values[0])) return nullptr;
  return read_value(call, {key.view(), values[0]}, values[1]);
}

PyObject* cache_gets(PyObject* self, PyObject* const* given, Py_ssize_t count, PyObject* keywords) {
  static constexpr Parameters<2> kParameters{"gets", 1, 2, {"key", "default"}};
  std::array<PyObject*, 2> values{nullptr, Py_None};
  if (!kParameters.bind(given, count, keywords, values)) return nullptr;
  const Call call(self);
  Key key;
  if (!call || !key.take(values[0])) return nullptr;
  Decoded decoded;
  Found found;
  const int answer = look_up(call, {key.view(), values[0]}, decoded, found);
  if (answer < 0) return nullptr;
  if (answer == 0) return PyTuple_Pack(2, values[1], Py_None);
  Reference value(decoded.decode(call.codec()));
  if (!value) {
    name_unreadable(values[0]);
    note_version(found.version);
  }
  Reference version(value ? PyLong_FromUnsignedLongLong(found.version.word) : nullptr);
  return version ? PyTuple_Pack(2, value.get(), version.get()) : nullptr;
}

PyObject* cache_ttl(PyObject* self, PyObject* const* given, Py_ssize_t count, PyObject* keywords) {
  static constexpr Parameters<1> kParameters{"ttl", 1, 1, {"key"}};
  std::array<PyObject*, 1> values{};
  if (!kParameters.bind(given, count, keywords, values)) return nullptr;
  const Call call(self);
  Key key;
  if (!call || !key.take(values[0])) return nullptr;
  Ttl left{};
  const Code code = call.cache().ttl(key.view(), left);
  return code == Code::ok ? to_seconds(left) : raise_code(code, call, values[0]);
}

int cache_contains(PyObject* self, PyObject* key) {
  const Call call(self);
  Key bytes;
  if (!call || !bytes.take(key)) return -1;
  return is_there(call, {bytes.view(), key});
}

}  // namespace forklore::python
