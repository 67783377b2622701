#include "session/opening.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <thread>

#include "session/header.hpp"
#include "session/naming.hpp"
#include "session/need.hpp"
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
      fail(std::errc::timed_out,
           file_.string() + ": another process has kept it locked for 10 seconds while making it");
    }
    const auto begin = std::chrono::steady_clock::now();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    waited_ += std::min<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - begin, kMost);
  }

 private:
  static constexpr std::chrono::milliseconds kMost{20};  // that one moment counts
  const path& file_;
  std::chrono::nanoseconds waited_{0};
};

std::string octal(::mode_t mode) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "0%o", static_cast<unsigned>(mode));
  return text.data();
}

void check_file(const path& file, const base::File& f, const Options& options) {
  if (!f.is_regular()) fail(std::errc::invalid_argument, file.string() + ": is not a regular file");
  const ::uid_t owner = options.owner.value_or(::geteuid());
  if (f.owner() != owner) {
    fail(std::errc::permission_denied, file.string() + ": belongs to user " + std::to_string(f.owner()) + ", not to " +
                                           std::to_string(owner) + "; set owner to share another user's segment");
  }
  if (((f.mode() & 0066) & ~options.mode) != 0) {
    fail(std::errc::permission_denied, file.string() + ": others may read or write it (its mode is " + octal(f.mode()) +
                                           "), which mode does not allow; set mode to that, or chmod it");
  }
}

/// Why there is no file, or none could be made.
[[noreturn]] void fail_to_open(const path& name, std::error_code error, const Options& options, bool may_make) {
  if (error == std::errc::too_many_symbolic_link_levels) fail(error, name.string() + ": is a symbolic link");
  if (error == std::errc::is_a_directory) fail(error, name.string() + ": is a directory; give the path of a file");
  if (error == std::errc::no_such_file_or_directory) {
    const path directory = name.parent_path();
    if (!std::filesystem::exists(directory)) {
      fail(error, name.string() + ": path: there is no directory " + directory.string() + "; make it first");
    }
    if (!may_make) {
      const std::string whose = std::to_string(options.owner.value_or(::geteuid()));
      const std::string others = owned_by_others(options);
      const std::string check =
          options.place == Place::file ? "check path" : "check name, and owner (now user " + whose + ")";
      fail(error, name.string() + ": there is no such segment; " + (others.empty() ? check : others) +
                      "; its owner makes one by opening it for writing");
    }
  }
  if (error == std::errc::permission_denied) {
    fail(error, name.string() + ": user " + std::to_string(::geteuid()) + " may not " +
                    (options.read_only ? "read" : "write") +
                    " it; have the permissions of it and its directory changed, or choose another " +
                    (options.place == Place::file ? "path" : "name"));
  }
  fail(error, name.string() + ": cannot open it");
}

/// The description of a finished segment, none of an unfinished one; throws for a damaged one.
std::optional<store::Description> describe_file(const path& name, const base::File& f) {
  const FileHeader header = read_header(f);
  if (!header.fault.empty()) {
    fail(std::errc::bad_message, name.string() + ": " + header.fault + "; remove it to begin anew");
  }
  return header.description;
}

base::LockDomain own_domain(bool named) {
  const base::DomainLookup lookup = base::lock_domain();
  if (lookup.known || !named) return lookup.domain;
  const std::string unknown = "so it cannot be known with whom locks may be shared; ";
  if (lookup.proc_of_others) {
    fail(std::errc::not_supported,
         "/proc is not that of this pid namespace, " + unknown + "mount it, or use place = anonymous");
  }
  const std::error_code why(lookup.why, std::generic_category());
  if (why != std::errc::no_such_file_or_directory && why != std::errc::permission_denied) {
    fail(why, std::string(lookup.file) + ": cannot read it");
  }
  fail(std::errc::not_supported, std::string(lookup.file) + ": cannot be read (" + why.message() + "), " + unknown +
                                     "mount /proc whole, or use place = anonymous");
}

