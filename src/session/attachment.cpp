#include "session/attachment.hpp"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "base/clock.hpp"
#include "session/log_line.hpp"
#include "session/naming.hpp"
#include "session/opening.hpp"
#include "session/refusal.hpp"

namespace forklore {
namespace {

using session::Claimed;
using session::Thread;
using session::View;

/// All attachments of this process, by what they mean. fork() holds the mutex, so the child finds it free.
struct Registry {
  std::mutex mutex;  // RegistryLock takes it
  std::map<std::string, std::weak_ptr<Attachment>> attachments FORKLORE_GUARDED_BY(session::registry_mutex);

  Registry() {
    ::pthread_atfork([] { get().mutex.lock(); }, [] { get().mutex.unlock(); }, [] { get().mutex.unlock(); });
  }
  static Registry& get() {
    static auto* const registry = new Registry;  // never destroyed, as handles in static objects may outlive it
    return *registry;
  }
};

/// Holds the registry's mutex while it lives, or until unlock().
class FORKLORE_SCOPED_CAPABILITY RegistryLock {
 public:
  RegistryLock() FORKLORE_ACQUIRE(session::registry_mutex) : lock_(Registry::get().mutex) {}
  /// Takes the mutex only if it is free. Ask held().
  explicit RegistryLock(std::try_to_lock_t now) FORKLORE_EXCLUDES(session::registry_mutex)
      : lock_(Registry::get().mutex, now) {}
  ~RegistryLock() FORKLORE_RELEASE {}
  RegistryLock(const RegistryLock&) = delete;
  RegistryLock& operator=(const RegistryLock&) = delete;
  [[nodiscard]] bool held() const noexcept FORKLORE_TRY_ACQUIRE { return lock_.owns_lock(); }
  void unlock() FORKLORE_RELEASE { lock_.unlock(); }

