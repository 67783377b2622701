// mapping.hpp - Bytes that processes share: files, their locks, and mappings of them.
//
// Attached means: a shared flock is held on the open file description through which the segment is mapped. The
// descriptor is closed at once. The mapping keeps the description, and so the lock: over fork and over what daemons
// close, until the last unmap, exec or death. A self-test after mapping finds file systems that do not do that. There
// the descriptor is kept, close-on-exec, and with a high number that no daemon closes. A lock is never converted and
// never unlocked (protocol 10).
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

/// The file that a name means now. Links are not followed. All zero if there is none.
FileIdentity identity_of(const std::filesystem::path& path) noexcept;

enum class FileLock : std::uint8_t { none, shared, exclusive };

/// An open file, closed with the object. Opened with O_NOFOLLOW and O_CLOEXEC.
class File {
 public:
  /// create: read and write, and made if it is not there.
  enum class Access : std::uint8_t { read, read_write, create };
  /// Opens path. A file that is made here gets exactly mode, whatever the umask.
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
  /// Whether the file system keeps the memory that it allocated. False for NFS, btrfs, zfs and others: there a mapping
  /// may end in SIGBUS.
  [[nodiscard]] bool promises_allocation() const noexcept;

  /// Tries for the lock, and does not wait. False if another description holds one that excludes it.
  bool try_lock(FileLock lock) noexcept;
  /// Empties the file, then allocates all of its memory, in pieces. A piece that is interrupted is tried again. The
  /// caller has checked that there is enough (shortage.hpp).
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
  /// Maps all of file. The caller may close file afterwards if lock_is_held() says that the lock stays.
  static Mapping map(const File& file, bool read_only, std::error_code& error);

  Mapping() noexcept;
  Mapping(Mapping&&) noexcept;
  Mapping& operator=(Mapping&&) noexcept;
  ~Mapping();

  [[nodiscard]] std::byte* data() const noexcept;
  [[nodiscard]] std::size_t size() const noexcept;
  /// Flushes to the file behind it and waits.
  void flush() noexcept;
  /// Puts private zero pages over the file's, at the same addresses. So the file and its lock are let go, and a thread
  /// that is still in a call reads zeros and writes nowhere. Other processes notice nothing (protocol 31).
  void retire() noexcept;

 private:
  struct Region;
  std::unique_ptr<Region> region_;
};

/// Whether a mapping of the file at path keeps the shared flock after the descriptor was closed. Tried out: then a
/// second description cannot lock the file exclusively.
bool lock_is_held(const std::filesystem::path& path) noexcept;

/// Moves a descriptor to a high number (512 and up), close-on-exec. Daemons close the low ones.
int move_descriptor_up(int descriptor) noexcept;

}  // namespace forklore::base
