// Opening and attaching: Python's arguments as forklore::Options.
#include <cmath>
#include <iterator>
#include <string>

#include "argument_list.hpp"
#include "cache_type.hpp"
#include "compression.hpp"
#include "errors.hpp"
#include "hooks.hpp"
#include "interpreter.hpp"
#include "serializers.hpp"

namespace forklore::python {
namespace {

#define FORKLORE_NAME(argument) #argument,
#define FORKLORE_ANY_OBJECT(argument) "O"
#define FORKLORE_PLACE(argument) , &given.argument
#define FORKLORE_MEMBER(argument) PyObject* argument = nullptr;

// What is given of them, borrowed.
struct Given {
  PyObject* name = nullptr;
  PyObject* capacity = nullptr;
  FORKLORE_OF_HANDLE(FORKLORE_MEMBER)
  FORKLORE_OF_SEGMENT(FORKLORE_MEMBER)
};

bool absent(PyObject* object) { return object == nullptr || object == Py_None; }

bool parse_when_full(PyObject* object, std::optional<WhenFull>& when_full) {
  if (absent(object)) return true;
  if (PyUnicode_Check(object) && PyUnicode_CompareWithASCIIString(object, "evict") == 0) {
    when_full = WhenFull::evict;
    return true;
  }
  if (PyUnicode_Check(object) && PyUnicode_CompareWithASCIIString(object, "reject") == 0) {
    when_full = WhenFull::reject;
    return true;
  }
  set_option_error({.option = Option::when_full,
                    .given = shown(object),
                    .bound = "\"evict\" or \"reject\"",
                    .remedy = "None takes what is there"});
  return false;
}

bool parse_path(PyObject* object, std::filesystem::path& path) {
  if (absent(object)) return true;
  PyObject* bytes = nullptr;
  if (PyUnicode_FSConverter(object, &bytes) == 0) return false;
  Reference held(bytes);
  path = std::string(PyBytes_AS_STRING(bytes), static_cast<std::size_t>(PyBytes_GET_SIZE(bytes)));
  return true;
}

// An int option within its bounds.
bool parse_bounded(Option option, PyObject* object, long least, long most, long& value) {
  if (!PyLong_Check(object) || PyBool_Check(object)) return set_option_type_error(option, "an int", object);
  int beyond = 0;
  value = PyLong_AsLongAndOverflow(object, &beyond);
  if (beyond == 0 && least <= value && value <= most) return true;
  set_option_error(
      {.option = option, .given = shown(object), .bound = std::to_string(least) + " to " + std::to_string(most)});
  return false;
}

bool parse_mode(PyObject* object, long& mode) {
  if (!PyLong_Check(object) || PyBool_Check(object)) {
    return set_option_type_error(Option::mode, "an int such as 0o600", object);
  }
  int beyond = 0;
  mode = PyLong_AsLongAndOverflow(object, &beyond);
  if (beyond == 0 && 0 <= mode && mode <= 0777) return true;
  const Reference octal(PyNumber_ToBase(object, 8));
  const char* text = octal ? PyUnicode_AsUTF8(octal.get()) : nullptr;
  if (text != nullptr) set_option_error({.option = Option::mode, .given = text, .bound = "one such as 0o600 or 0o660"});
  return false;
}

bool parse_lock_timeout(PyObject* object, std::chrono::milliseconds& timeout) {
  if (object == nullptr) return true;
  double seconds = 0;
  if (!parse_seconds("", object, seconds)) {
    PyErr_Clear();
    return set_option_type_error(Option::lock_timeout, "seconds (int, float, timedelta)", object);
  }
  if (!(seconds >= 0 && seconds <= 3600)) {  // nan is neither
    set_option_error({.option = Option::lock_timeout, .given = shown(object), .bound = "0 to 3600 seconds"});
    return false;
  }
  timeout = std::chrono::milliseconds(static_cast<std::int64_t>(std::ceil(seconds * 1000)));
  return true;
}

bool parse_default_ttl(PyObject* object, Ttl& ttl) {
  if (absent(object) || is_default(object)) return true;
  double seconds = 0;
  if (!parse_seconds("", object, seconds)) {
    PyErr_Clear();
    return set_option_type_error(Option::default_ttl, "seconds (int, float, timedelta) or None", object);
  }
  if (std::isnan(seconds)) {
    set_option_error({.option = Option::default_ttl, .given = shown(object), .bound = "a number of seconds"});
    return false;
  }
  return parse_ttl(object, ttl);
}

bool parse_options(const Given& given, Options& options) {
  long number = 0;
  if (!parse_name(given.name, options.name) || !parse_path(given.path, options.path) ||
      !parse_owner(given.owner, options.owner) || !parse_when_full(given.when_full, options.when_full) ||
      !parse_lock_timeout(given.lock_timeout, options.lock_timeout)) {
    return false;
  }
  if (given.place != nullptr && !parse_place(given.place, options.place)) return false;
  if (!absent(given.capacity)) {
    std::size_t bytes = 0;
    if (!parse_size(Option::capacity_bytes, given.capacity, bytes)) return false;
    options.capacity_bytes = bytes;
  }
  if (!absent(given.max_value)) {
    std::size_t bytes = 0;
    if (!parse_size(Option::max_value_bytes, given.max_value, bytes)) return false;
    options.max_value_bytes = bytes;
  }
  if (!absent(given.stripes)) {
    if (!parse_bounded(Option::stripes, given.stripes, 1, 64, number)) return false;
    options.stripes = static_cast<unsigned>(number);
  }
  if (!absent(given.mode)) {
    if (!parse_mode(given.mode, number)) return false;
    options.mode = static_cast<::mode_t>(number);
  }
  if (!parse_default_ttl(given.default_ttl, options.default_ttl)) return false;
  const int read_only = given.read_only == nullptr ? 0 : PyObject_IsTrue(given.read_only);
  options.read_only = read_only > 0;
  return read_only >= 0;
}

// The arguments of Cache(). False with TypeError set.
bool take_arguments(PyObject* positional, PyObject* keywords, Given& given) {
  static const char* names[] = {"name", "capacity",
                                FORKLORE_OF_HANDLE(FORKLORE_NAME) FORKLORE_OF_SEGMENT(FORKLORE_NAME) nullptr};
  constexpr const char* kFormat =
      "O|O$" FORKLORE_OF_HANDLE(FORKLORE_ANY_OBJECT) FORKLORE_OF_SEGMENT(FORKLORE_ANY_OBJECT) ":Cache";
  return PyArg_ParseTupleAndKeywords(
             positional, keywords, kFormat, const_cast<char**>(names), &given.name,
             &given.capacity FORKLORE_OF_HANDLE(FORKLORE_PLACE) FORKLORE_OF_SEGMENT(FORKLORE_PLACE)) != 0;
}

// Those of attach().
bool take_arguments_of_handle(PyObject* positional, PyObject* keywords, Given& given) {
  static const char* names[] = {"name", FORKLORE_OF_HANDLE(FORKLORE_NAME) nullptr};
  constexpr const char* kFormat = "O|$" FORKLORE_OF_HANDLE(FORKLORE_ANY_OBJECT) ":attach";
  return PyArg_ParseTupleAndKeywords(positional, keywords, kFormat, const_cast<char**>(names),
                                     &given.name FORKLORE_OF_HANDLE(FORKLORE_PLACE)) != 0;
}

// How a handle with these arguments writes and reads values. False with OpenError or TypeError set. May throw.
bool parse_codec(const Given& given, Codec& codec) {
  const Reference usual(given.serializer == nullptr ? PyUnicode_FromString("pickle") : Py_NewRef(given.serializer));
  return usual && parse_serializer(usual.get(), codec.serializer) &&
         parse_compression(given.compression, given.compress_above, codec);
}

// To the log, once a minute for the same words, that a cache could not be opened. Leaves the exception as it is.
void say_not_opened() {
  using Clock = std::chrono::steady_clock;
  static std::string last;  // guarded by the GIL
  static Clock::time_point said;
  if (PyErr_ExceptionMatches(errors().open_error) == 0) return;
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  PyErr_NormalizeException(&type, &value, &traceback);
  const Reference words(PyUnicode_FromFormat("forklore: cannot open a cache: %S", value));
  const char* text = words ? PyUnicode_AsUTF8(words.get()) : nullptr;
  const auto now = Clock::now();
  if (text != nullptr && (last != text || now - said >= std::chrono::minutes(1))) {
    last = text;
    said = now;
    warn(text);
  }
  PyErr_Clear();
  PyErr_Restore(type, value, traceback);
}

// Opens the object for the first time. attach_only: a segment that is not there is an error.
bool open_object(PyObject* self, const Given& given, bool attach_only) {
  auto* object = reinterpret_cast<CacheObject*>(self);
  if (object->handle != nullptr || object->closed) {
    PyErr_SetString(errors().error, "a Cache is opened once");
    return false;
  }
  Options options;
  Codec codec;
  if (!guarded([&] { return parse_options(given, options) && parse_codec(given, codec); }, false)) return false;
  if (attach_only && options.place == Place::file && options.path.empty()) options.path = options.name;
  Handle* handle = guarded(
      [&] {
        const Unlocked unlocked;
        return new Handle{attach_only ? Cache::attach(options) : Cache::open(options), options};
      },
      static_cast<Handle*>(nullptr));
  if (handle == nullptr) return false;
  if (object->handle != nullptr) {  // another thread was opening the same object
    delete_handle(handle);
    PyErr_SetString(errors().error, "a Cache is opened once");
    return false;
  }
  codec.cache = &handle->cache;
  object->codec = codec;
  object->handle = handle;
  return true;
}

}  // namespace

const char* to_string(Place place) { return place == Place::shm ? "shm" : place == Place::file ? "file" : "anonymous"; }

bool parse_name(PyObject* object, std::string& name) {
  Py_ssize_t size = 0;
  const char* text = PyUnicode_Check(object) ? PyUnicode_AsUTF8AndSize(object, &size) : nullptr;
  if (text == nullptr) {
    PyErr_Clear();
    return set_option_type_error(Option::name, "a str", object);
  }
  name.assign(text, static_cast<std::size_t>(size));
  return true;
}

bool parse_owner(PyObject* object, std::optional<::uid_t>& owner) {
  if (absent(object)) return true;
  long number = 0;
  if (PyUnicode_Check(object)) {
    Reference pwd(PyImport_ImportModule("pwd"));
    Reference entry(pwd ? PyObject_CallMethod(pwd.get(), "getpwnam", "O", object) : nullptr);
    if (!entry) {
      PyErr_Clear();
      set_option_error({.option = Option::owner,
                        .fault = "there is no user " + shown(object),
                        .bound = "a user of this host or a user id",
                        .remedy = "give the name or the id of one that this host has"});
      return false;
    }
    Reference uid(PyObject_GetAttrString(entry.get(), "pw_uid"));
    if (!uid || (number = PyLong_AsLong(uid.get())) < 0) return false;
  } else if (!parse_bounded(Option::owner, object, 0, 0xFFFFFFFEL, number)) {
    return false;
  }
  owner = static_cast<::uid_t>(number);
  return true;
}

bool parse_place(PyObject* object, Place& place) {
  if (PyUnicode_Check(object)) {
    for (const Place one : {Place::shm, Place::file, Place::anonymous}) {
      if (PyUnicode_CompareWithASCIIString(object, to_string(one)) != 0) continue;
      place = one;
      return true;
    }
  }
  set_option_error({.option = Option::place, .given = shown(object), .bound = "\"shm\", \"file\" or \"anonymous\""});
  return false;
}

int cache_init(PyObject* self, PyObject* positional, PyObject* keywords) {
  Given given;
  if (!take_arguments(positional, keywords, given)) return -1;
  if (open_object(self, given, false)) return 0;
  say_not_opened();
  return -1;
}

PyObject* check_arguments(PyObject*, PyObject* positional, PyObject* keywords) {
  Given given;
  Options options;
  Codec codec;
  if (!take_arguments(positional, keywords, given)) return nullptr;
  const bool right = guarded(
      [&] {
        if (!parse_options(given, options) || !parse_codec(given, codec)) return false;
        check_options(options);
        return true;
      },
      false);
  return right ? Py_NewRef(Py_None) : nullptr;
}

PyObject* needed_by(PyObject*, PyObject* given) {
  unsigned long long beside = 0;
  PyObject* arguments = nullptr;
  Given taken;
  Options options;
  if (!PyArg_ParseTuple(given, "KO!:_need", &beside, &PyDict_Type, &arguments)) return nullptr;
  const Reference none(PyTuple_New(0));
  if (!none || !take_arguments(none.get(), arguments, taken)) return nullptr;
  return guarded(
      [&]() -> PyObject* {
        if (!parse_options(taken, options)) return nullptr;
        const Need need = need_of(options, beside);
        PyObject* shortage = Py_NewRef(Py_None);
        if (need.shortage) {
          shortage = Py_BuildValue("(NN)", parts_of(need.shortage->fault), parts_of(need.shortage->remedy));
        }
        return Py_BuildValue("(NKN)", PyUnicode_DecodeFSDefault(need.path.c_str()),
                             static_cast<unsigned long long>(need.bytes), shortage);
      },
      static_cast<PyObject*>(nullptr));
}

PyObject* cache_attach(PyObject* type, PyObject* positional, PyObject* keywords) {
  Given given;
  if (!take_arguments_of_handle(positional, keywords, given)) return nullptr;
  auto* made = reinterpret_cast<PyTypeObject*>(type);
  Reference self(made->tp_alloc(made, 0));
  return self && open_object(self.get(), given, true) ? self.release() : nullptr;
}

bool add_options(PyObject* module) {
  static constexpr const char* kNames[] = {"name", "capacity",
                                           FORKLORE_OF_HANDLE(FORKLORE_NAME) FORKLORE_OF_SEGMENT(FORKLORE_NAME)};
  Reference names(PyTuple_New(static_cast<Py_ssize_t>(std::size(kNames))));
  for (std::size_t i = 0; names && i < std::size(kNames); ++i) {
    PyObject* name = PyUnicode_InternFromString(kNames[i]);
    if (name == nullptr) return false;
    PyTuple_SET_ITEM(names.get(), static_cast<Py_ssize_t>(i), name);
  }
  return names && PyModule_AddObjectRef(module, "_OPTIONS", names.get()) == 0;
}

}  // namespace forklore::python
