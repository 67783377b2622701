// cache_type.hpp - forklore.Cache as a Python type: its object, and the methods that other files give it.
//
// The methods are METH_FASTCALL functions of the C API on a heap type that holds the handle itself: the call
// costs what a call of a builtin does. Every method holds the GIL but for Unlocked and the waits of hooks.cpp.
#pragma once

#include <Python.h>

#include <forklore/cache.hpp>
#include <forklore/lock.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "arguments.hpp"
#include "value.hpp"

namespace forklore::python {

/// What close() takes away.
struct Handle {
  Cache cache;
  Options options;  // as given, so that a copy in another process opens alike
};

struct CacheObject {
  PyObject_HEAD PyObject* weak_references;
  Handle* handle;  // nullptr: not opened, or closed with no call in flight. Guarded by the GIL, as all here.
  unsigned calls;  // in flight; some of them may have given up the GIL
  bool closed;     // no call may begin
  Codec codec;
};

/// One call in flight keeps the handle alive. After close() the last call in flight frees it. Check it before use.
class Call {
 public:
  /// False after it with forklore.Error set if the cache is not open.
  explicit Call(PyObject* self) : self_(reinterpret_cast<CacheObject*>(self)) {
    if (self_->handle == nullptr || self_->closed) {
      refuse();
    } else {
      ++self_->calls;
    }
  }
  ~Call() {
    if (self_ != nullptr && --self_->calls == 0 && self_->closed) finish();
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  explicit operator bool() const { return self_ != nullptr; }
  [[nodiscard]] Cache& cache() const { return self_->handle->cache; }
  [[nodiscard]] const Options& options() const { return self_->handle->options; }
  [[nodiscard]] const Codec& codec() const { return self_->codec; }

 private:
  void refuse();
  void finish();
  CacheObject* self_;
};

/// Makes the type of this interpreter and adds it to the module. False with an exception set.
bool make_cache_type(PyObject* module);
/// Deletes the handle: unmapping may take long, so without the GIL.
void delete_handle(Handle* handle);

/// Sets the exception for a code that a call on key came to, and answers nullptr. size: of the value, if any.
PyObject* raise_code(Code code, const Call& call, PyObject* key, std::size_t size = 0);

// cache_open.cpp
/// A segment's name. False with TypeError set.
bool parse_name(PyObject* object, std::string& name);
/// "shm", "file" or "anonymous".
const char* to_string(Place place);
/// That of its name. False with OpenError set.
bool parse_place(PyObject* object, Place& place);
/// A user id or name; None leaves it.
bool parse_owner(PyObject* object, std::optional<::uid_t>& owner);
int cache_init(PyObject* self, PyObject* positional, PyObject* keywords);
PyObject* cache_attach(PyObject* type, PyObject* positional, PyObject* keywords);
/// The module function that Django's system checks call: what Cache() would say of the arguments, which opens nothing.
PyObject* check_arguments(PyObject* module, PyObject* positional, PyObject* keywords);
/// For Django's check too: (beside, {arguments of Cache()}) -> (path, bytes, shortage), which contract.py names. The
/// bytes are those that opening would take. beside: how many bytes others will take on the same file system. shortage:
/// None, or (what is wrong, the remedy), each as parts_of() makes them.
PyObject* needed_by(PyObject* module, PyObject* given);
/// Adds _OPTIONS, the names of all arguments of Cache(), to the module. False with an exception set.
bool add_options(PyObject* module);

// cache_copy.cpp
PyObject* cache_reduce(PyObject* self, PyObject*);
PyObject* cache_copy(PyObject* self, PyObject*);
PyObject* cache_deepcopy(PyObject* self, PyObject* memo);
/// The module function that unpickling calls: (type, name, options) -> Cache.
PyObject* reopen(PyObject* module, PyObject* const* given, Py_ssize_t count);

using Fast = PyObject*(PyObject* self, PyObject* const* given, Py_ssize_t count, PyObject* keywords);

// cache_lookup.cpp
Fast cache_get, cache_gets, cache_ttl;
int cache_contains(PyObject* self, PyObject* key);
// cache_store.cpp
Fast cache_set, cache_add, cache_replace, cache_touch, cache_delete, cache_cas, cache_incr, cache_decr;
// cache_compute.cpp. The last two are Python's own: forklore/compute.py, forklore/locks.py.
Fast cache_get_or_compute, cache_aget_or_compute, cache_lock;
// cache_limits.cpp
Fast cache_rate_limit, cache_count_in_window;
// cache_many.cpp
Fast cache_get_many, cache_set_many, cache_delete_many;
// cache_looking.cpp
Fast cache_info, cache_break_lock;
PyObject* cache_locks(PyObject* self, PyObject*);
PyObject* holders_to_python(const std::vector<LockHolder>& holders);
// cache_whole.cpp
Fast cache_scan, cache_keys, cache_delete_pattern;
PyObject* cache_clear(PyObject* self, PyObject*);
PyObject* cache_stats(PyObject* self, PyObject*);
PyObject* cache_verify(PyObject* self, PyObject*);
bool make_keys_type(PyObject* module);

}  // namespace forklore::python
