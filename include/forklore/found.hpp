// found.hpp - What a read tells about an entry, beside its bytes, and where it puts them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <forklore/code.hpp>
#include <forklore/options.hpp>
#include <string>

namespace forklore {

/// A value's format: 16 bits that the cache keeps beside the value. It looks only for kInteger.
/// 0 to 255 are Forklore's own (bindings/python lists those it uses). An application takes 256 and up.
inline constexpr std::uint16_t kBytes = 0;
/// An integer that increment works on: the 8 bytes of a std::int64_t in this machine's order.
inline constexpr std::uint16_t kInteger = 1;

/// Names one stored value: equal versions of one key are the same value. Opaque. The cache may move an entry, and then
/// the version changes without the value. So compare_and_set may fail without cause, as a weak one does.
struct Version {
  std::uint64_t word = 0;
  friend bool operator==(const Version&, const Version&) = default;
};

struct Found {
  std::size_t size = 0;  ///< of the value, in bytes
  std::uint16_t format = 0;
  Version version;
};

/// What an entry shows to a caller that only inspects it.
struct EntryInfo {
  std::size_t size = 0;  ///< of the value, in bytes
  std::uint16_t format = 0;
  Ttl left = kForever;     ///< of its time to live
  unsigned frequency = 0;  ///< how often it was read, as far as the cache counts: 0 to 3
};

/// One answer of get_many.
struct Result {
  Code code = Code::not_found;  ///< ok, not_found or invalid_key
  std::string value;
  Found found;
};

/// Where one value goes. ascii may be nullptr. Otherwise the read stores there whether all bytes of the value are
/// ASCII, which costs next to nothing while it copies them. It does not look at integers (kInteger).
struct Into {
  Into(char* to, bool* tell = nullptr) noexcept : data(to), ascii(tell) {}  // NOLINT: a pointer converts to it

  char* data;
  bool* ascii;
};

/// Says where a reader wants a value. The read calls room() once it knows the size. room() gives at least found.size
/// bytes, or nullptr to give up; then the read answers buffer_too_small. If the value changed meanwhile, the read calls
/// it again for the same index. The last room given has the value. No lock is held, so it may allocate or throw.
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
