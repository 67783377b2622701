// options.hpp - How a segment is opened. Why it cannot be is in open_error.hpp.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <forklore/export.hpp>
#include <forklore/open_error.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace forklore {

/// A time to live. Zero or less means that it has expired already: the entry is not kept.
using Ttl = std::chrono::milliseconds;
inline constexpr Ttl kForever = Ttl::max();     ///< the entry never expires
inline constexpr Ttl kDefaultTtl = Ttl::min();  ///< the entry lives as long as Options::default_ttl says

inline constexpr std::size_t kMaxKeyBytes = 1024;  ///< keys are 1 to this many bytes
/// Whether key may be a key, or the name of a lock. It may have any bytes.
constexpr bool is_key(std::string_view key) noexcept { return !key.empty() && key.size() <= kMaxKeyBytes; }

// Units of sizes: .capacity_bytes = 4 * forklore::GiB.
inline constexpr std::size_t KiB = 1024;
inline constexpr std::size_t MiB = 1024 * KiB;
inline constexpr std::size_t GiB = 1024 * MiB;

/// A size, made only of 64-bit integers. An int does not compile, because it may not be what was meant: 4 << 30 is 0,
/// and 5 << 30 is 1 GiB.
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
  shm,        ///< POSIX shared memory, by name. It outlives its processes, and not a reboot
  file,       ///< the file Options::path. It survives an orderly reboot, and is emptied after any other
  anonymous,  ///< memory of this process and its later forks. Others cannot open it
};

/// What a write does when no room is left.
enum class WhenFull : std::uint8_t {
  evict,   ///< a cache: evicts the entries least worth keeping
  reject,  ///< shared state: never evicts a live entry, and answers Code::full if there is no room. There is always
           ///< room to erase, to touch, to increment what is there, and to overwrite it with as much or less:
           ///< docs/layout.md
};

struct Options {
  // Behaviour.
  /// 1 to 128 characters of A-Z a-z 0-9 . _ -, the first no dot. For each owner, one name is one segment.
  std::string name = {};
  Place place = Place::shm;
  std::filesystem::path path = {};  ///< the file; only used with Place::file
  /// The size of the whole segment, with index and headers: kMinCapacityBytes to kMaxCapacityBytes. None takes that of
  /// the segment that is there. If there is none, it is kDefaultCapacityBytes. Another size than the segment's makes
  /// an empty successor, to which all processes move. Only the segment's owner can make one.
  /// when_full, max_value_bytes and stripes belong to the segment as well. If one is given and differs from the
  /// segment's, a given capacity makes a successor. Without a capacity, it is refused. An option that is
  /// not given always matches.
  std::optional<ByteCount> capacity_bytes = {};
  Ttl default_ttl = kForever;
  std::optional<WhenFull> when_full = {};  ///< none: that of the segment, or of the one it succeeds, or evict
  /// The mode of a new segment, whatever the umask. A segment that is there is refused if its mode gives others more.
  ::mode_t mode = 0600;
  std::optional<::uid_t> owner = {};  ///< the user who owns the segment. None: the effective user
  bool read_only = false;             ///< maps the segment without write access. Every write answers Code::read_only

  // Speed.
  /// The largest value. It must fit two sevenths of a stripe's chunks; a sixteenth under WhenFull::reject. So larger
  /// values mean fewer stripes. None: that of the segment that is there, or 1 MiB, or what a small capacity allows.
  std::optional<ByteCount> max_value_bytes = {};
  /// How many independent parts there are, each with its own lock: a power of two, 1 to 64. None: as many as the
  /// segment that is there has, or as its capacity suggests.
  std::optional<unsigned> stripes = {};
  /// How long a call waits for a lock that a living process holds. After that a write answers busy, and a read a miss.
  std::chrono::milliseconds lock_timeout{1000};
};

/// Throws OpenError (invalid_argument) for the first option with which no segment could be opened. Opens nothing.
FORKLORE_EXPORT void check_options(const Options& options);

/// What opening would take of this host's memory or disk.
struct Need {
  std::filesystem::path path;      ///< the file of the segment; empty for Place::anonymous
  std::uint64_t bytes = 0;         ///< bytes to take. 0: a segment of that capacity is there
  std::optional<Reason> shortage;  ///< why they cannot be had: both numbers, whose limit it is, the remedy
};

/// Tells what opening with these options would take now. beside: bytes that other segments are to take as well. Opens
/// nothing. Throws as check_options() does.
[[nodiscard]] FORKLORE_EXPORT Need need_of(const Options& options, std::uint64_t beside = 0);

}  // namespace forklore
