// The methods that look at the whole segment. They give up the GIL while they work.
#include <forklore/pattern.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cache_type.hpp"
#include "errors.hpp"
#include "hooks.hpp"
#include "interpreter.hpp"
#include "records.hpp"

namespace forklore::python {
namespace {

PyObject* decode_key(const std::string& key) {
  return PyUnicode_DecodeUTF8(key.data(), static_cast<Py_ssize_t>(key.size()), "surrogateescape");
}

// Which keys are meant: all that begin with prefix, and of these those that match, if there is a pattern.
struct Selection {
  std::string prefix;
  std::optional<Pattern> pattern;
  bool stale = false;  // also keys of stale values and of failures

  void only(std::string_view given) {
    pattern.emplace(given);
    if (prefix.empty()) prefix = pattern->prefix();
  }
};

// One step of a scan. False with an exception set.
bool scan(const Call& call, Cursor& cursor, std::size_t limit, const Selection& selection,
          std::vector<std::string>& keys) {
  const std::optional<Code> code = guarded(
      [&]() -> std::optional<Code> {
        const Unlocked unlocked;
        const Code answer = call.cache().scan(cursor, limit, selection.prefix, keys, selection.stale);
        if (selection.pattern) std::erase_if(keys, [&](const auto& key) { return !selection.pattern->matches(key); });
        return answer;
      },
      std::optional<Code>());
  if (code && code != Code::ok) raise_code(*code, call, nullptr);
  return code == Code::ok;
}

// False with an exception set. What is nullptr was not given.
bool parse_selection(PyObject* prefix, PyObject* pattern, Selection& selection) {
  Key key;
  if (prefix != nullptr) {
    if (!key.take_prefix(prefix)) return false;
    selection.prefix = key.view();
  }
  if (pattern == nullptr) return true;
  Key bytes;
  if (!bytes.take_prefix(pattern)) return false;
  selection.only(bytes.view());
  return true;
}

// What keys() answers: fetches a batch at a time.
struct KeyIterator {
  PyObject_HEAD PyObject* cache;
  Selection* selection;
  std::vector<std::string>* batch;
  std::size_t next;
  Cursor cursor;
};

constexpr std::size_t kBatch = 1000;

// Whether the segment can be written, though there be nothing to remove: no entry has version 0, so nothing changes.
// False with an exception set.
bool can_write(const Call& call) {
  const Code code = call.cache().compare_and_set("forklore", Version{}, {});
  if (code == Code::read_only || code == Code::busy) raise_code(code, call, nullptr);
  return code != Code::read_only && code != Code::busy;
}

// Removes each of these. ok, or what kept one of them from it; erased is raised by those that were there.
Code erase_all(const Call& call, const std::vector<std::string>& keys, std::size_t& erased) {
  const Unlocked unlocked;
  const std::vector<std::string_view> views(keys.begin(), keys.end());
  std::vector<Code> codes(views.size());
  erased += call.cache().erase_many(views, codes);
  for (const Code code : codes) {
    if (code != Code::ok && code != Code::not_found) return code;
  }
  return Code::ok;
}

PyObject* key_iterator_next(PyObject* self) {
  auto* iterator = reinterpret_cast<KeyIterator*>(self);
  while (iterator->next == iterator->batch->size()) {
    if (iterator->cursor.finished()) return nullptr;
    const Call call(iterator->cache);
    if (!call) return nullptr;
    // Scanned into locals: another thread may use the iterator while the GIL is given up.
    Cursor cursor = iterator->cursor;
    std::vector<std::string> keys;
    if (!scan(call, cursor, kBatch, *iterator->selection, keys)) return nullptr;
    *iterator->batch = std::move(keys);
    iterator->cursor = cursor;
    iterator->next = 0;
  }
  return decode_key((*iterator->batch)[iterator->next++]);
}

void key_iterator_dealloc(PyObject* self) {
  auto* iterator = reinterpret_cast<KeyIterator*>(self);
  PyTypeObject* type = Py_TYPE(self);
  Py_XDECREF(iterator->cache);
  delete iterator->selection;
  delete iterator->batch;
  type->tp_free(self);
  Py_DECREF(type);
}

}  // namespace

bool make_keys_type(PyObject* module) {
  static PyType_Slot slots[] = {{Py_tp_iter, reinterpret_cast<void*>(PyObject_SelfIter)},
                                {Py_tp_iternext, reinterpret_cast<void*>(key_iterator_next)},
                                {Py_tp_dealloc, reinterpret_cast<void*>(key_iterator_dealloc)},
                                {0, nullptr}};
  static PyType_Spec spec{"forklore._core.KeyIterator", sizeof(KeyIterator), 0,
                          Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
  PyTypeObject*& type = interpreter().key_iterator_type;
  type = reinterpret_cast<PyTypeObject*>(PyType_FromModuleAndSpec(module, &spec, nullptr));
  return type != nullptr;
}

PyObject* cache_keys(PyObject* self, PyObject* const* given, Py_ssize_t count, PyObject* keywords) {
  static constexpr Parameters<2> kParameters{"keys", 0, 1, {"prefix", "pattern"}};
  std::array<PyObject*, 2> values{};
  if (!kParameters.bind(given, count, keywords, values)) return nullptr;
  Selection selection;
  if (!parse_selection(values[0], values[1] == Py_None ? nullptr : values[1], selection)) return nullptr;
  const Call call(self);
  if (!call) return nullptr;
  PyTypeObject* type = interpreter().key_iterator_type;
  Reference made(type->tp_alloc(type, 0));
  if (!made) return nullptr;
  auto* iterator = reinterpret_cast<KeyIterator*>(made.get());
  iterator->cache = Py_NewRef(self);
  iterator->selection = new Selection(std::move(selection));
  iterator->batch = new std::vector<std::string>;
  return made.release();
}

PyObject* cache_scan(PyObject* self, PyObject* const* given, Py_ssize_t number, PyObject* keywords) {
  static constexpr Parameters<3> kParameters{"scan", 0, 3, {"cursor", "prefix", "count"}};
  std::array<PyObject*, 3> values{};
  Selection selection;
  if (!kParameters.bind(given, number, keywords, values) || !parse_selection(values[1], nullptr, selection))
    return nullptr;
  Cursor cursor;
  if (values[0] != nullptr && !parse_word("cursor", "scan", values[0], cursor.position)) return nullptr;
  std::int64_t limit = static_cast<std::int64_t>(kBatch);
  if (values[2] != nullptr && !parse_integer(values[2], limit)) return nullptr;
  if (limit < 1) {
    PyErr_SetString(PyExc_ValueError, "count must be at least 1");
    return nullptr;
  }
  const Call call(self);
  std::vector<std::string> keys;
  if (!call || !scan(call, cursor, static_cast<std::size_t>(limit), selection, keys)) return nullptr;
  Reference list(PyList_New(static_cast<Py_ssize_t>(keys.size())));
  for (std::size_t i = 0; list && i < keys.size(); ++i) {
    PyObject* key = decode_key(keys[i]);
    if (key == nullptr) return nullptr;
    PyList_SET_ITEM(list.get(), static_cast<Py_ssize_t>(i), key);
  }
  Reference position(PyLong_FromUnsignedLongLong(cursor.finished() ? 0 : cursor.position));
  return list && position ? PyTuple_Pack(2, position.get(), list.get()) : nullptr;
}

PyObject* cache_delete_pattern(PyObject* self, PyObject* const* given, Py_ssize_t count, PyObject* keywords) {
  static constexpr Parameters<1> kParameters{"delete_pattern", 1, 1, {"pattern"}};
  std::array<PyObject*, 1> values{};
  Selection selection;
  if (!kParameters.bind(given, count, keywords, values) || !parse_selection(nullptr, values[0], selection))
    return nullptr;
  selection.stale = true;  // or a stale value would be served after this
  const Call call(self);
  if (!call) return nullptr;
  if (!can_write(call)) return nullptr;
  std::size_t erased = 0;
  for (Cursor cursor; !cursor.finished();) {
    std::vector<std::string> keys;
    if (run_python(PyErr_CheckSignals) < 0 || !scan(call, cursor, kBatch, selection, keys)) return nullptr;
    const auto code = guarded([&] { return std::optional(erase_all(call, keys, erased)); }, std::optional<Code>());
    if (code != Code::ok) return code ? raise_code(*code, call, nullptr) : nullptr;
  }
  return PyLong_FromSize_t(erased);
}

PyObject* cache_clear(PyObject* self, PyObject*) {
  const Call call(self);
  if (!call) return nullptr;
  const Code code = [&] {
    const Unlocked unlocked;
    return call.cache().clear();
  }();
  if (code != Code::ok) return raise_code(code, call, nullptr);
  Py_RETURN_NONE;
}

PyObject* cache_stats(PyObject* self, PyObject*) {
  const Call call(self);
  if (!call) return nullptr;
  Stats stats;
  const bool done = guarded(
      [&] {
        const Unlocked unlocked;
        stats = call.cache().stats();
        return true;
      },
      false);
  return done ? to_python(stats) : nullptr;
}

PyObject* cache_verify(PyObject* self, PyObject*) {
  const Call call(self);
  if (!call) return nullptr;
  std::vector<std::string> faults;
  const bool done = guarded(
      [&] {
        const Unlocked unlocked;
        faults = call.cache().verify();
        return true;
      },
      false);
  Reference list(done ? PyList_New(0) : nullptr);
  for (const std::string& fault : faults) {
    if (!list) break;
    Reference text(PyUnicode_DecodeUTF8(fault.data(), static_cast<Py_ssize_t>(fault.size()), "replace"));
    if (!text || PyList_Append(list.get(), text.get()) < 0) return nullptr;
  }
  return list.release();
}

}  // namespace forklore::python