/// Makes an empty or unfinished file a segment. It is locked exclusively.
void fill(const path& name, base::File& f, const store::Shape& shape, const Options& options) {
  const store::Geometry geometry = plan_or_throw(shape);
  const std::uint64_t bytes = geometry.shape.capacity;
  const std::uint64_t more = bytes - std::min(bytes, f.size());  // what an unfinished segment has taken is there
  if (!f.promises_allocation()) {
    fail(std::errc::not_supported,
         name.string() + ": its file system does not keep what it allocates (SIGBUS is possible); use another");
  }
  if (const std::string shortage = shortage_of(name, bytes, more, options.place); !shortage.empty()) {
    fail(std::errc::not_enough_memory, name.string() + ": " + shortage);
  }
  if (options.owner && *options.owner != ::geteuid() &&
      ::fchown(f.descriptor(), *options.owner, static_cast<::gid_t>(-1)) != 0) {
    fail(std::error_code(errno, std::generic_category()),
         name.string() + ": owner: cannot give it to user " + std::to_string(*options.owner));
  }
  std::error_code error;
  f.allocate(bytes, error);
  if (error) fail(error, name.string() + ": cannot take " + in_words(bytes));
  base::Mapping mapping = base::Mapping::map(f, false, error);
  if (error) fail(error, name.string() + ": cannot map it");
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
    fail(std::errc::permission_denied,
         next.string() + ": is in the way and belongs to user " + std::to_string(f.owner()) + "; have it removed");
  }
  static_cast<void>(describe_file(next, f));
  try {
    if (::fchmod(f.descriptor(), options.mode) != 0) {
      fail(std::error_code(errno, std::generic_category()), next.string() + ": cannot set its mode");
    }
    base::File old = base::File::open(name, base::File::Access::read, options.mode, error);
    const auto now = error ? std::nullopt : describe_file(name, old);
    if (now && difference(options, now->geometry.shape).empty()) {
      ::unlink(next.c_str());  // somebody else was faster
      return;
    }
    store::Shape shape = wanted_shape(options);
    if (now && !options.when_full) shape.reject = now->geometry.shape.reject;
    fill(next, f, shape, options);
    if (::rename(next.c_str(), name.c_str()) != 0) {
      fail(std::error_code(errno, std::generic_category()), name.string() + ": cannot put its successor in its place");
    }
  } catch (...) {
    ::unlink(next.c_str());
    throw;
  }
}

/// Throws unless options allow a successor of f, which differs from what they ask for.
void check_successor(const path& name, const base::File& f, const Options& options, const std::string& differs) {
  const std::string what = name.string() + ": " + differs + "; ";
  if (!options.capacity_bytes) {
    fail(std::errc::invalid_argument,
         what + "leave it out to take what is there, or give capacity_bytes to put an empty successor in its place");
  }
  if (options.read_only) {
    fail(std::errc::permission_denied, what + "a read_only handle cannot replace it: leave them out");
  }
  if (::geteuid() != f.owner() && ::geteuid() != 0) {
    fail(std::errc::permission_denied, what + "only its owner, user " + std::to_string(f.owner()) +
                                           ", can replace it: leave out capacity_bytes to take what is there");
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
           name.string() +
               ": is in use in another pid namespace (another container?), where thread ids mean other threads, so "
               "locks cannot be shared; run both in one (docker: --pid, Kubernetes: shareProcessNamespace), or give "
               "each a name of its own");
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
  if (error) fail(error, name.string() + ": cannot map it");
  const base::FileIdentity identity = f.identity();
  store::Segment::adopt(mapping.data(), *description, domain, {identity.device, identity.inode});
}

std::unique_ptr<View> map_view(const path& name, base::File f, const store::Description& description,
                               const Options& options) {
  std::error_code error;
  const base::FileIdentity identity = f.identity();
  base::Mapping mapping = base::Mapping::map(f, options.read_only, error);
  if (error) fail(error, name.string() + ": cannot map it");
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
      if (!may_make) fail(std::errc::no_such_file_or_directory, name.string() + ": nobody has finished making it");
      f = {};
      made |= create(name, wish.shape, options);
      continue;
    }
    if (const std::string differs = difference(options, description->geometry.shape); !differs.empty()) {
      check_successor(name, f, options, differs);
      f = {};
      succeed(name, options);
      continue;
    }
    const base::FileIdentity identity = f.identity();
    if (description->domain != domain || description->origin != store::Origin{identity.device, identity.inode}) {
      if (options.read_only) {
        fail(std::errc::not_supported,
             name.string() + ": comes from another boot or pid namespace; open it for writing");
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
  return difference(options, view.segment.geometry().shape).empty();
}

std::unique_ptr<View> open_anonymous(const Options& options) {
  std::error_code error;
  const path name = "anonymous:" + options.name;
  base::File f = base::File::anonymous(("forklore-" + options.name).c_str(), error);
  if (error) fail(error, name.string() + ": cannot make it");
  fill(name, f, wanted_shape(options), options);
  const auto description = describe_file(name, f);
  base::Mapping mapping = base::Mapping::map(f, false, error);
  if (error || !description) fail(error, name.string() + ": cannot map it");
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
