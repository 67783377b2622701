#include "look.hpp"

#include <thread>

#include "compute.hpp"
#include "errors.hpp"
#include "hooks.hpp"

namespace forklore::python {
namespace {

// Of one call. A caller of another version may store what this one cannot read, again and again.
constexpr int kMostRemoved = 3;

// What errors call the key; a memoized function has made its bytes alone. Keeps the exception that is set.
Reference name_of(NamedKey key) {
  if (key.object != nullptr) return Reference(Py_NewRef(key.object));
  PyObject *type, *error, *traceback;
  PyErr_Fetch(&type, &error, &traceback);
  PyObject* name = PyUnicode_DecodeUTF8(key.bytes.data(), static_cast<Py_ssize_t>(key.bytes.size()), "replace");
  PyErr_Restore(type, error, traceback);
  return Reference(name != nullptr ? name : Py_NewRef(Py_None));
}

}  // namespace

Turn Look::begin() {
  sleeps_ = false;
  while (true) {
    Found found;
    const auto begin = [&] { return computation_.begin({&decoded_, Decoded::room_for_one}, found); };
    const Turn turn = guarded(begin, Turn::no_room);
    if (turn == Turn::no_room) return turn;
    if (PyErr_Occurred() != nullptr) PyErr_Clear();  // of a room that a later attempt no longer needed
    if (turn != Turn::fresh && turn != Turn::stale) return turn;
    value_ = Reference(decoded_.decode(call_.codec()));
    if (value_) return turn;
    const Reference name = name_of(key_);
    name_unreadable(name.get());
    if (!swallow_unreadable(call_, name.get())) return Turn::no_room;
    if (turn == Turn::stale) {
      const auto now = std::chrono::steady_clock::now();
      if (end_ == std::chrono::steady_clock::time_point{}) end_ = now + wait_;
      sleeps_ = true;
      return now < end_ ? Turn::wait : Turn::alone;
    }
    if (!remove(found.version)) return Turn::alone;
  }
}

// False if this caller is to compute for itself: it may not write, or has removed enough.
bool Look::remove(Version version) {
  const Code code = call_.cache().compare_and_set(key_.bytes, version, {}, Ttl{0});
  return (code == Code::ok || code == Code::changed || code == Code::not_found) && ++removed_ <= kMostRemoved;
}

void Look::wait() {
  if (!sleeps_) return computation_.wait();
  const Unlocked unlocked;
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
}

}  // namespace forklore::python
