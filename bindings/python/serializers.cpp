#include "serializers.hpp"

#include <string>

#include "errors.hpp"
#include "hooks.hpp"
#include "interpreter.hpp"

namespace forklore::python {
namespace {

constexpr Serializer kAllSerializers[kSerializers] = {
    {kPickle, "pickle", "dumps", "{'protocol': -1}", "loads", nullptr},
    {kJson, "json", "dumps", "{'separators': (',', ':')}", "loads", nullptr},
    {kMsgpack, "msgpack", "packb", nullptr, "unpackb", "{'strict_map_key': False}"},
};

SerializerCalls& calls_of(const Serializer& serializer) {
  return interpreter().serializers[static_cast<std::size_t>(&serializer - kAllSerializers)];
}

// The arguments beside the value are bound with functools.partial, so that writing is one call of one argument.
PyObject* bind(const char* module_name, const char* function, const char* keywords) {
  Reference module(run_python([&] { return PyImport_ImportModule(module_name); }));
  Reference called(module ? PyObject_GetAttrString(module.get(), function) : nullptr);
  if (!called || keywords == nullptr) return called.release();
  Reference functools(run_python([] { return PyImport_ImportModule("functools"); }));
  Reference partial(functools ? PyObject_GetAttrString(functools.get(), "partial") : nullptr);
  Reference globals(PyDict_New());
  Reference bound(partial && globals ? PyRun_String(keywords, Py_eval_input, globals.get(), globals.get()) : nullptr);
  Reference arguments(PyTuple_Pack(1, called.get()));
  return bound && arguments ? PyObject_Call(partial.get(), arguments.get(), bound.get()) : nullptr;
}

bool load_calls(const Serializer& serializer) {
  SerializerCalls& calls = calls_of(serializer);
  if (calls.load != nullptr) return true;
  Reference dump(bind(serializer.module, serializer.dump, serializer.dump_keywords));
  Reference load(dump ? bind(serializer.module, serializer.load, serializer.load_keywords) : nullptr);
  if (!load) return false;
  calls.dump = dump.release();
  calls.load = load.release();
  return true;
}

// Makes an ImportError an OpenError that names the option. Always false.
bool say_what_is_missing(PyObject* name) {
  if (!PyErr_ExceptionMatches(PyExc_ImportError)) return false;
  PyErr_Clear();
  const std::string package = PyUnicode_AsUTF8(name);
  set_option_error({.option = kSerializer,
                    .fault = "\"" + package + "\" needs the Python package " + package + ", which cannot be imported",
                    .remedy = "pip install " + package});
  return false;
}

// "pickle", "json", "msgpack" or "none"
std::string all_names() {
  std::string names;
  for (const Serializer& one : kAllSerializers)
    names.append(names.empty() ? "\"" : ", \"").append(name_of(&one)).append("\"");
  return names + " or \"none\"";
}

}  // namespace

const char* name_of(const Serializer* serializer) {
  return serializer == nullptr ? "none" : format_of(serializer->format)->name;
}

bool parse_serializer(PyObject* name, const Serializer*& serializer) {
  const auto is = [&](const Serializer* one) {
    return PyUnicode_Check(name) && PyUnicode_CompareWithASCIIString(name, name_of(one)) == 0;
  };
  serializer = nullptr;
  if (is(nullptr)) return true;
  for (const Serializer& one : kAllSerializers) {
    if (!is(&one)) continue;
    serializer = &one;
    return load_calls(one) || say_what_is_missing(name);
  }
  set_option_error({.option = kSerializer, .given = shown(name), .bound = all_names()});
  return false;
}

bool encode_serialized(Encoded& to, PyObject* value, const Serializer* serializer) {
  if (serializer == nullptr) {
    PyErr_Format(errors().serializer_error,
                 "serializer=\"none\" stores exactly bytes, str, int, float, bool and None, not %.200s",
                 Py_TYPE(value)->tp_name);
    return false;
  }
  Reference made(run_python([&] { return PyObject_CallOneArg(calls_of(*serializer).dump, value); }));
  if (made && PyUnicode_Check(made.get())) made = Reference(PyUnicode_AsUTF8String(made.get()));
  if (made && !PyBytes_CheckExact(made.get())) {
    PyErr_Format(PyExc_TypeError, "%s gave %.200s", name_of(serializer), Py_TYPE(made.get())->tp_name);
    made = Reference();
  }
  if (!made && PyErr_ExceptionMatches(PyExc_Exception) && !PyErr_ExceptionMatches(PyExc_MemoryError)) {
    set_error_from(errors().serializer_error, "the value cannot be serialized");
  }
  return to.own(serializer->format, std::move(made));
}

PyObject* decode_serialized(Decoded& from, const Codec& codec) {
  if (codec.serializer == nullptr || codec.serializer->format != from.format()) {
    return PyErr_Format(errors().unreadable, "the stored value is a %s; this handle was opened with serializer=\"%s\"",
                        format_of(from.format())->name, name_of(codec.serializer));
  }
  const Reference bytes = from.bytes();
  if (!bytes) return nullptr;
  PyObject* value = run_python([&] { return PyObject_CallOneArg(calls_of(*codec.serializer).load, bytes.get()); });
  if (value == nullptr && PyErr_ExceptionMatches(PyExc_Exception) && !PyErr_ExceptionMatches(PyExc_MemoryError)) {
    set_error_from(errors().unreadable, "the stored value cannot be deserialized");
  }
  return value;
}

}  // namespace forklore::python
