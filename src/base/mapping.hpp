// mapping.hpp - Getting bytes that processes share: files, their locks, and mappings of them.
//
// Attached means: a shared flock is held on the open file description through which the segment is mapped. The
// descriptor itself is closed at once; the mapping keeps the description, and so the lock, over fork, closed
// descriptors and daemonising until the last unmap, exec or death. Where a file system does not do that (a self-test
// after mapping finds out), the descriptor is kept, close-on-exec and out of the way of what daemonisers close.
// A lock is never converted and never unlocked.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <system_error>

namespace forklore::base {

/// Which file a descriptor or a name means, whatever it is called.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};

/// The file that a name means now (links not followed); all zero if there is none.
FileIdentity identity_of(const std::filesystem::path& path) noexcept;

enum class FileLock : std::uint8_t { none, shared, exclusive };

/// An open file, closed with the object. Opened with O_NOFOLLOW and O_CLOEXEC.
class File {
 public:
  enum class Access : std::uint8_t { read, read_write, create };  ///< create: read and write, made if it is not there
  /// Opens path. mode is that of a file made here, set explicitly whatever the umask.
  static File open(const std::filesystem::path& path, Access access, ::mode_t mode, std::error_code& error) noexcept;
  /// Memory without a name, sealed to its size (F_SEAL_SHRINK, GROW, SEAL) after allocate().
  static File anonymous(const char* name, std::error_code& error) noexcept;

  File() = default;
  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  ~File();

  explicit operator bool() const noexcept { return descriptor_ >= 0; }
  [[nodiscard]] int descriptor() const noexcept { return descriptor_; }
  [[nodiscard]] FileIdentity identity() const noexcept;
  [[nodiscard]] std::uint64_t size() const noexcept;
  [[nodiscard]] ::uid_t owner() const noexcept;
  [[nodiscard]] ::mode_t mode() const noexcept;
  [[nodiscard]] bool is_regular() const noexcept;
  /// Whether the file system may be trusted with a mapping's memory (false: NFS, btrfs, zfs: SIGBUS is possible).
  [[nodiscard]] bool promises_allocation() const noexcept;

  /// Tries for the lock without waiting. False if another description holds one that excludes it.
  bool try_lock(FileLock lock) noexcept;
  /// Empties the file, then takes its final size in pieces, retrying interrupted ones. Room was checked before.
  void allocate(std::uint64_t bytes, std::error_code& error) noexcept;
  /// Copies the first bytes of the file. False if there are fewer.
  bool read_start(void* to, std::size_t bytes) const noexcept;
  /// Gives the descriptor up without closing it.
  int release() noexcept;

 private:
  explicit File(int descriptor) noexcept : descriptor_(descriptor) {}
  int descriptor_ = -1;
};

/// A file mapped whole and shared, by Boost.Interprocess. Unmapped with the object.
class Mapping {
 public:
  /// Maps all of file. The caller may close file afterwards if keeps_lock() says that the lock stays.
  static Mapping map(const File& file, bool read_only, std::error_code& error);

  Mapping() noexcept;
  Mapping(Mapping&&) noexcept;
  Mapping& operator=(Mapping&&) noexcept;
  ~Mapping();

  [[nodiscard]] std::byte* data() const noexcept;
  [[nodiscard]] std::size_t size() const noexcept;
  /// Flushes to the file behind it and waits.
  void flush() noexcept;
  /// Puts private zero pages in place of the file's, at the same addresses: the file and its lock are let go, and a
  /// thread that is still inside a call reads nothing and writes nowhere. Nobody else is disturbed.
  void retire() noexcept;

 private:
  struct Region;
  std::unique_ptr<Region> region_;
};

/// Whether the mapping of the file at path keeps the shared flock once the descriptor is closed: a second description
/// must fail to lock it exclusively.
bool lock_is_held(const std::filesystem::path& path) noexcept;

/// Moves a descriptor out of the way of daemonisers and those who count from 3 (512 and up), close-on-exec.
int move_descriptor_up(int descriptor) noexcept;

}  // namespace forklore::base
