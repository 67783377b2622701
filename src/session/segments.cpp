// Lists and removes segments, as an operator sees them: by name, from outside, of every format and owner.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <tuple>

#include "base/mapping.hpp"
#include "forklore/cache.hpp"
#include "session/attachment.hpp"
#include "session/header.hpp"
#include "session/naming.hpp"
#include "session/refusal.hpp"
#include "store/segment.hpp"

namespace forklore {
namespace {

using session::fail;
using session::FileHeader;
using session::FileName;
using session::kShmDirectory;
using session::parse_file_name;
using session::path_of;
using session::read_header;
using session::successor_of;
using std::filesystem::path;

std::error_code last_error() noexcept { return {errno, std::generic_category()}; }

/// A file in shared memory, and what its name says.
struct Named {
  path where;
  FileName is;
};

std::vector<Named> named_files() {
  std::vector<Named> found;
  std::error_code error;
  for (std::filesystem::directory_iterator at(kShmDirectory, error), end; !error && at != end; at.increment(error)) {
    if (auto is = parse_file_name(at->path().filename().string())) found.push_back({at->path(), *std::move(is)});
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    fail(error, {.path = kShmDirectory, .fault = "cannot list it"});
  }
  return found;
}

/// Whether a file is a segment: finished or not, sound or not. A path may lead to somebody's other file.
bool is_segment(const base::File& file) { return read_header(file).kind != FileHeader::Kind::foreign; }

/// Removes what a dead maker has left, if no process uses it and this user may.
void remove_unfinished(const path& where) {
  std::error_code error;
  base::File file = base::File::open(where, base::File::Access::read, 0600, error);
  if (error || !file.is_regular() || !file.try_lock(base::FileLock::exclusive)) return;
  if (is_segment(file) && file.identity() == base::identity_of(where)) ::unlink(where.c_str());
}

/// Throws if another user owns the file. owner: the user that must own it. None: the caller, or any owner if
/// may_be_anybodys.
bool remove_file(const path& where, std::optional<::uid_t> owner, bool may_be_anybodys) {
  struct stat status {};
  remove_unfinished(successor_of(where));
  if (::lstat(where.c_str(), &status) != 0) {
    if (errno == ENOENT) return false;
    fail(last_error(), {.path = where, .fault = "cannot look at it"});
  }
  if (!S_ISREG(status.st_mode)) fail(std::errc::invalid_argument, {.path = where, .fault = "is not a regular file"});
  const std::string whose = std::to_string(status.st_uid);
  if (owner && status.st_uid != *owner) {
    fail(std::errc::permission_denied,
         {.option = Option::owner,
          .path = where,
          .fault = "it belongs to user " + whose + ", not to " + std::to_string(*owner) + ", so it is not removed",
          .bound = whose,
          .remedy = Message("give ") + Message(Option::owner, whose) + " if that one is meant"});
  }
  if (!may_be_anybodys && status.st_uid != ::geteuid() && ::geteuid() != 0) {
    fail(std::errc::permission_denied,
         {.path = where,
          .fault = "belongs to user " + whose,
          .remedy = "only that user and root may remove it, and this is user " + std::to_string(::geteuid())});
  }
  if (::unlink(where.c_str()) == 0) return true;
  if (errno == ENOENT) return false;
  fail(last_error(), {.path = where, .fault = "cannot remove it"});
}

bool remove_by_path(const path& where, std::optional<::uid_t> owner) {
  std::error_code error;
  {
    const base::File file = base::File::open(where, base::File::Access::read, 0600, error);
    if (error == std::errc::no_such_file_or_directory) return false;
    if (error) fail(error, {.path = where, .fault = "cannot open it"});
    if (!is_segment(file)) {
      fail(std::errc::invalid_argument, {.path = where, .fault = "is not a Forklore segment, so it is not removed"});
    }
  }
  return remove_file(where, owner, true);
}

/// Fills in what the file tells. Returns false if it cannot be read. Of another format only the size is known.
bool look_at(const Named& file, SegmentInfo& info) {
  std::error_code error;
  base::File opened = base::File::open(file.where, base::File::Access::read, 0600, error);
  // It is another user's, was removed meanwhile, or cannot be a segment.
  if (error == std::errc::permission_denied || error == std::errc::no_such_file_or_directory) return false;
  if (error == std::errc::too_many_symbolic_link_levels || (!error && !opened.is_regular())) return false;
  if (error) fail(error, {.path = file.where, .fault = "cannot open it"});
  info.bytes = opened.size();
  if (file.is.format == store::kFormatVersion) {
    const FileHeader header = read_header(opened);
    if (header.description) info.capacity_bytes = header.description->geometry.shape.capacity;
  }
  info.attached = !opened.try_lock(base::FileLock::exclusive);
  return true;
}

}  // namespace

static bool remove_as_named(std::string_view name, Place place, std::optional<::uid_t> owner) {
  Options options;
  options.place = place;
  options.owner = owner;
  if (place == Place::file) {
    options.path = name;
  } else {
    options.name = name;
  }
  check_options(options);
  if (place == Place::anonymous) return false;  // it has no name to remove
  if (place == Place::file) return remove_by_path(path_of(options), owner);
  bool removed = remove_file(path_of(options), owner, false);
  for (const Named& file : named_files()) {
    if (file.is.name == name && file.is.owner == owner.value_or(::geteuid())) {
      removed = remove_file(file.where, owner, false) || removed;
    }
  }
  return removed;
}

bool remove_segment(std::string_view name, Place place, std::optional<::uid_t> owner) {
  const bool removed = remove_as_named(name, place, owner);
  if (removed) Attachment::look_again();
  return removed;
}

std::vector<SegmentInfo> segments() {
  std::vector<SegmentInfo> found;
  for (Named& file : named_files()) {
    SegmentInfo info{
        .name = file.is.name, .path = file.where.string(), .owner = file.is.owner, .format = file.is.format};
    if (look_at(file, info)) found.push_back(std::move(info));
  }
  std::sort(found.begin(), found.end(), [](const SegmentInfo& a, const SegmentInfo& b) {
    return std::tie(a.name, a.owner, a.format) < std::tie(b.name, b.owner, b.format);
  });
  return found;
}

}  // namespace forklore
