// The methods of many keys.
#include "cache_calls.hpp"
#include "errors.hpp"
#include "hooks.hpp"

namespace forklore::python {
namespace {

// The keys that a caller gave in any iterable: their objects, kept alive, and their bytes.
class Keys {
 public:
  bool take(PyObject* iterable) {
    if (PyUnicode_Check(iterable) || PyBytes_Check(iterable)) {
      PyErr_SetString(PyExc_TypeError, "an iterable of keys is wanted, not one key");
      return false;
    }
    objects_ = Reference(run_python([&] { return PySequence_Tuple(iterable); }));
    return objects_ && take_all();
  }

  [[nodiscard]] NamedKeys named() { return {views_, objects_.get(), &scratch_}; }

 private:
  bool take_all() {
    const auto count = static_cast<std::size_t>(PyTuple_GET_SIZE(objects_.get()));
    keys_.resize(count);
    views_.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      if (!keys_[i].take(PyTuple_GET_ITEM(objects_.get(), static_cast<Py_ssize_t>(i)))) return false;
      views_.push_back(keys_[i].view());
    }
    return true;
  }

  Reference objects_;
  Scratch scratch_;
  Array<Key> keys_{&scratch_};
  Array<std::string_view> views_{&scratch_};
};

Into room_for_each(void* context, std::size_t index, const Found& found) {
  return (*static_cast<Array<Decoded>*>(context))[index].room(found.size, found.format);
}

// The first of these codes that says more than "no" to one key: raised for that key. False if none does.
bool raise_any(std::span<const Code> codes, const Call& call, const NamedKeys& keys) {
  for (std::size_t i = 0; i < codes.size(); ++i) {
    if (codes[i] == Code::ok || codes[i] == Code::not_found) continue;
    if (PyErr_Occurred() == nullptr) raise_code(codes[i], call, keys.object(i));
    return true;
  }
  return false;
}

// Moves the Unreadable that is set, of that key, to the list. False with the exception set if there is no list, or it
// is another.
bool put_aside(PyObject* key, PyObject* list) {
  name_unreadable(key);
  if (list == nullptr || PyErr_ExceptionMatches(errors().unreadable) == 0) return false;
  PyObject *type, *error, *traceback;
  PyErr_Fetch(&type, &error, &traceback);
  const Reference held_type(type), held(error), held_traceback(traceback);
  return PyList_Append(list, error) == 0;
}

PyObject* get_many(PyObject* self, PyObject* iterable) {
  Keys keys;
  if (!keys.take(iterable)) return nullptr;
  const Call call(self);
  return call ? read_many(call, keys.named()) : nullptr;
}

PyObject* set_many(PyObject* self, PyObject* mapping, Ttl ttl) {
  Reference names(run_python([&] { return PyMapping_Keys(mapping); }));
  Reference values(names ? run_python([&] { return PyMapping_Values(mapping); }) : nullptr);
  Keys keys;
  if (!values || !keys.take(names.get())) return nullptr;
  const Call call(self);
  return call ? store_many(call, keys.named(), values.get(), ttl) : nullptr;
}

PyObject* delete_many(PyObject* self, PyObject* iterable) {
  Keys keys;
  if (!keys.take(iterable)) return nullptr;
  const Call call(self);
  return call ? remove_many(call, keys.named()) : nullptr;
}

}  // namespace

PyObject* read_many(const Call& call, const NamedKeys& keys, PyObject* unreadable) {
  Array<Decoded> decoded(keys.size(), keys.scratch);
  Array<Found> found(keys.size(), keys.scratch);
  Array<Code> codes(keys.size(), Code::not_found, keys.scratch);
  call.cache().get_many_to(keys.bytes, {&decoded, room_for_each}, found, codes);
  if (raise_any(codes, call, keys)) return nullptr;
  PyErr_Clear();  // of a room that a later attempt no longer needed
  Reference values(PyDict_New());
  if (!values) return nullptr;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (codes[i] != Code::ok) continue;
    Reference value(decoded[i].decode(call.codec()));
    if (!value && put_aside(keys.object(i), unreadable)) continue;
    if (!value || PyDict_SetItem(values.get(), keys.object(i), value.get()) < 0) return nullptr;
  }
  return values.release();
}

PyObject* store_many(const Call& call, const NamedKeys& keys, PyObject* values, Ttl ttl) {
  const std::size_t count = keys.size();
  if (static_cast<std::size_t>(PyList_GET_SIZE(values)) != count) {
    PyErr_SetString(PyExc_RuntimeError, "the mapping changed while it was read");
    return nullptr;
  }
  Array<Encoded> encoded(count, keys.scratch);
  Array<std::string_view> views(count, keys.scratch);
  Array<std::uint16_t> formats(count, keys.scratch);
  Array<Code> codes(count, Code::busy, keys.scratch);
  for (std::size_t i = 0; i < count; ++i) {
    if (!encoded[i].take(PyList_GET_ITEM(values, static_cast<Py_ssize_t>(i)), call.codec())) return nullptr;
    views[i] = encoded[i].view();
    formats[i] = encoded[i].format();
  }
  call.cache().set_many(keys.bytes, views, ttl, formats, codes);
  Reference failed(PyList_New(0));
  for (std::size_t i = 0; failed && i < count; ++i) {
    if (codes[i] == Code::read_only) return raise_code(codes[i], call, keys.object(i));
    if (codes[i] != Code::ok && PyList_Append(failed.get(), keys.object(i)) < 0) return nullptr;
  }
  return failed.release();
}

PyObject* remove_many(const Call& call, const NamedKeys& keys) {
  Array<Code> codes(keys.size(), Code::busy, keys.scratch);
  const std::size_t erased = call.cache().erase_many(keys.bytes, codes);
  return raise_any(codes, call, keys) ? nullptr : PyLong_FromSize_t(erased);
}

PyObject* cache_get_many(PyObject* self, PyObject* const* given, Py_ssize_t count, PyObject* keywords) {
  static constexpr Parameters<1> kParameters{"get_many", 1, 1, {"keys"}};
  std::array<PyObject*, 1> values{};
  if (!kParameters.bind(given, count, keywords, values)) return nullptr;
  return guarded([&] { return get_many(self, values[0]); }, static_cast<PyObject*>(nullptr));
}

PyObject* cache_set_many(PyObject* self, PyObject* const* given, Py_ssize_t count, PyObject* keywords) {
  static constexpr Parameters<2> kParameters{"set_many", 1, 2, {"mapping", "ttl"}};
  std::array<PyObject*, 2> values{};
  Ttl ttl{};
  if (!kParameters.bind(given, count, keywords, values) || !parse_ttl(values[1], ttl)) return nullptr;
  return guarded([&] { return set_many(self, values[0], ttl); }, static_cast<PyObject*>(nullptr));
}

PyObject* cache_delete_many(PyObject* self, PyObject* const* given, Py_ssize_t count, PyObject* keywords) {
  static constexpr Parameters<1> kParameters{"delete_many", 1, 1, {"keys"}};
  std::array<PyObject*, 1> values{};
  if (!kParameters.bind(given, count, keywords, values)) return nullptr;
  return guarded([&] { return delete_many(self, values[0]); }, static_cast<PyObject*>(nullptr));
}

}  // namespace forklore::python
