// A value is read straight into an object of the type. To call the type would cost as much as a whole get: a str first,
// its text copied into a second object. Such an object is what CPython calls a compact str, of the subclass: the head
// of a str, whose text follows. CPython asks each str whether it is compact, whatever its type. The head is copied from
// a new str of the same kind, so that only the length is written by name.
//
// What cannot be read so is made by calling the type: where the type has a dict or code of its own, on a version of
// CPython that has not been tested, and a text of up to 8 bytes.
#include "safe_text.hpp"

#include <cstring>

#include "hooks.hpp"
#include "interpreter.hpp"
#include "text.hpp"

namespace forklore::python {
namespace {

constexpr bool kTested = PY_VERSION_HEX < 0x030E0000;  // CPython 3.13 is the last one

// What lies between the count and type of an object and the text of a compact str, by the widest character.
struct StrHead {
  Py_UCS4 widest;
  std::size_t bytes;  // with count and type
  alignas(8) char head[sizeof(PyCompactUnicodeObject)];
};
StrHead heads[] = {{0x7F, sizeof(PyASCIIObject), {}},  // guarded by the GIL; the same in each interpreter
                   {0xFF, sizeof(PyCompactUnicodeObject), {}},
                   {0xFFFF, sizeof(PyCompactUnicodeObject), {}}};

bool learn_heads() {
  for (StrHead& one : heads) {
    const Reference text(PyUnicode_New(2, one.widest));
    if (!text) return false;
    std::memcpy(one.head, text.get(), one.bytes);
  }
  return true;
}

// Whether its objects are a str in memory, with nothing beside it and nothing done when one is made or freed.
bool is_str_in_memory(const PyTypeObject* type) {
  constexpr unsigned long kBefore =
      1UL << 2 | 1UL << 3 | 1UL << 4;  // values, weak references, a dict before the object
  const PyTypeObject& str = PyUnicode_Type;
  return type->tp_basicsize == str.tp_basicsize && type->tp_itemsize == 0 && type->tp_dictoffset == 0 &&
         type->tp_weaklistoffset == 0 && type->tp_new == str.tp_new && type->tp_init == str.tp_init &&
         type->tp_free == PyObject_GC_Del && type->tp_finalize == nullptr && type->tp_del == nullptr &&
         (type->tp_flags & Py_TPFLAGS_HEAPTYPE) != 0 && (type->tp_flags & kBefore) == 0;
}

int traverse_nothing(PyObject*, ::visitproc, void*) { return 0; }

// The type that memory for such an object is had by: that of a str and so many bytes, known to the garbage collector as
// all objects of Python's classes are.
PyObject* make_memory_type() {
  PyType_Slot slots[] = {{Py_tp_traverse, reinterpret_cast<void*>(traverse_nothing)}, {0, nullptr}};
  PyType_Spec spec{"forklore._core._SafeMemory", static_cast<int>(PyUnicode_Type.tp_basicsize), 1,
                   Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
  return PyType_FromSpec(&spec);
}

}  // namespace

PyTypeObject* safe_type() { return interpreter().safe_type; }

bool set_safe_type(PyTypeObject* type) {
  Reference memory;
  if (kTested && is_str_in_memory(type)) {
    memory = Reference(make_memory_type());
    if (!memory || !learn_heads()) return false;
  }
  Interpreter& own = interpreter();
  Py_INCREF(type);
  Py_XSETREF(own.safe_type, type);
  Py_XSETREF(own.safe_memory, reinterpret_cast<PyTypeObject*>(memory.release()));
  return true;
}

bool encode_safe(Encoded& to, PyObject* value) {
  if (!encode_text(to, value)) return false;
  to.change_format(static_cast<std::uint16_t>(kSafe + to.format()));
  return true;
}

PyObject* make_safe(Py_ssize_t length, Py_UCS4 widest) {
  const Interpreter& own = interpreter();
  if (own.safe_memory == nullptr) return PyUnicode_New(length, widest);
  const StrHead& head = heads[widest <= 0x7F ? 0 : widest <= 0xFF ? 1 : 2];
  const auto character = static_cast<std::size_t>(widest <= 0xFF ? 1 : 2);
  const std::size_t bytes = head.bytes + (static_cast<std::size_t>(length) + 1) * character;
  const auto more = static_cast<Py_ssize_t>(bytes) - own.safe_memory->tp_basicsize;
  auto* made = reinterpret_cast<PyObject*>(PyObject_GC_NewVar(PyVarObject, own.safe_memory, more > 0 ? more : 0));
  if (made == nullptr) return nullptr;
  Py_INCREF(own.safe_type);
  Py_SET_TYPE(made, own.safe_type);
  Py_DECREF(own.safe_memory);
  std::memcpy(reinterpret_cast<char*>(made) + sizeof(PyObject), head.head + sizeof(PyObject),
              head.bytes - sizeof(PyObject));
  reinterpret_cast<PyASCIIObject*>(made)->length = length;
  std::memset(reinterpret_cast<char*>(made) + bytes - character, 0, character);
  return made;
}

PyObject* decode_safe(Decoded& from, const Codec& codec) {
  PyTypeObject* const type = safe_type();
  Reference text(format_of(static_cast<std::uint16_t>(from.format() - kSafe))->decode(from, codec));
  if (!text || type == nullptr || Py_TYPE(text.get()) == type) return text.release();
  const Reference held(Py_NewRef(reinterpret_cast<PyObject*>(type)));
  return run_python([&] { return PyObject_CallOneArg(held.get(), text.get()); });
}

}  // namespace forklore::python
