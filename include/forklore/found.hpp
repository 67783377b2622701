// found.hpp - What a read tells about an entry beside its bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <forklore/code.hpp>
#include <string>

namespace forklore {

/// A value's format: 16 bits that the cache keeps beside the value and does not look at, but for kInteger.
/// 0 to 255 are Forklore's own (bindings/python lists what it uses); an application takes 256 and up.
inline constexpr std::uint16_t kBytes = 0;
/// An integer that increment works on: the 8 bytes of a std::int64_t in this machine's order.
inline constexpr std::uint16_t kInteger = 1;

/// Names one stored value: equal versions of one key are the same value. Opaque. It may change without the
/// value (the cache moves entries about), so a compare_and_set may fail without cause, as a weak one does.
struct Version {
  std::uint64_t word = 0;
  friend bool operator==(const Version&, const Version&) = default;
};

struct Found {
  std::size_t size = 0;  ///< of the value, in bytes
  std::uint16_t format = 0;
  Version version;
};

/// One answer of get_many.
struct Result {
  Code code = Code::not_found;  ///< ok, not_found or invalid_key
  std::string value;
  Found found;
};

/// Where one value goes. ascii, if it is not nullptr: the reader wants to be told whether no byte of the value has its
/// high bit set, which costs next to nothing as they are copied. Integers (kInteger) are not looked at.
struct Into {
  Into(char* to, bool* tell = nullptr) noexcept : data(to), ascii(tell) {}  // NOLINT: a pointer is where it goes

  char* data;
  bool* ascii;
};

/// Where a reader wants a value: room() is asked once the size is known and gives at least found.size bytes, or
/// nullptr to give up (the read then answers buffer_too_small). It may be asked again for the same index if the
/// value changed meanwhile; the last room given holds the value. It runs under no lock and may allocate or throw.
struct Sink {
  void* context = nullptr;
  Into (*room)(void* context, std::size_t index, const Found& found) = nullptr;
};

/// A place in a scan. A new one is at the beginning. The scan is over when finished().
struct Cursor {
  static constexpr std::uint64_t kEnd = ~std::uint64_t{0};
  std::uint64_t position = 0;
  [[nodiscard]] bool finished() const noexcept { return position == kEnd; }
};

}  // namespace forklore
