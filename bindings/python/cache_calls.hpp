// cache_calls.hpp - Calls on keys whose bytes are known, for the methods of forklore.Cache and of the Django backend.
// Each holds the GIL; what they are given must be held by the caller, since a serializer runs Python code.
#pragma once

#include <Python.h>

#include <cstddef>
#include <memory_resource>
#include <span>
#include <string_view>
#include <vector>

#include "cache_type.hpp"

namespace forklore::python {

/// A key's bytes, and the object that errors and answers call it by. Borrowed.
struct NamedKey {
  std::string_view bytes;
  PyObject* object;
};

// cache_lookup.cpp
/// Reads the value into decoded. -1: an exception is set; 0: absent; 1: found.
int look_up(const Call& call, NamedKey key, Decoded& decoded, Found& found);
/// The value as a new reference, absent's if there is none, nullptr with an exception set.
PyObject* read_value(const Call& call, NamedKey key, PyObject* absent);
/// 1 or 0, or -1 with an exception set.
int is_there(const Call& call, NamedKey key);

// cache_store.cpp
enum class Store { set, add, replace };
/// ok, or what says no (exists of add, not_found of replace). None with an exception set. May run Python code, and so
/// may invalidate what is not held.
std::optional<Code> store_value(const Call& call, Store how, NamedKey key, PyObject* value, Ttl ttl);
/// True or False as a new reference, nullptr with an exception set.
PyObject* touch_key(const Call& call, NamedKey key, Ttl ttl);
PyObject* delete_key(const Call& call, NamedKey key);
/// The sum, nullptr with an exception set. delta and initial as in Cache::increment.
PyObject* add_number(const Call& call, NamedKey key, std::int64_t delta, std::optional<std::int64_t> initial, Ttl ttl);

// cache_many.cpp
/// Memory for the arrays of one call on many keys, given back when it ends: of up to some 30 keys on the stack.
class Scratch : public std::pmr::monotonic_buffer_resource {
 public:
  Scratch() : monotonic_buffer_resource(near_, sizeof near_) {}

 private:
  alignas(std::max_align_t) char near_[4096];
};
template <class T>
using Array = std::pmr::vector<T>;

/// Many keys: their bytes, the tuple or list that has their objects, and where the call's arrays may lie.
struct NamedKeys {
  std::span<const std::string_view> bytes;
  PyObject* objects;
  Scratch* scratch;

  [[nodiscard]] std::size_t size() const { return bytes.size(); }
  [[nodiscard]] PyObject* object(std::size_t i) const {
    return PySequence_Fast_GET_ITEM(objects, static_cast<Py_ssize_t>(i));
  }
};
/// A dict of those that were found, under their objects. unreadable: a list that receives an Unreadable for each value
/// that cannot be read back, which is left out; nullptr: the first of them is raised. This and the following may throw
/// std::bad_alloc.
PyObject* read_many(const Call& call, const NamedKeys& keys, PyObject* unreadable = nullptr);
/// The list of those objects whose values (a list, as long) could not be stored.
PyObject* store_many(const Call& call, const NamedKeys& keys, PyObject* values, Ttl ttl);
/// How many there were.
PyObject* remove_many(const Call& call, const NamedKeys& keys);

}  // namespace forklore::python
