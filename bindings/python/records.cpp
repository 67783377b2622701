#include "records.hpp"

#include <cmath>
#include <concepts>
#include <forklore/stats.hpp>
#include <string>
#include <string_view>

#include "arguments.hpp"
#include "hooks.hpp"
#include "interpreter.hpp"
#include "reference.hpp"

namespace forklore::python {
namespace {

PyObject* to_object(std::unsigned_integral auto number) { return PyLong_FromUnsignedLongLong(number); }
PyObject* to_object(WhenFull policy) { return PyUnicode_FromString(policy == WhenFull::evict ? "evict" : "reject"); }
PyObject* to_object(bool truth) { return PyBool_FromLong(truth ? 1 : 0); }
PyObject* to_object(const std::string& text) {
  return PyUnicode_DecodeFSDefaultAndSize(text.data(), static_cast<Py_ssize_t>(text.size()));
}
PyObject* to_object(Ttl left) { return to_seconds(left); }
PyObject* to_object(const std::vector<::pid_t>& processes) {
  Reference tuple(PyTuple_New(static_cast<Py_ssize_t>(processes.size())));
  for (std::size_t i = 0; tuple && i < processes.size(); ++i) {
    PyObject* number = PyLong_FromLong(processes[i]);
    if (number == nullptr) return nullptr;
    PyTuple_SET_ITEM(tuple.get(), static_cast<Py_ssize_t>(i), number);
  }
  return tuple.release();
}

// The arguments of a dataclass by name.
class Fields {
 public:
  Fields() : dict_(PyDict_New()), whole_(dict_) {}

  template <class Value>
  Fields& operator()(const char* name, const Value& value) {
    if (!whole_) return *this;
    Reference object(to_object(value));
    whole_ = object && PyDict_SetItemString(dict_.get(), name, object.get()) == 0;
    return *this;
  }

  PyObject* make(const char* type_name) {
    if (!whole_) return nullptr;
    Reference module(run_python([] { return PyImport_ImportModule("forklore.stats"); }));
    Reference type(module ? PyObject_GetAttrString(module.get(), type_name) : nullptr);
    Reference nothing(PyTuple_New(0));
    if (!type || !nothing) return nullptr;
    return run_python([&] { return PyObject_Call(type.get(), nothing.get(), dict_.get()); });
  }

 private:
  Reference dict_;
  bool whole_;
};

}  // namespace

PyObject* to_python(const Stats& stats) {
  Fields fields;
#define FORKLORE_COUNT(type, name, kind, unit, help) fields(#name, stats.name);
  FORKLORE_COUNTS(FORKLORE_COUNT)
#undef FORKLORE_COUNT
  return fields.make("Stats");
}

bool add_counts(PyObject* module) {
  Reference list(PyTuple_New(static_cast<Py_ssize_t>(kCounts.size())));
  for (std::size_t i = 0; list && i < kCounts.size(); ++i) {
    const auto& [name, kind, unit, help] = kCounts[i];
    const auto text = [](std::string_view words) {
      return PyUnicode_DecodeUTF8(words.data(), static_cast<Py_ssize_t>(words.size()), nullptr);
    };
    PyObject* row = Py_BuildValue("(NNNN)", text(name), text(to_string(kind)), text(unit), text(help));
    if (row == nullptr) return false;
    PyTuple_SET_ITEM(list.get(), static_cast<Py_ssize_t>(i), row);
  }
  return list && PyModule_AddObjectRef(module, "_COUNTS", list.get()) == 0;
}

namespace {

double in_seconds(std::chrono::milliseconds time) {
  return time == kForever ? HUGE_VAL : static_cast<double>(time.count()) / 1000;
}

// Of forklore.rates: `made` keeps it from the first time on.
PyObject* type_of_limits(const char* name, PyObject*& made) {
  if (made == nullptr) {
    Reference module(run_python([] { return PyImport_ImportModule("forklore.rates"); }));
    made = module ? PyObject_GetAttrString(module.get(), name) : nullptr;
  }
  return made;
}

}  // namespace

PyObject* to_python(const RateDecision& decision) {
  PyObject* type = type_of_limits("RateLimit", interpreter().rate_limit_type);
  if (type == nullptr) return nullptr;
  return PyObject_CallFunction(type, "OIIdd", decision.allowed ? Py_True : Py_False, decision.limit, decision.remaining,
                               in_seconds(decision.retry_after), in_seconds(decision.reset_after));
}

PyObject* to_python(const WindowCount& count) {
  PyObject* type = type_of_limits("WindowCount", interpreter().window_count_type);
  if (type == nullptr) return nullptr;
  return PyObject_CallFunction(type, "IIdd", count.current, count.previous, count.sliding,
                               in_seconds(count.reset_after));
}

PyObject* to_python(const EntryInfo& info, const std::string& format) {
  Fields fields;
  fields("size", info.size)("ttl", info.left)("format", format)("frequency", info.frequency);
  return fields.make("EntryInfo");
}

PyObject* to_python(const LockHolder& holder) {
  Fields fields;
  fields("name_hash", holder.name_hash)("process", static_cast<unsigned>(holder.process))("alive", holder.alive);
  fields("held_for", holder.held_for)("ttl", holder.left)("token", holder.token);
  return fields.make("LockHolder");
}

PyObject* to_python(const SegmentInfo& info) {
  Fields fields;
  fields("name", info.name)("path", info.path)("owner", info.owner);
  fields("format", info.format)("bytes", info.bytes);
  fields("capacity_bytes", info.capacity_bytes)("attached", info.attached);
  return fields.make("SegmentInfo");
}

}  // namespace forklore::python
