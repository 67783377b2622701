#include "failing.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <string>

#include "errors.hpp"
#include "hooks.hpp"
#include "interpreter.hpp"

namespace forklore::python {
namespace {

// A time that is none (None), or more than nothing. what, expected: for the words of errors.
bool parse_time(const char* what, const char* expected, PyObject* given, std::chrono::milliseconds& time) {
  constexpr double kMost = 49 * 86400.0;
  if (given == nullptr || given == Py_None) return true;
  double seconds = 0;
  if (!parse_seconds(expected, given, seconds)) return false;
  if (!(seconds >= 0 && seconds <= kMost)) {
    PyErr_Format(PyExc_ValueError, "%s is from 0 to 49 days, not %R", what, given);
    return false;
  }
  time = std::chrono::milliseconds(static_cast<std::int64_t>(std::ceil(seconds * 1000)));
  return true;
}

bool parse_refresh(PyObject* given, bool& background) {
  if (given == nullptr || given == Py_None) return true;
  if (PyUnicode_Check(given)) {
    for (const bool is : {false, true}) {
      if (PyUnicode_CompareWithASCIIString(given, is ? "background" : "caller") != 0) continue;
      background = is;
      return true;
    }
  }
  PyErr_Format(PyExc_ValueError, "refresh is \"caller\" or \"background\", not %R", given);
  return false;
}

Reference function_of(const char* module, const char* name) {
  const Reference found(run_python([&] { return PyImport_ImportModule(module); }));
  return Reference(found ? PyObject_GetAttrString(found.get(), name) : nullptr);
}

Reference bytes_of(std::string_view text) {
  return Reference(PyBytes_FromStringAndSize(text.data(), static_cast<Py_ssize_t>(text.size())));
}

// The exception that is set, normalized, which is set no more.
struct Caught {
  Reference type, error, traceback;
  Caught() {
    PyObject *kind, *value, *trace;
    PyErr_Fetch(&kind, &value, &trace);
    PyErr_NormalizeException(&kind, &value, &trace);
    if (trace != nullptr) PyException_SetTraceback(value, trace);
    type = Reference(kind);
    error = Reference(value);
    traceback = Reference(trace);
  }
  PyObject* restore() {
    PyErr_Restore(type.release(), error.release(), traceback.release());
    return nullptr;
  }
};

}  // namespace

bool parse_given(PyObject* const* four, Wanted& wanted) {
  if (four[0] != nullptr && four[0] != Py_None) {
    if (!PyBool_Check(four[0])) {
      PyErr_Format(PyExc_TypeError, "stale_if_error is a bool or None, not %.200s", Py_TYPE(four[0])->tp_name);
      return false;
    }
    wanted.stale_if_error = four[0] == Py_True;
  }
  return parse_time("error_ttl", "error_ttl is seconds (int, float, timedelta) or None", four[1],
                    wanted.options.error_ttl) &&
         parse_time("compute_timeout", "compute_timeout is seconds (int, float, timedelta) or None", four[2],
                    wanted.options.compute_timeout) &&
         parse_refresh(four[3], wanted.background);
}

PyObject* call_with_all(const char* module, const char* name, PyObject* cache, NamedKey key, const Wanted& wanted) {
  const Reference function = function_of(module, name);
  const ComputeOptions& options = wanted.options;
  const Reference made[] = {
      bytes_of(key.bytes),
      Reference(wanted.ttl == kDefaultTtl ? Py_NewRef(interpreter().default_object) : to_seconds(wanted.ttl)),
      Reference(to_seconds(options.stale_for)),
      Reference(PyFloat_FromDouble(options.early)),
      Reference(to_seconds(options.wait)),
      Reference(PyBool_FromLong(wanted.stale_if_error)),
      Reference(to_seconds(options.error_ttl)),
      Reference(to_seconds(options.compute_timeout)),
      Reference(PyUnicode_FromString(wanted.background ? "background" : "caller"))};
  if (!function || !std::ranges::all_of(made, [](const Reference& one) { return static_cast<bool>(one); })) {
    return nullptr;
  }
  PyObject* arguments[] = {cache,         made[0].get(), wanted.function, made[1].get(), made[2].get(), made[3].get(),
                           made[4].get(), made[5].get(), made[6].get(),   made[7].get(), made[8].get()};
  return run_python([&] { return PyObject_Vectorcall(function.get(), arguments, std::size(arguments), nullptr); });
}

PyObject* raise_failed(const Computation& computation, NamedKey key) {
  const Reference words = bytes_of(computation.failure());
  const Reference raise = words ? function_of("forklore.failing", "raise_failed") : Reference();
  if (!raise) return nullptr;
  return run_python([&] { return PyObject_CallFunctionObjArgs(raise.get(), key.object, words.get(), nullptr); });
}

PyObject* answer_failure(Computation& computation, Turn turn, Look& look, const Call& call, NamedKey key,
                         const Wanted& wanted) {
  if (turn == Turn::alone || PyErr_ExceptionMatches(PyExc_Exception) == 0) return nullptr;
  Caught caught;
  const Reference words_of = function_of("forklore.failing", "words_of");
  const Reference words(words_of ? run_python([&] { return PyObject_CallOneArg(words_of.get(), caught.error.get()); })
                                 : nullptr);
  if (!words || !PyBytes_Check(words.get())) {
    PyErr_Clear();  // nobody else is told, then
    return caught.restore();
  }
  computation.fail({PyBytes_AS_STRING(words.get()), static_cast<std::size_t>(PyBytes_GET_SIZE(words.get()))});
  if (turn != Turn::refresh || !wanted.stale_if_error) return caught.restore();
  Reference old(look.old());
  const Reference say = old ? function_of("forklore.failing", "say_served_stale") : Reference();
  if (!say) {
    PyErr_Clear();  // what fn raised says more
    return caught.restore();
  }
  const std::string path = guarded([&] { return call.cache().path(); }, std::string());
  const Reference said(run_python(
      [&] { return PyObject_CallFunction(say.get(), "sOO", path.c_str(), key.object, caught.error.get()); }));
  return said ? old.release() : nullptr;
}

Reference refusal_of(const Computation& computation, const Call& call, PyObject* key) {
  const Code code = computation.refusal();
  if (code != Code::busy && code != Code::read_only && code != Code::full) return {};
  raise_code(code, call, key);
  Caught caught;
  return std::move(caught.error);
}

}  // namespace forklore::python
