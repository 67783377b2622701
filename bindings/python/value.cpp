#include "value.hpp"

#include <cstring>
#include <utility>

#include "errors.hpp"
#include "hooks.hpp"
#include "interpreter.hpp"

namespace forklore::python {
namespace {

SerializerCalls* calls_of(Serializer serializer) {
  switch (serializer) {
    case Serializer::pickle:
      return &interpreter().pickle;
    case Serializer::json:
      return &interpreter().json;
    case Serializer::msgpack:
      return &interpreter().msgpack;
    case Serializer::none:
      break;
  }
  return nullptr;
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

bool load_calls(Serializer serializer) {
  SerializerCalls* calls = calls_of(serializer);
  if (calls == nullptr || calls->load != nullptr) return true;
  Reference dump, load;
  switch (serializer) {
    case Serializer::pickle:
      dump = Reference(bind("pickle", "dumps", "{'protocol': -1}"));
      load = Reference(dump ? bind("pickle", "loads", nullptr) : nullptr);
      break;
    case Serializer::json:
      dump = Reference(bind("json", "dumps", "{'separators': (',', ':')}"));
      load = Reference(dump ? bind("json", "loads", nullptr) : nullptr);
      break;
    default:
      dump = Reference(bind("msgpack", "packb", nullptr));
      load = Reference(dump ? bind("msgpack", "unpackb", "{'strict_map_key': False}") : nullptr);
  }
  if (!load) return false;
  calls->dump = dump.release();
  calls->load = load.release();
  return true;
}

// Whether no byte has its high bit set. Of a text in Latin-1 one of the first has.
bool is_ascii(const char* data, std::size_t size) {
  for (; size >= 8; size -= 8, data += 8) {
    std::uint64_t word;
    std::memcpy(&word, data, 8);
    if ((word & 0x8080808080808080U) != 0) return false;
  }
  for (; size > 0; --size, ++data) {
    if (static_cast<unsigned char>(*data) >= 0x80) return false;
  }
  return true;
}

// Whether a str that Python holds as two bytes a character takes no more so than it would as UTF-8.
bool wide_is_small(const Py_UCS2* data, Py_ssize_t size) {
  Py_ssize_t more = 0;  // bytes beyond one a character that UTF-8 would take; 3 for a lone surrogate too
  for (Py_ssize_t i = 0; i < size; ++i) more += (data[i] >= 0x80) + (data[i] >= 0x800);
  return more >= size;
}

// Whether some character is beyond Latin-1, as Python wants it of a str of two bytes a character.
bool is_wide(const char* data, std::size_t size) {
  for (std::size_t i = 0; i + 2 <= size; i += 2) {
    Py_UCS2 one;
    std::memcpy(&one, data + i, 2);
    if (one > 0xFF) return true;
  }
  return false;
}

PyObject* damaged(std::uint16_t format, std::size_t size) {
  PyErr_Format(errors().unreadable, "the stored value is damaged: format %d with %zu bytes", int{format}, size);
  return nullptr;
}

}  // namespace

const char* to_string(Serializer serializer) {
  switch (serializer) {
    case Serializer::pickle:
      return "pickle";
    case Serializer::json:
      return "json";
    case Serializer::msgpack:
      return "msgpack";
    case Serializer::none:
      break;
  }
  return "none";
}

// Makes an ImportError an OpenError that names the option. Always false.
static bool say_what_is_missing(PyObject* name) {
  if (!PyErr_ExceptionMatches(PyExc_ImportError)) return false;
  PyErr_Clear();
  set_option_error("serializer=%R needs the Python package %U, which cannot be imported: pip install %U", name, name,
                   name);
  return false;
}

bool parse_serializer(PyObject* name, Serializer& serializer) {
  if (PyUnicode_Check(name)) {
    for (const Serializer one : {Serializer::pickle, Serializer::json, Serializer::msgpack, Serializer::none}) {
      if (PyUnicode_CompareWithASCIIString(name, to_string(one)) == 0) {
        serializer = one;
        return load_calls(one) || say_what_is_missing(name);
      }
    }
  }
  set_option_error("serializer must be \"pickle\", \"json\", \"msgpack\" or \"none\", not %R", name);
  return false;
}

// Encoded

bool Encoded::take(PyObject* value, Serializer serializer) {
  if (PyUnicode_CheckExact(value)) return take_text(value);
  if (PyBytes_CheckExact(value)) {
    data_ = PyBytes_AS_STRING(value);
    size_ = static_cast<std::size_t>(PyBytes_GET_SIZE(value));
    return true;
  }
  if (PyLong_CheckExact(value)) return take_integer(value);
  if (PyFloat_CheckExact(value)) {
    const double real = PyFloat_AS_DOUBLE(value);
    std::memcpy(number_, &real, 8);
    data_ = number_;
    size_ = 8;
    format_ = kReal;
    return true;
  }
  if (value == Py_None || value == Py_True || value == Py_False) {
    format_ = value == Py_None ? kNone : value == Py_True ? kTrue : kFalse;
    return true;
  }
  return take_other(value, serializer);
}

bool Encoded::point_to(Reference bytes) {
  if (!bytes) return false;
  data_ = PyBytes_AS_STRING(bytes.get());
  size_ = static_cast<std::size_t>(PyBytes_GET_SIZE(bytes.get()));
  object_ = std::move(bytes);
  return true;
}

bool Encoded::take_integer(PyObject* value) {
  int beyond = 0;
  const std::int64_t small = PyLong_AsLongLongAndOverflow(value, &beyond);
  if (beyond == 0) {
    std::memcpy(number_, &small, 8);
    data_ = number_;
    size_ = 8;
    format_ = kInteger;
    return true;
  }
  format_ = kBig;
  Reference bits(PyObject_CallMethod(value, "bit_length", nullptr));
  if (!bits) return false;
  Reference method(PyObject_GetAttrString(value, "to_bytes"));
  Reference positional(Py_BuildValue("(ns)", PyLong_AsSsize_t(bits.get()) / 8 + 1, "little"));
  Reference keywords(Py_BuildValue("{sO}", "signed", Py_True));
  if (!method || !positional || !keywords) return false;
  return point_to(Reference(PyObject_Call(method.get(), positional.get(), keywords.get())));
}

bool Encoded::take_text(PyObject* value) {
  if (PyUnicode_READY(value) < 0) return false;
  const Py_ssize_t size = PyUnicode_GET_LENGTH(value);
  if (PyUnicode_KIND(value) == PyUnicode_1BYTE_KIND) {
    data_ = reinterpret_cast<const char*>(PyUnicode_1BYTE_DATA(value));
    size_ = static_cast<std::size_t>(size);
    format_ = PyUnicode_IS_ASCII(value) ? kAscii : kLatin;
    return true;
  }
  if (PyUnicode_KIND(value) == PyUnicode_2BYTE_KIND && wide_is_small(PyUnicode_2BYTE_DATA(value), size)) {
    data_ = reinterpret_cast<const char*>(PyUnicode_2BYTE_DATA(value));
    size_ = static_cast<std::size_t>(size) * 2;
    format_ = kWide;
    return true;
  }
  format_ = kText;
  return point_to(Reference(PyUnicode_AsEncodedString(value, "utf-8", "surrogatepass")));
}

bool Encoded::take_other(PyObject* value, Serializer serializer) {
  format_ = static_cast<std::uint16_t>(serializer);
  const SerializerCalls* calls = calls_of(serializer);
  if (calls == nullptr) {
    PyErr_Format(errors().serializer_error,
                 "serializer=\"none\" stores exactly bytes, str, int, float, bool and None, not %.200s",
                 Py_TYPE(value)->tp_name);
    return false;
  }
  Reference made(run_python([&] { return PyObject_CallOneArg(calls->dump, value); }));
  if (made && PyUnicode_Check(made.get())) made = Reference(PyUnicode_AsUTF8String(made.get()));
  if (made && !PyBytes_CheckExact(made.get())) {
    PyErr_Format(PyExc_TypeError, "%s gave %.200s", to_string(serializer), Py_TYPE(made.get())->tp_name);
    made = Reference();
  }
  if (!made && PyErr_ExceptionMatches(PyExc_Exception) && !PyErr_ExceptionMatches(PyExc_MemoryError)) {
    set_error_from(errors().serializer_error, "the value cannot be serialized");
  }
  return point_to(std::move(made));
}

// Decoded

Into Decoded::room(std::size_t size, std::uint16_t format) {
  size_ = size;
  format_ = format;
  ascii_ = false;
  if (size <= 8 && format != kBytes) {  // numbers, and a str so short that Python may share it
    object_ = Reference();
    return data_ = small_;
  }
  const auto length = static_cast<Py_ssize_t>(size);
  switch (format) {
    case kAscii:
      object_ = Reference(PyUnicode_New(length, 0x7F));
      break;
    case kLatin:
      object_ = Reference(PyUnicode_New(length, 0xFF));
      break;
    case kWide:
      object_ = Reference(PyUnicode_New((length + 1) / 2, 0xFFFF));  // of an odd size only if it is damaged
      break;
    default:
      object_ = Reference(PyBytes_FromStringAndSize(nullptr, length));
      return data_ = object_ ? PyBytes_AS_STRING(object_.get()) : nullptr;
  }
  data_ = object_ ? static_cast<char*>(PyUnicode_DATA(object_.get())) : nullptr;
  return {data_, format == kAscii ? &ascii_ : nullptr};
}

PyObject* Decoded::decode(Serializer serializer) {
  const auto size = static_cast<Py_ssize_t>(size_);
  const char* data = object_ ? data_ : small_;
  switch (format_) {
    case kBytes:
      return object_.release();
    case kAscii:
      if (object_ ? !ascii_ : !is_ascii(data, size_)) return damaged(format_, size_);
      return object_ ? object_.release() : PyUnicode_DecodeASCII(data, size, nullptr);
    case kLatin:
      if (is_ascii(data, size_)) return damaged(format_, size_);
      return object_ ? object_.release() : PyUnicode_FromKindAndData(PyUnicode_1BYTE_KIND, data, size);
    case kWide:
      if (size_ % 2 != 0 || !is_wide(data, size_)) return damaged(format_, size_);
      return object_ ? object_.release() : PyUnicode_FromKindAndData(PyUnicode_2BYTE_KIND, data, size / 2);
    case kText: {
      PyObject* text = PyUnicode_DecodeUTF8(data, size, "surrogatepass");
      if (text == nullptr) set_error_from(errors().unreadable, "the stored value is damaged");
      return text;
    }
    case kInteger:
    case kReal:
      return number();
    case kTrue:
      return Py_NewRef(Py_True);
    case kFalse:
      return Py_NewRef(Py_False);
    case kNone:
      return Py_NewRef(Py_None);
    case kBig:
      return big();
    default:
      return serialized(serializer);
  }
}

PyObject* Decoded::number() const {
  if (size_ != 8) return damaged(format_, size_);
  if (format_ == kReal) {
    double real;
    std::memcpy(&real, small_, 8);
    return PyFloat_FromDouble(real);
  }
  std::int64_t integer;
  std::memcpy(&integer, small_, 8);
  return PyLong_FromLongLong(integer);
}

bool Decoded::as_bytes() {
  if (!object_) object_ = Reference(PyBytes_FromStringAndSize(small_, static_cast<Py_ssize_t>(size_)));
  return static_cast<bool>(object_);
}

PyObject* Decoded::big() {
  Reference method(PyObject_GetAttrString(reinterpret_cast<PyObject*>(&PyLong_Type), "from_bytes"));
  if (!method || !as_bytes()) return nullptr;
  Reference positional(Py_BuildValue("(Os)", object_.get(), "little"));
  Reference keywords(Py_BuildValue("{sO}", "signed", Py_True));
  return positional && keywords ? PyObject_Call(method.get(), positional.get(), keywords.get()) : nullptr;
}

PyObject* Decoded::serialized(Serializer serializer) {
  const auto own = static_cast<Serializer>(format_);
  const SerializerCalls* calls = calls_of(own);
  if (calls == nullptr) {
    PyErr_Format(errors().unreadable, "the stored value has format %d, which this build does not know",
                 int{format_});
    return nullptr;
  }
  if (own != serializer) {
    PyErr_Format(errors().unreadable, "the stored value is a %s; this handle was opened with serializer=\"%s\"",
                 to_string(own), to_string(serializer));
    return nullptr;
  }
  if (!as_bytes()) return nullptr;
  PyObject* value = run_python([&] { return PyObject_CallOneArg(calls->load, object_.get()); });
  if (value == nullptr && PyErr_ExceptionMatches(PyExc_Exception) && !PyErr_ExceptionMatches(PyExc_MemoryError)) {
    set_error_from(errors().unreadable, "the stored value cannot be deserialized");
  }
  return value;
}

}  // namespace forklore::python
