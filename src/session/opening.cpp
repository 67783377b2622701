#include "session/opening.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "session/header.hpp"
#include "session/naming.hpp"
#include "session/need.hpp"
#include "session/permission.hpp"
#include "session/refusal.hpp"

namespace forklore::session {
namespace {

using std::filesystem::path;

/// Waits a moment for the process that holds the lock. Throws after 10 seconds of waiting. The time in which this
/// process makes a segment itself, or is stopped, does not count.
class Patience {
 public:
  explicit Patience(const path& file) : file_(file) {}
  void wait() {
    if (waited_ >= std::chrono::seconds(10)) {
      fail(std::errc::timed_out, {.path = file_,
                                  .fault = "another process has kept it locked for 10 seconds while making it",
                                  .remedy = "try again, or see what that process waits for (fuser shows it)"});
    }
    const auto begin = std::chrono::steady_clock::now();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    waited_ += std::min<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - begin, kMost);
  }

 private:
  static constexpr std::chrono::milliseconds kMost{20};  // the longest single wait that counts
  const path& file_;
  std::chrono::nanoseconds waited_{0};
};

/// The description of a finished segment, none of an unfinished one; throws for a damaged one.
std::optional<store::Description> describe_file(const path& name, const base::File& f) {
  const FileHeader header = read_header(f);
  if (!header.fault.empty()) {
    fail(std::errc::bad_message, {.path = name, .fault = header.fault, .remedy = "remove it to begin anew"});
  }
  return header.description;
}

base::LockDomain own_domain(bool named) {
  const base::DomainLookup lookup = base::lock_domain();
  if (lookup.known || !named) return lookup.domain;
  const std::string unknown = ", so it cannot be known with whom locks may be shared";
  const Message or_anonymous = Message(", or use ") + Message(Option::place, "anonymous");
  if (lookup.proc_of_others) {
    fail(std::errc::not_supported, {.path = "/proc",
                                    .fault = "is not that of this pid namespace" + unknown,
                                    .remedy = Message("mount it") + or_anonymous});
  }
  const std::error_code why(lookup.why, std::generic_category());
  if (why != std::errc::no_such_file_or_directory && why != std::errc::permission_denied) {
    fail(why, {.path = lookup.file, .fault = "cannot read it"});
  }
  fail(std::errc::not_supported, {.path = lookup.file,
                                  .fault = "cannot be read (" + why.message() + ")" + unknown,
                                  .remedy = Message("mount /proc whole") + or_anonymous});
}

/// Makes an empty or unfinished file a segment. It is locked exclusively.
void fill(const path& name, base::File& f, const store::Shape& shape, const Options& options) {
  const store::Geometry geometry = plan_or_throw(shape);
  const std::uint64_t bytes = geometry.shape.capacity;
  const std::uint64_t more = bytes - std::min(bytes, f.size());  // what an unfinished segment has taken is there
  if (!f.promises_allocation()) {
    fail(std::errc::not_supported, {.path = name,
                                    .fault = "its file system does not keep what it allocates (SIGBUS is possible)",
                                    .remedy = "use one that does, such as tmpfs, ext4 or xfs"});
  }
  if (auto shortage = shortage_of(name, bytes, more, options.place)) {
    fail(std::errc::not_enough_memory, *std::move(shortage));
  }
  if (options.owner && *options.owner != ::geteuid() &&
      ::fchown(f.descriptor(), *options.owner, static_cast<::gid_t>(-1)) != 0) {
    fail(std::error_code(errno, std::generic_category()),
         {.option = Option::owner, .path = name, .fault = "cannot give it to user " + std::to_string(*options.owner)});
  }
  std::error_code error;
  f.allocate(bytes, error);
  if (error) fail(error, {.option = Option::capacity_bytes, .path = name, .fault = "cannot take " + in_words(bytes)});
  base::Mapping mapping = base::Mapping::map(f, false, error);
  if (error) fail(error, {.path = name, .fault = "cannot map it"});
  const base::FileIdentity identity = f.identity();
  store::Segment::create(mapping.data(), geometry, own_domain(options.place != Place::anonymous),
                         {identity.device, identity.inode});
}

/// Makes the file under name a segment. Returns false if another process does it now, or has done it.
bool create(const path& name, const store::Shape& shape, const Options& options) {
  std::error_code error;
  base::File f = base::File::open(name, base::File::Access::create, options.mode, error);
  if (error) fail_to_open(name, error, options, true);
  if (!f.try_lock(base::FileLock::exclusive) || f.identity() != base::identity_of(name)) return false;
  if (f.size() != 0) {
    check_file(name, f, options);
    if (describe_file(name, f)) return false;
  }
  try {
    fill(name, f, shape, options);
  } catch (...) {
    if (f.identity() == base::identity_of(name)) ::unlink(name.c_str());
    throw;
  }
  return true;
}

/// Puts a segment of the shape that options ask for in the place of the one under name. It keeps when_full unless they
/// give it.
void succeed(const path& name, const Options& options) {
  const path next = successor_of(name);
  std::error_code error;
  base::File f = base::File::open(next, base::File::Access::create, options.mode, error);
  if (error) fail_to_open(next, error, options, true);
  if (!f.try_lock(base::FileLock::exclusive) || f.identity() != base::identity_of(next)) return;
  // What a death has left there is used; what somebody else has put there stays.
  if (!f.is_regular() || (f.owner() != ::geteuid() && f.owner() != options.owner.value_or(::geteuid()))) {
    fail(std::errc::permission_denied, {.path = next,
                                        .fault = "is in the way and belongs to user " + std::to_string(f.owner()),
                                        .remedy = "have it removed"});
  }
  static_cast<void>(describe_file(next, f));
  try {
    if (::fchmod(f.descriptor(), options.mode) != 0) {
      fail(std::error_code(errno, std::generic_category()), {.path = next, .fault = "cannot set its mode"});
    }
    base::File old = base::File::open(name, base::File::Access::read, options.mode, error);
    const auto now = error ? std::nullopt : describe_file(name, old);
    if (now && !difference(options, now->geometry.shape)) {
      ::unlink(next.c_str());  // somebody else was faster
      return;
    }
    store::Shape shape = wanted_shape(options);
    if (now && !options.when_full) shape.reject = now->geometry.shape.reject;
    fill(next, f, shape, options);
    if (::rename(next.c_str(), name.c_str()) != 0) {
      fail(std::error_code(errno, std::generic_category()),
           {.path = name, .fault = "cannot put its successor in its place"});
    }
  } catch (...) {
    ::unlink(next.c_str());
    throw;
  }
}

/// Gives a segment to this process's domain if nobody else is attached to it; throws if somebody is.
void adopt(const path& name, const base::LockDomain& domain, const Options& options) {
  std::error_code error;
  base::File f = base::File::open(name, base::File::Access::read_write, options.mode, error);
  if (error) return;
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(500);
  while (!f.try_lock(base::FileLock::exclusive)) {
    if (std::chrono::steady_clock::now() > until) {
      fail(std::errc::device_or_resource_busy,
           {.path = name,
            .fault = "is in use in another pid namespace (another container?), where thread ids mean other threads, "
                     "so locks cannot be shared",
            .remedy = Message("run both in one (docker: --pid, Kubernetes: shareProcessNamespace), or give each a ") +
                      Option::name + " of its own"});
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  if (f.identity() != base::identity_of(name)) return;
  const auto description = describe_file(name, f);
  if (!description) return;
  if (description->domain.boot_id != domain.boot_id && !description->clean) {
    // The machine went down while the file was in use. Its pages may have reached the disk in any order.
    fill(name, f, description->geometry.shape, options);
    return;
  }
  base::Mapping mapping = base::Mapping::map(f, false, error);
  if (error) fail(error, {.path = name, .fault = "cannot map it"});
  const base::FileIdentity identity = f.identity();
  store::Segment::adopt(mapping.data(), *description, domain, {identity.device, identity.inode});
}

std::unique_ptr<View> map_view(const path& name, base::File f, const store::Description& description,
                               const Options& options) {
  std::error_code error;
  const base::FileIdentity identity = f.identity();
  base::Mapping mapping = base::Mapping::map(f, options.read_only, error);
  if (error) fail(error, {.path = name, .fault = "cannot map it"});
  auto view = std::make_unique<View>(std::move(mapping), description, !options.read_only, identity, name);
  const int descriptor = f.release();
  ::close(descriptor);  // from here on the mapping holds the shared lock
  if (!base::lock_is_held(name)) {
    // Not so on this file system (overlay). Hold the lock by a descriptor, and make sure that it is still the same
    // file.
    base::File again = base::File::open(
        name, options.read_only ? base::File::Access::read : base::File::Access::read_write, options.mode, error);
    if (error || !again.try_lock(base::FileLock::shared) || again.identity() != identity) return nullptr;
    view->descriptor = base::move_descriptor_up(again.release());
  }
  if (options.place == Place::file && !options.read_only) view->segment.set_clean(false);
  return view;
}

}  // namespace

std::unique_ptr<View> open_view(const path& name, const Options& options, const Wish& wish) {
  const base::LockDomain domain = own_domain(true);
  const auto access = options.read_only ? base::File::Access::read : base::File::Access::read_write;
  const bool may_own = !options.owner || *options.owner == ::geteuid() || ::geteuid() == 0;
  const bool may_make = !wish.must_exist && !options.read_only && may_own;
  bool made = false;
  for (Patience patience(name);; patience.wait()) {
    std::error_code error;
    base::File f = base::File::open(name, access, options.mode, error);
    if (error == std::errc::no_such_file_or_directory && may_make) {
      made |= create(name, wish.shape, options);
      continue;
    }
    if (error) fail_to_open(name, error, options, may_make);
    if (!f.try_lock(base::FileLock::shared) || f.identity() != base::identity_of(name)) continue;

    check_file(name, f, options);
    const auto description = describe_file(name, f);
    if (!description) {
      if (!may_make) {
        fail(std::errc::no_such_file_or_directory, {.path = name,
                                                    .fault = "nobody has finished making it",
                                                    .remedy = "its owner does by opening it for writing"});
      }
      f = {};
      made |= create(name, wish.shape, options);
      continue;
    }
    if (auto differs = difference(options, description->geometry.shape)) {
      check_successor(name, f, options, *std::move(differs));
      f = {};
      succeed(name, options);
      continue;
    }
    const base::FileIdentity identity = f.identity();
    if (description->domain != domain || description->origin != store::Origin{identity.device, identity.inode}) {
      if (options.read_only) {
        fail(std::errc::not_supported, {.option = Option::read_only,
                                        .path = name,
                                        .fault = "it comes from another boot or pid namespace",
                                        .remedy = "open it for writing"});
      }
      f = {};
      adopt(name, domain, options);
      continue;
    }
    if (auto view = map_view(name, std::move(f), *description, options)) {
      view->made = made;
      return view;
    }
  }
}

bool is_as_asked(const path& name, const Options& options, const View& view) {
  std::error_code error;
  const base::File f = base::File::open(name, base::File::Access::read, options.mode, error);
  if (error || f.identity() != view.identity) return false;
  check_file(name, f, options);
  return !difference(options, view.segment.geometry().shape);
}

std::unique_ptr<View> open_anonymous(const Options& options) {
  std::error_code error;
  const path name = "anonymous:" + options.name;
  base::File f = base::File::anonymous(("forklore-" + options.name).c_str(), error);
  if (error) fail(error, {.path = name, .fault = "cannot make it"});
  fill(name, f, wanted_shape(options), options);
  const auto description = describe_file(name, f);
  base::Mapping mapping = base::Mapping::map(f, false, error);
  if (error || !description) fail(error, {.path = name, .fault = "cannot map it"});
  return std::make_unique<View>(std::move(mapping), *description, true, base::FileIdentity{}, name);
}

void close_file(const path& name, base::FileIdentity identity) noexcept {
  std::error_code error;
  base::File f = base::File::open(name, base::File::Access::read_write, 0600, error);
  if (error || f.identity() != identity || !f.try_lock(base::FileLock::exclusive) ||
      f.identity() != base::identity_of(name)) {
    return;
  }
  base::Mapping mapping;
  try {
    mapping = base::Mapping::map(f, false, error);
  } catch (const std::exception&) {
    return;
  }
  if (error || mapping.size() < sizeof(store::SegmentHeader)) return;
  mapping.flush();
  // Release; partner: the next exclusive flock on the file. All else reaches the disk before, by the first flush().
  reinterpret_cast<store::SegmentHeader*>(mapping.data())->clean.store(1, std::memory_order_release);
  mapping.flush();
}

}  // namespace forklore::session
