#include "records.hpp"

#include <cmath>
#include <concepts>
#include <forklore/options.hpp>
#include <string>

#include "arguments.hpp"
#include "hooks.hpp"
#include "interpreter.hpp"
#include "reference.hpp"

namespace forklore::python {
namespace {

PyObject* to_object(std::unsigned_integral auto number) { return PyLong_FromUnsignedLongLong(number); }
PyObject* to_object(const char* text) { return PyUnicode_FromString(text); }
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
  fields("capacity_bytes", stats.capacity_bytes)("max_value_bytes", stats.max_value_bytes)("stripes", stats.stripes);
  fields("chunk_bytes", stats.chunk_bytes)("chunks", stats.chunks)("free_chunks", stats.free_chunks);
  fields("when_full", stats.when_full == WhenFull::evict ? "evict" : "reject")("age_seconds", stats.age_seconds);
  fields("entries", stats.entries)("slots", stats.slots);
  fields("live_bytes", stats.live_bytes)("index_bytes", stats.index_bytes);
  fields("hits", stats.hits)("misses", stats.misses)("writes", stats.writes)("erases", stats.erases);
  fields("refused", stats.refused)("busy", stats.busy)("rereads", stats.rereads);
  fields("evictions", stats.evictions)("bucket_evictions", stats.bucket_evictions);
  fields("main_evictions", stats.main_evictions)("large_evictions", stats.large_evictions);
  fields("expirations", stats.expirations)("moves", stats.moves)("reclaims", stats.reclaims);
  fields("recoveries", stats.recoveries)("resets", stats.resets);
  fields("lock_lines", stats.lock_lines)("computation_lines", stats.computation_lines);
  fields("leases_held", stats.leases_held)("computations", stats.computations)("computed", stats.computed);
  fields("voided", stats.voided)("locked", stats.locked)("waits", stats.waits);
  fields("leases_lacking", stats.leases_lacking)("leases_overdue", stats.leases_overdue);
  fields("leases_taken_over", stats.leases_taken_over)("reattachments", stats.reattachments);
  fields("processes", stats.processes);
  return fields.make("Stats");
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
