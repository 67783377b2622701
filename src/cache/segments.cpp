// Segments as an operator sees them: by name, from outside.
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/mapping.hpp"
#include "cache/naming.hpp"
#include "cache/refusal.hpp"
#include "forklore/cache.hpp"
#include "store/segment.hpp"

namespace forklore {

/// Whether a file begins as a segment does, finished or not. Under a path, somebody's other file may lie.
static bool begins_as_segment(const base::File& file) {
  alignas(store::SegmentHeader) std::byte head[sizeof(store::SegmentHeader)] = {};
  const std::size_t bytes = std::min<std::uint64_t>(file.size(), sizeof head);
  if (!file.read_head(head, bytes)) return false;
  if (bytes == sizeof head && reinterpret_cast<store::SegmentHeader*>(head)->magic.load() == store::kMagic) return true;
  return std::all_of(head, head + bytes, [](std::byte byte) { return byte == std::byte{0}; });
}

/// Removes what the death of its maker has left, if nobody is at it and it may be removed.
static void remove_unfinished(const std::filesystem::path& path) {
  std::error_code error;
  base::File file = base::File::open(path, base::File::Access::read, 0600, error);
  if (error || !file.is_regular() || !file.try_lock(base::FileLock::exclusive)) return;
  if (begins_as_segment(file) && file.identity() == base::identity_of(path)) ::unlink(path.c_str());
}

bool remove_segment(std::string_view name, Place place) {
  Options options;
  options.place = place;
  if (place == Place::file) {
    options.path = name;
  } else {
    options.name = name;
  }
  check_options(options);
  if (place == Place::anonymous) return false;  // it has no name to take away
  const std::filesystem::path path = path_of(options);
  if (place == Place::shm) remove_unfinished(successor_of(path));
  std::error_code error;
  {
    const base::File file = base::File::open(path, base::File::Access::read, 0600, error);
    if (error == std::errc::no_such_file_or_directory) return false;
    if (error) fail(error, path.string() + ": cannot open it");
    if (place == Place::file && !begins_as_segment(file)) {
      fail(std::errc::invalid_argument, path.string() + ": is not a Forklore segment, so it is not removed");
    }
  }
  remove_unfinished(successor_of(path));
  if (::unlink(path.c_str()) == 0) return true;
  if (errno == ENOENT) return false;
  fail(std::error_code(errno, std::generic_category()), path.string() + ": cannot remove it");
}

std::vector<SegmentInfo> segments() {
  std::vector<SegmentInfo> found;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(kShmDirectory, error)) {
    SegmentInfo info;
    if (!parse_file_name(entry.path().filename().string(), info.owner, info.name)) continue;
    info.path = entry.path().string();
    base::File file = base::File::open(entry.path(), base::File::Access::read, 0600, error);
    if (error) continue;
    alignas(store::SegmentHeader) std::byte head[sizeof(store::SegmentHeader)];
    std::string fault;
    if (file.read_head(head, sizeof head)) {
      const auto description =
          store::describe(*reinterpret_cast<const store::SegmentHeader*>(head), file.size(), fault);
      if (description) info.capacity_bytes = description->geometry.shape.capacity;
    }
    info.attached = !file.try_lock(base::FileLock::exclusive);
    found.push_back(std::move(info));
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return found;
}

}  // namespace forklore
