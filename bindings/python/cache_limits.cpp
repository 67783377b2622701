// cache_limits.cpp - Rate limits and counts in windows.
#include <cmath>
#include <forklore/rate_limit.hpp>
#include <limits>

#include "cache_type.hpp"
#include "errors.hpp"
#include "records.hpp"

namespace forklore::python {
namespace {

// An int from least to what 32 bits hold.
bool parse_count(const char* what, PyObject* object, std::uint32_t least, std::uint32_t& count) {
  std::int64_t number = 0;
  if (!parse_integer(object, number)) return false;
  if (number < least || number > std::numeric_limits<std::uint32_t>::max()) {
    PyErr_Format(PyExc_ValueError, "%s is an int from %u to 2**32 - 1, not %R", what, least, object);
    return false;
  }
  count = static_cast<std::uint32_t>(number);
  return true;
}

constexpr double kLongest = 366 * 86400.0;  // seconds; what the library takes

// Seconds of at least a millisecond and at most 366 days.
bool parse_period(const char* what, PyObject* object, std::chrono::milliseconds& period) {
  const std::string words = std::string(what) + " is seconds (int, float, timedelta)";
  double seconds = 0;
  if (!parse_seconds(words.c_str(), object, seconds)) return false;
  if (!(seconds >= 0.001 && seconds <= kLongest)) {
    PyErr_Format(PyExc_ValueError, "%s is from 0.001 seconds to 366 days, not %R", what, object);
    return false;
  }
  period = std::chrono::milliseconds(static_cast<std::int64_t>(std::llround(seconds * 1000)));
  return true;
}

// What take() and count_in_window() answer beside ok. Always nullptr.
PyObject* raise_limit(Code code, const Call& call, PyObject* key) {
  if (code != Code::not_a_number) return raise_code(code, call, key);
  PyErr_Format(PyExc_TypeError, "the value under %R is not a count of this rate or window", key);
  return nullptr;
}

}  // namespace

PyObject* cache_rate_limit(PyObject* self, PyObject* const* given, Py_ssize_t count, PyObject* keywords) {
  static constexpr Parameters<5> kParameters{"rate_limit", 3, 3, {"key", "limit", "period", "burst", "cost"}};
  std::array<PyObject*, 5> values{};
  Rate rate;
  std::uint32_t cost = 1;
  if (!kParameters.bind(given, count, keywords, values) || !parse_count("limit", values[1], 1, rate.count) ||
      !parse_period("period", values[2], rate.period)) {
    return nullptr;
  }
  if (values[3] != nullptr && values[3] != Py_None && !parse_count("burst", values[3], 1, rate.burst)) return nullptr;
  if (rate.burst * std::chrono::duration<double>(rate.period).count() / rate.count > kLongest) {
    PyErr_Format(PyExc_ValueError, "burst is at most what comes in 366 days at this rate, not %R", values[3]);
    return nullptr;
  }
  if (values[4] != nullptr && !parse_count("cost", values[4], 0, cost)) return nullptr;
  const Call call(self);
  Key key;
  if (!call || !key.take(values[0])) return nullptr;
  RateDecision decision;
  const Code code = take(call.cache(), key.view(), rate, decision, cost);
  return code == Code::ok ? to_python(decision) : raise_limit(code, call, values[0]);
}

PyObject* cache_count_in_window(PyObject* self, PyObject* const* given, Py_ssize_t count, PyObject* keywords) {
  static constexpr Parameters<3> kParameters{"count_in_window", 2, 3, {"key", "window", "add"}};
  std::array<PyObject*, 3> values{};
  std::chrono::milliseconds window{};
  std::uint32_t add = 1;
  if (!kParameters.bind(given, count, keywords, values) || !parse_period("window", values[1], window)) return nullptr;
  if (values[2] != nullptr && !parse_count("add", values[2], 0, add)) return nullptr;
  const Call call(self);
  Key key;
  if (!call || !key.take(values[0])) return nullptr;
  WindowCount counted;
  const Code code = count_in_window(call.cache(), key.view(), window, counted, add);
  return code == Code::ok ? to_python(counted) : raise_limit(code, call, values[0]);
}

}  // namespace forklore::python