 private:
  std::unique_lock<std::mutex> lock_;
};

std::string key_of(const Options& options) {
  const std::string place =
      options.place == Place::anonymous ? "anonymous:" + options.name : session::path_of(options).string();
  // With and without an owner, a name means the same segment now. Once this process has become another user, the
  // meaning may differ.
  return std::string(options.read_only ? "r" : "w") + (options.owner ? "o:" : ":") + place;
}

/// The same options, which take whatever segment is there.
Options asking_nothing(Options options) {
  options.capacity_bytes.reset();
  options.max_value_bytes.reset();
  options.stripes.reset();
  options.when_full.reset();
  return options;
}

}  // namespace

std::shared_ptr<Attachment> Attachment::obtain(const Options& options, bool must_exist) {
  check_options(options);
  RegistryLock lock;
  auto& known = Registry::get().attachments[key_of(options)];
  auto attachment = known.lock();
  const bool named = options.place != Place::anonymous;
  const std::filesystem::path path = session::path_of(options);
  if (attachment && named) {
    // By now the name may mean another segment. Or what is asked for replaces the one it means.
    if (attachment->view().lost || !session::is_as_asked(path, options, attachment->view())) {
      attachment->become(session::open_view(path, options, {session::wanted_shape(options), must_exist}));
    }
  } else if (attachment) {
    if (auto differs = session::difference(options, attachment->view().segment.geometry().shape)) {
      differs->path = attachment->path();
      differs->remedy =
          Message("this process has one of that name, which nothing replaces: take another ") + Option::name;
      session::fail(std::errc::invalid_argument, *std::move(differs));
    }
  }
  if (!attachment) {
    attachment = std::shared_ptr<Attachment>(new Attachment(options, must_exist));
    known = attachment;
    lock.unlock();
    if (const Message others = attachment->view().made ? session::owned_by_others(options) : Message();
        !others.empty()) {
      session::log_line("forklore: " + path.string() + " is new; " + others);
    }
  }
  return attachment;
}

void Attachment::look_again() {
  const RegistryLock lock;
  for (const auto& [key, known] : Registry::get().attachments) {
    if (const auto attachment = known.lock()) attachment->checked_.store(0, std::memory_order_relaxed);
  }
}

Attachment::Attachment(const Options& options, bool must_exist)
    : options_(asking_nothing(options)), opened_by_(::geteuid()) {
  if (options.place == Place::anonymous) {
    if (must_exist) {
      session::fail(std::errc::no_such_file_or_directory,
                    {.option = Option::name,
                     .path = "anonymous:" + options.name,
                     .fault = "this process has none of that name",
                     .remedy = "open it here, or before the fork, rather than attach to it"});
    }
    views_.push_back(session::open_anonymous(options));
  } else {
    views_.push_back(
        session::open_view(session::path_of(options), options, {session::wanted_shape(options), must_exist}));
  }
  checked_.store(base::boottime_ms(), std::memory_order_relaxed);
  current_.store(views_.back().get(), std::memory_order_release);  // partner: the acquire in view()
}

Attachment::~Attachment() {
  const base::FileIdentity last = views_.empty() || view().lost ? base::FileIdentity{} : view().identity;
  const std::filesystem::path path = views_.empty() ? std::filesystem::path() : view().path;
  for (const auto& view : views_) {
    if (view->descriptor >= 0) ::close(view->descriptor);
  }
  const bool had_one = !views_.empty();
  views_.clear();
  if (had_one && options_.place == Place::file && !options_.read_only) session::close_file(path, last);
}

void Attachment::become(std::unique_ptr<View> next) {
  View& old = view();
  if (next->identity == old.identity && !old.lost) return;
  views_.push_back(std::move(next));
  current_.store(views_.back().get(), std::memory_order_release);  // partner: the acquire in view()
  let_go(old);
  check_every_.store(kCheckEvery, std::memory_order_relaxed);
  trouble_.clear();
  reattachments_.fetch_add(1, std::memory_order_relaxed);
}

void Attachment::let_go(View& view) noexcept {
  view.mapping.retire();
  if (view.descriptor >= 0) ::close(std::exchange(view.descriptor, -1));
}

void Attachment::check_name(std::uint64_t boottime) noexcept {
  std::uint64_t before = checked_.load(std::memory_order_relaxed);
  const std::uint64_t every = check_every_.load(std::memory_order_relaxed);
  if (boottime - before < every || !checked_.compare_exchange_strong(before, boottime, std::memory_order_relaxed)) {
    return;
  }
  if (options_.place == Place::anonymous) return;
  Message line;
  try {
    if (base::identity_of(view().path) == view().identity && !view().lost) {
      line = note_other_user();
    } else {
      const RegistryLock lock(std::try_to_lock);
      if (!lock.held()) return;  // another thread opens or moves. The next check is in time
      line = move_on();
    }
  } catch (const std::exception&) {
    return;  // no memory for the words
  }
  if (!line.empty()) session::log_line(line);
}

Message Attachment::move_on() {
  View& old = view();
  const std::string what = "forklore: " + old.path.string() + " was removed or replaced; this process ";
  const std::filesystem::path now = session::path_of(options_);
  try {
    become(session::open_view(now, options_, {old.segment.geometry().shape, false}));
  } catch (const OpenError& error) {
    return lose(what, error.message());
  } catch (const std::exception& error) {
    return lose(what, std::string(error.what()));
  }
  if (now == old.path) return what + "has moved to the segment now there";
  return what + "is no longer user " + std::to_string(opened_by_) + ", and has moved to " + now.string();
}

Message Attachment::lose(const std::string& what, const Message& why) {
  View& old = view();
  // What is mapped is no longer the truth. A miss is better than a value that no other process sees.
  if (!old.lost.exchange(true, std::memory_order_relaxed)) {
    old.segment.forbid_writing();
    let_go(old);
  }
  check_every_.store(std::min(2 * check_every_.load(std::memory_order_relaxed), kCheckSlowest),
                     std::memory_order_relaxed);
  std::string trouble = why.said();
  if (trouble_ == trouble) return {};
  trouble_ = std::move(trouble);
  return what + "reads misses and writes nothing until it can open it again: " + why;
}

Message Attachment::note_other_user() {
  if (::geteuid() == opened_by_ || view().path == session::path_of(options_)) return {};
  if (noted_other_user_.exchange(true, std::memory_order_relaxed)) return {};
  const std::string then = std::to_string(opened_by_);
  const std::string now = std::to_string(::geteuid());
  return Message("forklore: ") + view().path.string() + " was opened as user " + then +
         ", and this process is now user " + now + ". Others of user " + now +
         " that open the name have another segment, and so has this process once this one is removed. " +
         "Open it after the change of user, or give " + Message(Option::owner, now) + " also as user " + then + "; " +
         Message(Option::mode, "0600") + " is enough then";
}

constinit thread_local Claimed Attachment::last;

void Attachment::recall(View& view) noexcept {
  Thread* const thread = Thread::get();
  Claimed forgotten;
  Claimed& mine = thread != nullptr ? thread->claimed[view.id % Thread::kKept] : forgotten;
  if (mine.view != view.id || mine.epoch != base::epoch()) claim(view, mine);
  last = mine;
}

void Attachment::claim(View& view, Claimed& mine) noexcept {
  // This thread uses the view for the first time, or for the first time after fork. A child may have been born in
  // another pid namespace.
  const std::uint32_t epoch = base::self().epoch;
  if (mine.epoch != epoch) {
    const base::DomainLookup lookup = base::lock_domain();
    const bool born_elsewhere =
        lookup.namespaces_known ? !lookup.domain.same_namespaces(view.domain) : lookup.proc_of_others;
    if (born_elsewhere && view.domain != base::LockDomain{}) view.segment.forbid_writing();
  }
  mine = {view.id, epoch, view.segment.writable() ? view.segment.counters().claim() : nullptr};
}

std::string Attachment::path() const {
  return options_.place == Place::anonymous ? "anonymous:" + options_.name : view().path.string();
}

}  // namespace forklore
