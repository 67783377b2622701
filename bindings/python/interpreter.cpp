#include "interpreter.hpp"

#include <algorithm>
#include <vector>

#include "reference.hpp"

namespace forklore::python {
namespace {

struct Entry {
  PyInterpreterState* key = nullptr;
  Interpreter* own = nullptr;
};
// Guarded by the GIL. An interpreter that ends frees its module, and so takes its entry away.
std::vector<Entry> entries;
Entry last;  // that was asked for

Interpreter* own_of(PyObject* module) { return static_cast<Interpreter*>(PyModule_GetState(module)); }

Interpreter* find(PyInterpreterState* key) {
  static Interpreter nothing{};  // of an interpreter that has freed its module, whose types are gone before
  const auto found = std::find_if(entries.begin(), entries.end(), [&](const Entry& entry) { return entry.key == key; });
  return found == entries.end() ? &nothing : found->own;
}

void forget(Interpreter* own, PyInterpreterState* key) {
  std::erase_if(entries, [&](const Entry& entry) { return entry.own == own || entry.key == key; });
  last = {};
}

}  // namespace

Interpreter& interpreter() {
  PyInterpreterState* const now = PyInterpreterState_Get();
  if (last.key != now) last = {now, find(now)};
  return *last.own;
}

bool enter_interpreter(PyObject* module, bool& again) {
  constexpr const char* kName = "forklore._core";  // of a weak reference to the interpreter's module
  PyInterpreterState* const now = PyInterpreterState_Get();
  PyObject* const known = PyInterpreterState_GetDict(now);
  if (known == nullptr) {
    PyErr_NoMemory();
    return false;
  }
  PyObject* const link = PyDict_GetItemString(known, kName);
  const Reference first(link == nullptr ? nullptr : PyObject_CallNoArgs(link));  // None: it is gone
  again = first && first.get() != Py_None;
  if (again) return PyDict_Merge(PyModule_GetDict(module), PyModule_GetDict(first.get()), 0) == 0;
  const Reference mine(PyWeakref_NewRef(module, nullptr));
  if (!mine || PyDict_SetItemString(known, kName, mine.get()) < 0) return false;
  forget(nullptr, now);  // what one that had the same address left behind
  entries.push_back({now, own_of(module)});
  return true;
}

int traverse_interpreter(PyObject* module, ::visitproc visit, void* context) {
  Interpreter* own = own_of(module);
  if (own == nullptr) return 0;
  for (PyObject** object : own->all()) {
    if (const int stop = *object == nullptr ? 0 : visit(*object, context); stop != 0) return stop;
  }
  return 0;
}

int clear_interpreter(PyObject* module) {
  Interpreter* own = own_of(module);
  if (own == nullptr) return 0;
  for (PyObject** object : own->all()) Py_CLEAR(*object);
  return 0;
}

void free_interpreter(void* module) {
  auto* object = static_cast<PyObject*>(module);
  Interpreter* own = own_of(object);
  if (own == nullptr) return;
  forget(own, nullptr);
  clear_interpreter(object);
}

}  // namespace forklore::python
