#include "base/mapping.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <boost/interprocess/exceptions.hpp>
#include <boost/interprocess/mapped_region.hpp>
#include <cerrno>
#include <utility>

#include "base/huge_pages.hpp"

namespace forklore::base {
namespace {

constexpr std::uint64_t kPiece = 16u << 20;
constexpr std::uint64_t kSmallestPiece = 64u << 10;
constexpr int kHighDescriptor = 512;
constexpr int kOpenFlags = O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;  // so that opening a pipe does not block

std::error_code last_error() noexcept { return {errno, std::generic_category()}; }

FileIdentity identity_in(const struct stat& status) noexcept { return {status.st_dev, status.st_ino}; }

// All zero if the descriptor is not open: no regular file, no size, nobody's inode.
struct stat status_of(int descriptor) noexcept {
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) status = {};
  return status;
}

int flock_retrying(int descriptor, int operation) noexcept {
  int result = 0;
  do result = ::flock(descriptor, operation);
  while (result != 0 && errno == EINTR);
  return result;
}

// Makes the file with exactly mode. -1 and errno if it is there already or cannot be made.
int make(const char* path, ::mode_t mode) noexcept {
  const int descriptor = ::open(path, O_RDWR | O_CREAT | O_EXCL | kOpenFlags, mode);
  if (descriptor < 0 || ::fchmod(descriptor, mode) == 0) return descriptor;
  const int why = errno;
  ::unlink(path);
  ::close(descriptor);
  errno = why;
  return -1;
}

// What Boost.Interprocess asks of something mappable.
struct Mappable {
  int descriptor;
  [[nodiscard]] boost::interprocess::mapping_handle_t get_mapping_handle() const noexcept {
    return boost::interprocess::ipcdetail::mapping_handle_from_file_handle(descriptor);
  }
};

}  // namespace

FileIdentity identity_of(const std::filesystem::path& path) noexcept {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0 ? identity_in(status) : FileIdentity{};
}

File File::open(const std::filesystem::path& path, Access access, ::mode_t mode, std::error_code& error) noexcept {
  error.clear();
  const int read_or_write = access == Access::read ? O_RDONLY : O_RDWR;
  // Others may remove the file between the two attempts, and make it again.
  for (int attempt = 0;; ++attempt) {
    int descriptor = access == Access::create ? make(path.c_str(), mode) : -1;
    const bool is_there = access != Access::create || (descriptor < 0 && errno == EEXIST);
    if (is_there) descriptor = ::open(path.c_str(), read_or_write | kOpenFlags);
    if (descriptor >= 0) return File(descriptor);
    const bool vanished = access == Access::create && is_there && errno == ENOENT;
    if ((vanished && attempt < 100) || errno == EINTR) continue;
    error = last_error();
    return {};
  }
}

File File::anonymous(const char* name, std::error_code& error) noexcept {
  error.clear();
  File file(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file) error = last_error();
  return file;
}

File::File(File&& other) noexcept : descriptor_(other.release()) {}

File& File::operator=(File&& other) noexcept {
  if (this != &other) {
    if (descriptor_ >= 0) ::close(descriptor_);
    descriptor_ = other.release();
  }
  return *this;
}

File::~File() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

FileIdentity File::identity() const noexcept { return identity_in(status_of(descriptor_)); }
std::uint64_t File::size() const noexcept { return static_cast<std::uint64_t>(status_of(descriptor_).st_size); }
::uid_t File::owner() const noexcept { return status_of(descriptor_).st_uid; }
::mode_t File::mode() const noexcept { return status_of(descriptor_).st_mode & 07777; }
bool File::is_regular() const noexcept { return S_ISREG(status_of(descriptor_).st_mode); }
int File::release() noexcept { return std::exchange(descriptor_, -1); }

bool File::promises_allocation() const noexcept {
  struct statfs system {};
  if (::fstatfs(descriptor_, &system) != 0) return false;
  switch (static_cast<std::uint32_t>(system.f_type)) {
    case 0x6969:      // NFS
    case 0xff534d42:  // CIFS
    case 0xfe534d42:  // SMB2
    case 0x01021997:  // 9p
    case 0x65735546:  // FUSE
    case 0x9123683e:  // btrfs
    case 0x2fc12fc1:  // ZFS
    case 0xca451a4e:  // bcachefs
      return false;
    default:
      return true;
  }
}

