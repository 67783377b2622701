// The methods that look without touching: what is known of an entry, and which process holds which lock. And
// break_lock().
#include <forklore/lock.hpp>
#include <string>
#include <vector>

#include "cache_type.hpp"
#include "errors.hpp"
#include "formats.hpp"
#include "hooks.hpp"
#include "records.hpp"

namespace forklore::python {
namespace {

// How a user calls a format: the type that it gives back, or what wrote it; another program's by its number.
std::string name_of_format(std::uint16_t format) {
  switch (format) {
    case kBytes:
      return "bytes";
    case kInteger:
    case kBig:
      return "int";
    case kAscii:
    case kText:
    case kLatin:
    case kWide:
      return "str";
    case kReal:
      return "float";
    case kTrue:
    case kFalse:
      return "bool";
    case kNone:
      return "None";
    case kPickle:
      return "pickle";
    case kJson:
      return "json";
    case kMsgpack:
      return "msgpack";
    case kSafe + kAscii:
    case kSafe + kLatin:
    case kSafe + kWide:
    case kSafe + kText:
      return "SafeString";
    case kZlib:
    case kZstd:
    case kLz4:
      return format_of(format)->name;
    default:
      return std::to_string(format);
  }
}

}  // namespace

PyObject* cache_info(PyObject* self, PyObject* const* given, Py_ssize_t count, PyObject* keywords) {
  static constexpr Parameters<1> kParameters{"info", 1, 1, {"key"}};
  std::array<PyObject*, 1> values{};
  if (!kParameters.bind(given, count, keywords, values)) return nullptr;
  const Call call(self);
  Key key;
  if (!call || !key.take(values[0])) return nullptr;
  EntryInfo info;
  const Code code = call.cache().info(key.view(), info);
  if (code == Code::not_found) Py_RETURN_NONE;
  return code == Code::ok ? to_python(info, name_of_format(info.format)) : raise_code(code, call, values[0]);
}

PyObject* holders_to_python(const std::vector<LockHolder>& holders) {
  Reference list(PyList_New(0));
  for (const LockHolder& holder : holders) {
    Reference made(list ? to_python(holder) : nullptr);
    if (!made || PyList_Append(list.get(), made.get()) < 0) return nullptr;
  }
  return list.release();
}

PyObject* cache_locks(PyObject* self, PyObject*) {
  const Call call(self);
  if (!call) return nullptr;
  std::vector<LockHolder> holders;
  const bool done = guarded(
      [&] {
        const Unlocked unlocked;
        holders = locks(call.cache());
        return true;
      },
      false);
  return done ? holders_to_python(holders) : nullptr;
}

PyObject* cache_break_lock(PyObject* self, PyObject* const* given, Py_ssize_t count, PyObject* keywords) {
  static constexpr Parameters<1> kParameters{"break_lock", 1, 1, {"name"}};
  std::array<PyObject*, 1> values{};
  if (!kParameters.bind(given, count, keywords, values)) return nullptr;
  const Call call(self);
  Key name;
  if (!call || !name.take(values[0])) return nullptr;
  if (call.options().read_only) return raise_code(Code::read_only, call, nullptr);
  return PyLong_FromUnsignedLong(break_lock(call.cache(), name.view()));
}

}  // namespace forklore::python
