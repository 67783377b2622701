// options.hpp - How a segment is opened, and what is said when it cannot be.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <forklore/export.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace forklore {

/// A time to live. Zero or less is "already expired": the entry is not kept.
using Ttl = std::chrono::milliseconds;
inline constexpr Ttl kForever = Ttl::max();     ///< the entry never expires
inline constexpr Ttl kDefaultTtl = Ttl::min();  ///< what Options::default_ttl says

inline constexpr std::size_t kMaxKeyBytes = 1024;  ///< keys are 1 to this many bytes
/// Whether it may be a key, or the name of a lock. Any byte may be in it.
constexpr bool is_key(std::string_view key) noexcept { return !key.empty() && key.size() <= kMaxKeyBytes; }

// Units of sizes: .capacity_bytes = 4 * forklore::GiB.
inline constexpr std::size_t KiB = 1024;
inline constexpr std::size_t MiB = 1024 * KiB;
inline constexpr std::size_t GiB = 1024 * MiB;

/// A size, from integers of 64 bits alone. An int does not compile, as nobody could tell what it was meant to be:
/// 4 << 30 is 0, and 5 << 30 is 1 GiB.
class ByteCount {
 public:
  template <std::integral Integer>
  constexpr ByteCount(Integer bytes) noexcept : bytes_(static_cast<std::size_t>(bytes)) {  // NOLINT: a number is a size
    static_assert(sizeof(Integer) >= sizeof(std::size_t), "a size is 64 bits wide: write 64 * forklore::MiB");
  }
  constexpr operator std::size_t() const noexcept { return bytes_; }  // NOLINT: and a size a number

 private:
  std::size_t bytes_;
};

inline constexpr std::size_t kMinCapacityBytes = 128 * KiB;     ///< the smallest segment
inline constexpr std::size_t kDefaultCapacityBytes = 32 * MiB;  ///< half of Docker's 64 MiB /dev/shm
inline constexpr std::size_t kMaxCapacityBytes = 16 * GiB;

/// Where a segment's memory lies.
enum class Place : std::uint8_t {
  shm,        ///< POSIX shared memory, by name; outlives its processes, not a reboot
  file,       ///< the file Options::path; survives an orderly reboot, is emptied after any other
  anonymous,  ///< no name outside this process and what it forks after opening
};

/// What a write does when there is no room left.
enum class WhenFull : std::uint8_t {
  evict,   ///< a cache: the entries least worth keeping leave
  reject,  ///< shared state: live entries never leave, and what finds no room answers Code::full. An overwrite by as
           ///< much or less always finds room, and so do erase, touch and an increment of what is there: docs/layout.md
};

struct Options {
  // Behaviour.
  /// 1 to 128 characters of A-Z a-z 0-9 . _ -, not starting with a dot. One name is one segment for one owner.
  std::string name = {};
  Place place = Place::shm;
  std::filesystem::path path = {};  ///< of the file, for Place::file alone
  /// The size of the whole segment, index and headers included; kMinCapacityBytes to kMaxCapacityBytes.
  /// None takes what is there, else kDefaultCapacityBytes. Another size than the one that is there makes an empty
  /// successor, to which all processes move; only the segment's owner can make one.
  /// when_full, max_value_bytes and stripes belong to the segment too. One that is given and is not what is there makes
  /// a successor if a capacity is given, and is refused if none is. What is not given is left to what is there.
  std::optional<ByteCount> capacity_bytes = {};
  Ttl default_ttl = kForever;
  std::optional<WhenFull> when_full = {};  ///< none: what is there or is succeeded, else WhenFull::evict
  /// Of a new segment, set explicitly whatever the umask. One that is there is refused if it gives others more.
  ::mode_t mode = 0600;
  std::optional<::uid_t> owner = {};  ///< whose segment it is; none: the effective user's own
  bool read_only = false;             ///< maps without write access; every write answers Code::read_only

  // Speed.
  /// The largest value wanted; larger ones cost stripes, since a value must fit two sevenths of the chunks of one
  /// (a sixteenth under WhenFull::reject). None: what is there, else 1 MiB or what a small capacity allows.
  std::optional<ByteCount> max_value_bytes = {};
  /// Independent parts, each with its own lock: a power of two, 1 to 64. None: what is there, else by capacity.
  std::optional<unsigned> stripes = {};
  /// How long a call waits for a lock that a living process holds, before a write answers busy and a read a miss.
  std::chrono::milliseconds lock_timeout{1000};
};

/// Why a segment could not be opened. what() names the option, the bound or path, and the remedy.
class FORKLORE_EXPORT OpenError : public std::system_error {
 public:
  using std::system_error::system_error;
};

/// Throws OpenError (invalid_argument) for the first option with which no segment could be opened. Opens nothing.
FORKLORE_EXPORT void check_options(const Options& options);

/// What opening would take of this host's memory or disk.
struct Need {
  std::filesystem::path path;  ///< the file of the segment; empty for Place::anonymous
  std::uint64_t bytes = 0;     ///< that are not taken yet; 0: a segment of that capacity is there
  std::string shortage;        ///< if they are not to be had: both numbers, whose limit it is, the remedy. Else empty
};

/// What opening with these options would take now, where so many other bytes are to be taken beside it. Opens nothing.
/// Throws as check_options() does.
[[nodiscard]] FORKLORE_EXPORT Need need_of(const Options& options, std::uint64_t beside = 0);

}  // namespace forklore
