// interpreter.hpp - What one interpreter has of forklore._core.
//
// A process may have several interpreters, and objects of one must never be seen in another. So native state is kept
// only here, in the module's state, and not in static variables. Each interpreter has a module of its own. They share
// the interpreter lock (GIL): one that has its own cannot import the module (module.cpp).
#pragma once

#include <Python.h>

#include <array>
#include <utility>

#include "compression.hpp"
#include "errors.hpp"
#include "serializers.hpp"
#include "words.hpp"

namespace forklore::python {

/// All are owned references, nullptr before they are made, or imported with their first use.
struct Interpreter {
  PyObject* default_object;  // DEFAULT: "what the handle was opened with"
  PyTypeObject* cache_type;
  PyTypeObject* key_iterator_type;
  Errors errors;
  PyObject* computing;  // a ContextVar: what this context computes (cache_compute.cpp)
  PyObject* kept_type;  // forklore.Kept
  PyObject* rate_limit_type;
  PyObject* window_count_type;
  PyTypeObject* safe_type;    // of register_type
  PyTypeObject* safe_memory;  // if its objects may be made without it (safe_text.cpp)
  std::array<SerializerCalls, kSerializers> serializers;
  std::array<CompressionCalls, kCompressions> compressions;
  KeyCalls keys;

  /// Where each of them lies.
  auto all() {
    const auto of = [](PyTypeObject*& type) { return reinterpret_cast<PyObject**>(&type); };
    return std::array{&default_object,
                      of(cache_type),
                      of(key_iterator_type),
                      &errors.error,
                      &errors.open_error,
                      &errors.too_large,
                      &errors.full,
                      &errors.busy,
                      &errors.read_only,
                      &errors.serializer_error,
                      &errors.unreadable,
                      &computing,
                      &kept_type,
                      &rate_limit_type,
                      &window_count_type,
                      of(safe_type),
                      of(safe_memory),
                      &serializers[0].dump,
                      &serializers[0].load,
                      &serializers[1].dump,
                      &serializers[1].load,
                      &serializers[2].dump,
                      &serializers[2].load,
                      &compressions[0].compress,
                      &compressions[0].decompress,
                      &compressions[1].compress,
                      &compressions[1].decompress,
                      &compressions[2].compress,
                      &compressions[2].decompress,
                      &keys.words_of,
                      &keys.digest_of};
  }
};
static_assert(sizeof(Interpreter) ==
                  std::tuple_size_v<decltype(std::declval<Interpreter&>().all())> * sizeof(PyObject*),
              "all() names every one");

/// That of the interpreter that runs now. The GIL must be held. A call and a comparison.
Interpreter& interpreter();

/// Gives module, which was just created, to its interpreter. False with an exception set.
/// again: the interpreter has one already, since that was taken out of sys.modules and imported again. Then module has
/// the names of that one, and nothing is to be made.
bool enter_interpreter(PyObject* module, bool& again);

/// For PyModuleDef.
int traverse_interpreter(PyObject* module, ::visitproc visit, void* context);
int clear_interpreter(PyObject* module);
void free_interpreter(void* module);

}  // namespace forklore::python
