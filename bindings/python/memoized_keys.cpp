#include "memoized_keys.hpp"

#include <algorithm>
#include <array>

#include "errors.hpp"
#include "hooks.hpp"

namespace forklore::python {
namespace {

constexpr std::size_t kLongest = 200;  // of a key, as in forklore/keys.py
constexpr std::size_t kMostParameters = 32;

bool is_plain(std::string_view key) {
  if (key.size() > kLongest) return false;
  unsigned others = 0;  // without a way out of the loop, so that it takes many at once
  for (const char letter : key) others |= static_cast<unsigned>(letter < 0x21 || letter > 0x7E);
  return others == 0;
}

// The key as in a URL, with a % behind it. False if that is too long.
bool escape(Text& text) {
  constexpr const char* kDigits = "0123456789ABCDEF";
  if (text.view().size() > kLongest) return false;
  std::array<char, kLongest + 3> escaped;
  std::size_t size = 0;
  for (const char letter : text.view()) {
    if (size >= kLongest) return false;
    if (letter >= 0x21 && letter <= 0x7E && letter != '%') {
      escaped[size++] = letter;
      continue;
    }
    const auto byte = static_cast<unsigned char>(letter);
    escaped[size++] = '%';
    escaped[size++] = kDigits[byte >> 4];
    escaped[size++] = kDigits[byte & 15];
  }
  if (size >= kLongest) return false;
  escaped[size++] = '%';
  text.clear();
  text.add({escaped.data(), size});
  return true;
}

// Of an error that says why there are no words for a value: Python's half finds it again, and says more of it.
bool is_about_words() {
  return PyErr_ExceptionMatches(PyExc_TypeError) != 0 || PyErr_ExceptionMatches(PyExc_RecursionError) != 0;
}

bool take_key(Text& text, const Reference& key) {
  text.clear();
  return key && add_text(text, key.get());
}

}  // namespace

PyObject* call_with(PyObject* function, const Given& given) {
  return run_python([&] { return PyObject_Vectorcall(function, given.values, given.count, given.keywords); });
}

PyObject* bind_to(PyObject* function, const Given& given) {
  const Reference functools(run_python([] { return PyImport_ImportModule("functools"); }));
  const Reference partial(functools ? PyObject_GetAttrString(functools.get(), "partial") : nullptr);
  if (!partial) return nullptr;
  std::vector<PyObject*> all{function};
  all.insert(all.end(), given.values, given.values + given.count + given.named());
  return call_with(partial.get(), {all.data(), given.count + 1, given.keywords});
}

// Puts the arguments, borrowed, where their parameters are. False, with no exception, if they do not fit.
bool MemoizedKeys::place(const Given& given, PyObject** values) const {
  const auto all = static_cast<std::size_t>(PyTuple_GET_SIZE(names));
  if (all > kMostParameters || (given.count > by_position && !more)) return false;
  std::copy_n(given.values, std::min(given.count, by_position), values);
  for (std::size_t k = 0; k < given.named(); ++k) {
    PyObject* const name = PyTuple_GET_ITEM(given.keywords, static_cast<Py_ssize_t>(k));
    std::size_t i = by_position_alone;
    while (i < all && PyTuple_GET_ITEM(names, static_cast<Py_ssize_t>(i)) != name) ++i;
    if (i == all) {  // a name that is not interned, or of no parameter
      i = by_position_alone;
      while (i < all && PyUnicode_Compare(PyTuple_GET_ITEM(names, static_cast<Py_ssize_t>(i)), name) != 0) ++i;
    }
    if (i == all || values[i] != nullptr) return false;
    values[i] = given.values[given.count + k];
  }
  for (std::size_t i = std::min(given.count, by_position); i < all; ++i) {
    if (values[i] != nullptr) continue;
    values[i] = PyTuple_GET_ITEM(defaults, static_cast<Py_ssize_t>(i));
    if (values[i] == required) return false;
  }
  return true;
}

MemoizedKeys::Written MemoizedKeys::write(const Given& given, Text& text) const {
  std::array<PyObject*, kMostParameters> values{};
  if (!place(given, values.data())) return Written::python;
  bool first = true;
  const auto next = [&] {
    if (!std::exchange(first, false)) text.add(',');
  };
  for (std::size_t i = 0; i < by_position; ++i) {
    next();
    if (!add_words(text, values[i])) return Written::failed;
  }
  for (std::size_t i = by_position; i < given.count; ++i) {
    next();
    if (!add_words(text, given.values[i])) return Written::failed;
  }
  for (std::size_t i = 0; i < words.size(); ++i) {
    next();
    text.add(words[i]);
    if (!add_words(text, values[by_position + i])) return Written::failed;
  }
  return Written::yes;
}

bool MemoizedKeys::finish(Text& text) const {
  text.add(')');
  if (is_plain(text.view()) || escape(text)) return true;
  const auto size = static_cast<Py_ssize_t>(text.view().size());
  const Reference bytes(PyBytes_FromStringAndSize(text.view().data(), size));
  const KeyCalls* calls = bytes ? key_calls() : nullptr;
  const Reference digest(
      calls == nullptr ? nullptr : run_python([&] { return PyObject_CallOneArg(calls->digest_of, bytes.get()); }));
  if (!digest) return false;
  text.clear();
  text.add(brief);
  return add_text(text, digest.get());
}

bool MemoizedKeys::make(const Given& given, Text& text) const {
  const auto made = [&] {
    text.add(begin);
    if (key == nullptr) {
      const Written written = write(given, text);
      if (written == Written::yes) return finish(text);
      if (written == Written::failed && !is_about_words()) return false;
      PyErr_Clear();
      const Reference ask(PyObject_GetAttrString(behind, "key"));
      return ask && take_key(text, Reference(call_with(ask.get(), given)));
    }
    const Reference answer(call_with(key, given));
    if (!answer) return false;
    if (add_words(text, answer.get())) return finish(text);
    if (!is_about_words()) return false;
    PyErr_Clear();
    return take_key(text,
                    Reference(run_python([&] { return PyObject_CallMethod(behind, "key_of", "O", answer.get()); })));
  };
  return guarded(made, false);
}

}  // namespace forklore::python
