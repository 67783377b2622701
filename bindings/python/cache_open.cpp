// Opening, attaching and pickling: Python's arguments as forklore::Options and back.
#include <cmath>
#include <string>

#include "cache_type.hpp"
#include "compression.hpp"
#include "errors.hpp"
#include "hooks.hpp"
#include "interpreter.hpp"
#include "serializers.hpp"

namespace forklore::python {
namespace {

// The arguments that are given as Python objects, borrowed.
struct Given {
  PyObject* name = nullptr;
  PyObject* capacity = nullptr;
  PyObject* place = nullptr;
  PyObject* path = nullptr;
  PyObject* max_value = nullptr;
  PyObject* stripes = nullptr;
  PyObject* default_ttl = nullptr;
  PyObject* when_full = nullptr;
  PyObject* lock_timeout = nullptr;
  PyObject* mode = nullptr;
  PyObject* owner = nullptr;
  PyObject* serializer = nullptr;
  PyObject* compress_above = nullptr;
  PyObject* compression = nullptr;
  int read_only = 0;
};

bool absent(PyObject* object) { return object == nullptr || object == Py_None; }

const char* to_string(Place place) { return place == Place::shm ? "shm" : place == Place::file ? "file" : "anonymous"; }

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
  set_option_error("when_full must be \"evict\" or \"reject\", not %R; None takes what is there", object);
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
bool parse_bounded(const char* option, PyObject* object, long least, long most, long& value) {
  if (!PyLong_Check(object) || PyBool_Check(object)) {
    PyErr_Format(PyExc_TypeError, "%s is an int, not %.200s", option, Py_TYPE(object)->tp_name);
    return false;
  }
  int beyond = 0;
  value = PyLong_AsLongAndOverflow(object, &beyond);
  if (beyond == 0 && least <= value && value <= most) return true;
  set_option_error("%s must be %ld to %ld, not %R", option, least, most, object);
  return false;
}

bool parse_mode(PyObject* object, long& mode) {
  const bool is_int = PyLong_Check(object) && !PyBool_Check(object);
  int beyond = 0;
  if (is_int) mode = PyLong_AsLongAndOverflow(object, &beyond);
  if (is_int && beyond == 0 && 0 <= mode && mode <= 0777) return true;
  if (is_int) {
    Reference octal(PyNumber_ToBase(object, 8));
    if (octal) set_option_error("mode must be one such as 0o600 or 0o660, not %U", octal.get());
  } else {
    PyErr_Format(PyExc_TypeError, "mode is an int such as 0o600, not %.200s", Py_TYPE(object)->tp_name);
  }
  return false;
}

bool parse_lock_timeout(PyObject* object, std::chrono::milliseconds& timeout) {
  if (object == nullptr) return true;
  double seconds = 0;
  if (!parse_seconds("lock_timeout is seconds (int, float, timedelta)", object, seconds)) return false;
  if (!(seconds >= 0 && seconds <= 3600)) {  // nan is neither
    set_option_error("lock_timeout must be 0 to 3600 seconds, not %R", object);
    return false;
  }
  timeout = std::chrono::milliseconds(static_cast<std::int64_t>(std::ceil(seconds * 1000)));
  return true;
}

bool parse_default_ttl(PyObject* object, Ttl& ttl) {
  if (absent(object)) return true;
  double seconds = 0;
  if (!is_default(object) && !parse_seconds("default_ttl is seconds (int, float, timedelta) or None", object, seconds))
    return false;
  if (std::isnan(seconds)) {
    set_option_error("default_ttl must be a number of seconds, not %R", object);
    return false;
  }
  return is_default(object) || parse_ttl(object, ttl);
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
    if (!parse_size("capacity", given.capacity, bytes)) return false;
    options.capacity_bytes = bytes;
    if (bytes == 0) {
      set_option_error("capacity must be %zu bytes to %zu, not %R; None takes what is there", kMinCapacityBytes,
                       kMaxCapacityBytes, given.capacity);
      return false;
    }
  }
  if (!absent(given.max_value)) {
    std::size_t bytes = 0;
    if (!parse_size("max_value", given.max_value, bytes)) return false;
    options.max_value_bytes = bytes;
  }
  if (!absent(given.stripes)) {
    if (!parse_bounded("stripes", given.stripes, 1, 64, number)) return false;
    options.stripes = static_cast<unsigned>(number);
  }
  if (!absent(given.mode)) {
    if (!parse_mode(given.mode, number)) return false;
    options.mode = static_cast<::mode_t>(number);
  }
  if (!parse_default_ttl(given.default_ttl, options.default_ttl)) return false;
  options.read_only = given.read_only != 0;
  return true;
}

// The arguments of Cache(). False with TypeError set.
bool take_arguments(PyObject* positional, PyObject* keywords, Given& given) {
  static const char* names[] = {"name",           "capacity",    "place",        "path", "max_value", "stripes",
                                "default_ttl",    "when_full",   "lock_timeout", "mode", "owner",     "serializer",
                                "compress_above", "compression", "read_only",    nullptr};
  return PyArg_ParseTupleAndKeywords(positional, keywords, "O|O$OOOOOOOOOOOOp:Cache", const_cast<char**>(names),
                                     &given.name, &given.capacity, &given.place, &given.path, &given.max_value,
                                     &given.stripes, &given.default_ttl, &given.when_full, &given.lock_timeout,
                                     &given.mode, &given.owner, &given.serializer, &given.compress_above,
                                     &given.compression, &given.read_only) != 0;
}

// How a handle with these arguments writes and reads values. False with OpenError or TypeError set.
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
  if (!parse_options(given, options) || !parse_codec(given, codec)) return false;
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

bool parse_name(PyObject* object, std::string& name) {
  Py_ssize_t size = 0;
  const char* text = PyUnicode_Check(object) ? PyUnicode_AsUTF8AndSize(object, &size) : nullptr;
  if (text == nullptr) {
    PyErr_Clear();
    PyErr_Format(PyExc_TypeError, "name is a str, not %.200s", Py_TYPE(object)->tp_name);
    return false;
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
      set_option_error("owner must be a user of this host or a user id; there is no user %R", object);
      return false;
    }
    Reference uid(PyObject_GetAttrString(entry.get(), "pw_uid"));
    if (!uid || (number = PyLong_AsLong(uid.get())) < 0) return false;
  } else if (!parse_bounded("owner", object, 0, 0xFFFFFFFEL, number)) {
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
  set_option_error("place must be \"shm\", \"file\" or \"anonymous\", not %R", object);
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
  if (!take_arguments(positional, keywords, given) || !parse_options(given, options) || !parse_codec(given, codec))
    return nullptr;
  const bool right = guarded(
      [&] {
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
  if (!none || !take_arguments(none.get(), arguments, taken) || !parse_options(taken, options)) return nullptr;
  return guarded(
      [&] {
        const Need need = need_of(options, beside);
        const std::string shortage = in_python_words(need.shortage);
        return Py_BuildValue("(NKs)", PyUnicode_DecodeFSDefault(need.path.c_str()),
                             static_cast<unsigned long long>(need.bytes), shortage.c_str());
      },
      static_cast<PyObject*>(nullptr));
}

PyObject* cache_attach(PyObject* type, PyObject* positional, PyObject* keywords) {
  static const char* names[] = {"name",  "place",      "path",           "default_ttl", "lock_timeout", "mode",
                                "owner", "serializer", "compress_above", "compression", "read_only",    nullptr};
  Given given;
  if (PyArg_ParseTupleAndKeywords(positional, keywords, "O|$OOOOOOOOOp:attach", const_cast<char**>(names), &given.name,
                                  &given.place, &given.path, &given.default_ttl, &given.lock_timeout, &given.mode,
                                  &given.owner, &given.serializer, &given.compress_above, &given.compression,
                                  &given.read_only) == 0) {
    return nullptr;
  }
  auto* made = reinterpret_cast<PyTypeObject*>(type);
  Reference self(made->tp_alloc(made, 0));
  return self && open_object(self.get(), given, true) ? self.release() : nullptr;
}

namespace {

// How to attach to the same segment once more: (_reopen, (type, name, options)).
Reference recipe(PyObject* self, const Call& call) {
  const Options& options = call.options();
  Reference module(PyImport_ImportModule("forklore._core"));
  Reference function(module ? PyObject_GetAttrString(module.get(), "_reopen") : nullptr);
  Reference path(PyUnicode_DecodeFSDefault(options.path.c_str()));
  Reference ttl(to_seconds(options.default_ttl));
  if (!function || !path || !ttl) return {};
  Reference owner(options.owner ? PyLong_FromUnsignedLong(*options.owner) : Py_NewRef(Py_None));
  const Codec& codec = call.codec();
  const bool compresses = codec.compression != nullptr;
  Reference above(compresses ? PyLong_FromSize_t(codec.compress_above) : Py_NewRef(Py_None));
  if (!owner || !above) return {};
  return Reference(
      Py_BuildValue("O(Os{sssOsOsdsIsOsssOszsO})", function.get(), Py_TYPE(self), options.name.c_str(), "place",
                    to_string(options.place), "path", options.path.empty() ? Py_None : path.get(), "default_ttl",
                    ttl.get(), "lock_timeout", static_cast<double>(options.lock_timeout.count()) / 1000, "mode",
                    static_cast<unsigned>(options.mode), "owner", owner.get(), "serializer", name_of(codec.serializer),
                    "compress_above", above.get(), "compression", compresses ? name_of(*codec.compression) : nullptr,
                    "read_only", options.read_only ? Py_True : Py_False));
}

// The attributes that an object of a subclass has; None of a plain one.
Reference attributes_of(PyObject* self) {
  Reference attributes(PyObject_GetAttrString(self, "__dict__"));
  if (attributes || PyErr_ExceptionMatches(PyExc_AttributeError) == 0) return attributes;
  PyErr_Clear();
  return Reference(Py_NewRef(Py_None));
}

// A handle of this process to the same segment, in anonymous memory too.
PyObject* copy(PyObject* self, PyObject* attributes) {
  const Call call(self);
  const Reference made(call ? recipe(self, call) : Reference());
  if (!made || attributes == nullptr) return nullptr;
  Reference again(run_python(
      [&] { return PyObject_CallObject(PyTuple_GET_ITEM(made.get(), 0), PyTuple_GET_ITEM(made.get(), 1)); }));
  if (!again || attributes == Py_None) return again.release();
  const Reference own(PyObject_GetAttrString(again.get(), "__dict__"));
  return own && PyDict_Update(own.get(), attributes) == 0 ? again.release() : nullptr;
}

}  // namespace

PyObject* cache_reduce(PyObject* self, PyObject*) {
  const Call call(self);
  if (!call) return nullptr;
  if (call.options().place == Place::anonymous) {
    PyErr_SetString(errors().error,
                    "a Cache in anonymous memory is shared by fork alone and cannot be pickled; place=\"shm\" can");
    return nullptr;
  }
  const Reference made = recipe(self, call);
  const Reference attributes(made ? attributes_of(self) : Reference());
  if (!attributes) return nullptr;
  return PyTuple_Pack(3, PyTuple_GET_ITEM(made.get(), 0), PyTuple_GET_ITEM(made.get(), 1), attributes.get());
}

PyObject* cache_copy(PyObject* self, PyObject*) { return copy(self, attributes_of(self).get()); }

PyObject* cache_deepcopy(PyObject* self, PyObject* memo) {
  const Reference attributes = attributes_of(self);
  const Reference module(attributes ? PyImport_ImportModule("copy") : nullptr);
  const Reference deep(
      module ? run_python([&] { return PyObject_CallMethod(module.get(), "deepcopy", "OO", attributes.get(), memo); })
             : nullptr);
  return copy(self, deep.get());
}

PyObject* reopen(PyObject*, PyObject* const* given, Py_ssize_t count) {
  if (count != 3 || !PyType_Check(given[0]) || !PyDict_Check(given[2]) ||
      PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(given[0]), interpreter().cache_type) == 0) {
    PyErr_SetString(PyExc_TypeError, "_reopen(type, name, options) is for pickle alone");
    return nullptr;
  }
  Reference positional(PyTuple_Pack(1, given[1]));
  return positional ? cache_attach(given[0], positional.get(), given[2]) : nullptr;
}

}  // namespace forklore::python