bool File::try_lock(FileLock lock) noexcept {
  if (lock == FileLock::none) return true;
  return flock_retrying(descriptor_, (lock == FileLock::shared ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0;
}

void File::allocate(std::uint64_t bytes, std::error_code& error) noexcept {
  error.clear();
  if (bytes == 0 || bytes > static_cast<std::uint64_t>(INT64_MAX)) {
    error = std::make_error_code(std::errc::invalid_argument);
    return;
  }
  if (::ftruncate(descriptor_, 0) != 0) {
    error = last_error();
    return;
  }
  // Files of tmpfs answer, others do not. One that may not be sealed says so.
  const int seals = ::fcntl(descriptor_, F_GET_SEALS);
  if (seals >= 0 && ::ftruncate(descriptor_, static_cast<::off_t>(bytes)) == 0) take_huge_pages(descriptor_, bytes);
  std::uint64_t piece = kPiece;
  for (std::uint64_t taken = 0; taken < bytes;) {
    const std::uint64_t now = std::min(piece, bytes - taken);
    const int failure = ::posix_fallocate(descriptor_, static_cast<::off_t>(taken), static_cast<::off_t>(now));
    if (failure == 0) {
      taken += now;
    } else if (failure == EINTR) {
      piece = std::max(piece / 2, kSmallestPiece);  // else a quick timer's signals could interrupt each one for ever
    } else {
      error = {failure, std::generic_category()};
      if (::ftruncate(descriptor_, 0) != 0) return;  // the first failure is the one to tell
      return;
    }
  }
  if (seals < 0 || (seals & F_SEAL_SEAL) != 0) return;
  if (::fcntl(descriptor_, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) error = last_error();
}

bool File::read_start(void* to, std::size_t bytes) const noexcept {
  auto* out = static_cast<char*>(to);
  for (std::size_t done = 0; done < bytes;) {
    const ssize_t got = ::pread(descriptor_, out + done, bytes - done, static_cast<::off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    done += static_cast<std::size_t>(got);
  }
  return true;
}

struct Mapping::Region {
  boost::interprocess::mapped_region mapped;
};

Mapping::Mapping() noexcept = default;
Mapping::Mapping(Mapping&&) noexcept = default;
Mapping& Mapping::operator=(Mapping&&) noexcept = default;
Mapping::~Mapping() = default;

Mapping Mapping::map(const File& file, bool read_only, std::error_code& error) {
  namespace ipc = boost::interprocess;
  error.clear();
  Mapping mapping;
  if (file.size() == 0) {
    error = std::make_error_code(std::errc::invalid_argument);
    return mapping;
  }
  const ipc::mode_t mode = read_only ? ipc::read_only : ipc::read_write;
  void* const room = reserve_aligned(file.size());
  try {
    ipc::mapped_region mapped = room == nullptr
                                    ? ipc::mapped_region(Mappable{file.descriptor()}, mode)
                                    : ipc::mapped_region(Mappable{file.descriptor()}, mode, 0, 0, room, MAP_FIXED);
    // Where there are no huge pages yet, the kernel may gather the memory in some later.
    ::madvise(mapped.get_address(), mapped.get_size(), MADV_HUGEPAGE);
    mapping.region_ = std::make_unique<Region>();
    mapping.region_->mapped.swap(mapped);
  } catch (const ipc::interprocess_exception& failure) {
    if (room != nullptr) ::munmap(room, file.size());
    const int native = failure.get_native_error();
    error = {native != 0 ? native : EINVAL, std::generic_category()};
  }
  return mapping;
}

std::byte* Mapping::data() const noexcept {
  return region_ ? static_cast<std::byte*>(region_->mapped.get_address()) : nullptr;
}

std::size_t Mapping::size() const noexcept { return region_ ? region_->mapped.get_size() : 0; }

void Mapping::flush() noexcept {
  if (region_) region_->mapped.flush(0, 0, false);
}

void Mapping::retire() noexcept {
  if (!region_) return;
  // If the kernel refuses (it is out of mappings), the file stays mapped, which is what it was.
  [[maybe_unused]] void* same =
      ::mmap(data(), size(), PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

bool lock_is_held(const std::filesystem::path& path) noexcept {
  std::error_code error;
  const File second = File::open(path, File::Access::read, 0, error);
  return second && flock_retrying(second.descriptor(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

int move_descriptor_up(int descriptor) noexcept {
  const int moved = ::fcntl(descriptor, F_DUPFD_CLOEXEC, kHighDescriptor);
  if (moved < 0) {
    ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);  // few descriptors are allowed: it stays where it is
    return descriptor;
  }
  ::close(descriptor);
  return moved;
}

}  // namespace forklore::base
