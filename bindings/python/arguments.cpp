#include "arguments.hpp"

#include <charconv>
#include <cmath>
#include <string>
#include <system_error>

#include "errors.hpp"
#include "hooks.hpp"
#include "interpreter.hpp"

namespace forklore::python {

bool Key::encode(PyObject* key) {
  if (!PyUnicode_Check(key)) {
    PyErr_Format(PyExc_TypeError, "a key is str or bytes, not %.200s", Py_TYPE(key)->tp_name);
    return false;
  }
  if (PyUnicode_READY(key) < 0) return false;
  encoded_ = Reference(PyUnicode_AsEncodedString(key, "utf-8", "surrogateescape"));
  if (!encoded_) return false;
  view_ = {PyBytes_AS_STRING(encoded_.get()), static_cast<std::size_t>(PyBytes_GET_SIZE(encoded_.get()))};
  return true;
}

bool Key::take_prefix(PyObject* key) {
  if (!PyBytes_Check(key)) return encode(key);
  view_ = {PyBytes_AS_STRING(key), static_cast<std::size_t>(PyBytes_GET_SIZE(key))};
  return true;
}

bool Key::out_of_bounds() const {
  PyErr_Format(PyExc_ValueError, "a key is 1 to %zu bytes long; this one has %zu", kMaxKeyBytes, view_.size());
  return false;
}

bool parse_seconds(const char* what, PyObject* object, double& seconds) {
  if (PyFloat_Check(object)) {
    seconds = PyFloat_AS_DOUBLE(object);
    return true;
  }
  if (PyLong_CheckExact(object)) {
    seconds = PyLong_AsDouble(object);
    if (seconds != -1 || PyErr_Occurred() == nullptr) return true;
    PyErr_Clear();  // beyond the range of a double: below
  }
  Reference real(run_python([&]() -> PyObject* {
    if (PyObject_HasAttrString(object, "total_seconds") != 0) {
      return PyObject_CallMethod(object, "total_seconds", nullptr);
    }
    return PyUnicode_Check(object) || PyBytes_Check(object) ? nullptr : PyNumber_Float(object);
  }));
  if (real && PyFloat_Check(real.get())) {
    seconds = PyFloat_AS_DOUBLE(real.get());
    return true;
  }
  if (PyErr_ExceptionMatches(PyExc_OverflowError)) {  // an int beyond the range of a double
    PyErr_Clear();
    seconds = PyObject_RichCompareBool(object, Reference(PyLong_FromLong(0)).get(), Py_LT) == 1 ? -HUGE_VAL : HUGE_VAL;
    return PyErr_Occurred() == nullptr;
  }
  PyErr_Clear();
  PyErr_Format(PyExc_TypeError, "%s, not %.200s", what, Py_TYPE(object)->tp_name);
  return false;
}

bool is_default(PyObject* object) {
  return PyUnicode_Check(object) &&
         object == interpreter().default_object;  // seldom has to ask which interpreter this is
}

bool parse_ttl(PyObject* object, Ttl& ttl) {
  if (object == nullptr || is_default(object)) {
    ttl = kDefaultTtl;
    return true;
  }
  if (object == Py_None) {
    ttl = kForever;
    return true;
  }
  if (PyLong_Check(object)) {
    int beyond = 0;
    const std::int64_t seconds = PyLong_AsLongLongAndOverflow(object, &beyond);
    constexpr std::int64_t kMost = 9'200'000'000'000'000;
    ttl = beyond < 0 || (beyond == 0 && seconds <= 0) ? Ttl{-1}
          : beyond > 0 || seconds >= kMost            ? kForever
                                                      : Ttl{seconds * 1000};
    return true;
  }
  double seconds = 0;
  if (!parse_seconds("ttl is seconds (int, float, timedelta), None or DEFAULT", object, seconds)) return false;
  if (std::isnan(seconds)) {
    PyErr_SetString(PyExc_ValueError, "ttl must be a number of seconds, not nan");
    return false;
  }
  ttl = seconds <= 0 ? Ttl{-1} : seconds >= 9.2e15 ? kForever : Ttl{static_cast<Ttl::rep>(std::ceil(seconds * 1000))};
  return true;
}

bool parse_word(const char* parameter, const char* giver, PyObject* object, std::uint64_t& word) {
  if (!PyLong_Check(object)) {
    PyErr_Format(PyExc_TypeError, "%s is the int that %s() gave, not %.200s", parameter, giver,
                 Py_TYPE(object)->tp_name);
    return false;
  }
  word = PyLong_AsUnsignedLongLong(object);
  if (word != static_cast<std::uint64_t>(-1) || PyErr_Occurred() == nullptr) return true;
  PyErr_Clear();
  PyErr_Format(PyExc_ValueError, "%s must be one that %s() gave, not %R", parameter, giver, object);
  return false;
}

PyObject* to_seconds(Ttl ttl) {
  if (ttl == kForever) Py_RETURN_NONE;
  return PyFloat_FromDouble(static_cast<double>(ttl.count()) / 1000);
}

bool parse_size(Option option, PyObject* object, std::size_t& size) {
  if (PyLong_Check(object) && !PyBool_Check(object)) {
    size = PyLong_AsSize_t(object);
    if (size == static_cast<std::size_t>(-1) && PyErr_Occurred() != nullptr) {
      PyErr_Clear();
      set_option_error({.option = option,
                        .given = shown(object),
                        .bound = "a number of bytes from 1 to " + std::to_string(kMaxCapacityBytes)});
      return false;
    }
    return true;
  }
  const char* text = PyUnicode_Check(object) ? PyUnicode_AsUTF8(object) : nullptr;
  if (text == nullptr) {
    PyErr_Clear();
    return set_option_type_error(option, "an int of bytes or a str such as \"64MB\"", object);
  }
  const std::string whole(text);
  const std::size_t digits = whole.find_first_not_of("0123456789.");
  const std::string number = whole.substr(0, digits);
  std::string unit;
  for (std::size_t i = digits; i < whole.size(); ++i) {
    if (whole[i] != ' ') unit += static_cast<char>(whole[i] >= 'a' && whole[i] <= 'z' ? whole[i] - 32 : whole[i]);
  }
  if (unit.size() > 1 && unit.back() == 'B') unit.pop_back();
  if (unit.size() > 1 && unit.back() == 'I') unit.pop_back();
  constexpr std::string_view kUnits = "BKMGT";
  const std::size_t power = unit.empty() ? 0 : unit.size() == 1 ? kUnits.find(unit[0]) : std::string_view::npos;
  double value = 0;  // from_chars: whatever the locale says of decimal points
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (error != std::errc{} || end != number.data() + number.size() || power == std::string_view::npos ||
      std::ldexp(value, static_cast<int>(power) * 10) > 1e18) {
    set_option_error({.option = option,
                      .given = shown(object),
                      .bound = "a size such as 67108864, \"64MB\" or \"1.5GB\" (powers of 1024)"});
    return false;
  }
  size = static_cast<std::size_t>(std::ldexp(value, static_cast<int>(power) * 10));
  return true;
}

bool parse_integer(PyObject* object, std::int64_t& integer) {
  Reference index;
  if (!PyLong_CheckExact(object)) {
    if (!PyIndex_Check(object)) {
      PyErr_Format(PyExc_TypeError, "an int is wanted, not %.200s", Py_TYPE(object)->tp_name);
      return false;
    }
    index = Reference(run_python([&] { return PyNumber_Index(object); }));
    if (!index) return false;
    object = index.get();
  }
  int beyond = 0;
  integer = PyLong_AsLongLongAndOverflow(object, &beyond);
  if (beyond == 0) return integer != -1 || PyErr_Occurred() == nullptr;
  PyErr_SetString(PyExc_OverflowError, "an integer here is from -2**63 to 2**63 - 1");
  return false;
}

}  // namespace forklore::python
