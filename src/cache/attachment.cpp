#include "cache/attachment.hpp"

#include <pthread.h>
#include <unistd.h>

#include <array>
#include <map>
#include <utility>

#include "cache/log_line.hpp"
#include "cache/naming.hpp"
#include "cache/opening.hpp"

namespace forklore {
namespace {

/// All attachments of this process, by what they mean. Held over fork, so that a child finds it free.
struct Registry {
  std::mutex mutex;
  std::map<std::string, std::weak_ptr<Attachment>> attachments;

  Registry() {
    ::pthread_atfork([] { get().mutex.lock(); }, [] { get().mutex.unlock(); }, [] { get().mutex.unlock(); });
  }
  static Registry& get() {
    static auto* const registry = new Registry;  // never destroyed: handles in static objects may outlive it
    return *registry;
  }
};

std::string key_of(const Options& options) {
  const std::string place = options.place == Place::anonymous ? "anonymous:" + options.name : path_of(options).string();
  return (options.read_only ? "r:" : "w:") + place;
}

std::uint64_t next_id() noexcept {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

}  // namespace

View::View(base::Mapping mapped, const store::Description& description, bool writable, base::FileIdentity file)
    : id(next_id()),
      identity(file),
      domain(description.domain),
      mapping(std::move(mapped)),
      segment(mapping.data(), description, writable) {}

std::shared_ptr<Attachment> Attachment::obtain(const Options& options, bool must_exist) {
  check_options(options);
  Registry& registry = Registry::get();
  const std::lock_guard lock(registry.mutex);
  auto& known = registry.attachments[key_of(options)];
  auto attachment = known.lock();
  const bool named = options.place != Place::anonymous;
  if (attachment && named) {
    // The name may mean another segment by now, or the capacity asked for may make it do so.
    const Wish wish{wanted_shape(options), options.capacity_bytes != 0, must_exist};
    const View& current = attachment->view();
    const bool other_shape = wish.insist && !current.segment.geometry().shape.satisfies(wish.shape);
    if (base::identity_of(attachment->path_) != current.identity || other_shape) {
      attachment->become(open_view(attachment->path_, options, wish));
    }
  }
  if (!attachment) {
    attachment = std::shared_ptr<Attachment>(new Attachment(options, must_exist));
    known = attachment;
  }
  return attachment;
}

Attachment::Attachment(const Options& options, bool must_exist) : options_(options), path_(path_of(options)) {
  if (options.place == Place::anonymous) {
    if (must_exist) {
      throw OpenError(std::make_error_code(std::errc::no_such_file_or_directory),
                      "forklore: anonymous:" + options.name + ": this process has none of that name");
    }
    views_.push_back(open_anonymous(options));
  } else {
    views_.push_back(open_view(path_, options, {wanted_shape(options), options.capacity_bytes != 0, must_exist}));
  }
  looked_.store(base::boottime_ms(), std::memory_order_relaxed);
  current_.store(views_.back().get(), std::memory_order_release);
}

Attachment::~Attachment() {
  const base::FileIdentity last = views_.empty() ? base::FileIdentity{} : view().identity;
  for (const auto& view : views_) {
    if (view->descriptor >= 0) ::close(view->descriptor);
  }
  const bool had_one = !views_.empty();
  views_.clear();
  if (had_one && options_.place == Place::file && !options_.read_only) close_file(path_, last);
}

void Attachment::become(std::unique_ptr<View> next) {
  View& old = view();
  if (next->identity == old.identity) return;
  views_.push_back(std::move(next));
  current_.store(views_.back().get(), std::memory_order_release);  // partner: the acquire in view()
  old.mapping.retire();
  if (old.descriptor >= 0) ::close(std::exchange(old.descriptor, -1));
  reattachments_.fetch_add(1, std::memory_order_relaxed);
}

void Attachment::look(std::uint64_t boottime) noexcept {
  std::uint64_t before = looked_.load(std::memory_order_relaxed);
  if (boottime - before < kLookEvery || !looked_.compare_exchange_strong(before, boottime, std::memory_order_relaxed)) {
    return;
  }
  if (options_.place == Place::anonymous || base::identity_of(path_) == view().identity) return;
  std::string line;
  try {
    const std::unique_lock lock(Registry::get().mutex, std::try_to_lock);
    if (!lock.owns_lock()) return;  // another thread opens or moves: look again next time
    const store::Shape shape = view().segment.geometry().shape;
    become(open_view(path_, options_, {shape, false, false}));
    line = "forklore: " + path_.string() + " was removed or replaced; this process has moved to the segment now there";
  } catch (const std::exception& error) {
    line = "forklore: " + path_.string() +
           " was removed or replaced, and this process stays with the old segment: " + error.what();
  }
  log_line(line);
}

constinit thread_local std::array<Attachment::Claimed, Attachment::kKept> Attachment::claimed;

const store::Counter& Attachment::claim(View& view) noexcept {
  // First use by this thread, or first use after fork, when the child may have been born in another pid namespace.
  Claimed& mine = claimed[view.id % kKept];
  const std::uint32_t epoch = base::self().epoch;
  if (mine.epoch != epoch) {
    const base::DomainLookup lookup = base::lock_domain();
    const bool born_elsewhere = lookup.known ? lookup.domain != view.domain : lookup.proc_of_others;
    if (born_elsewhere && view.domain != base::LockDomain{}) view.segment.forbid_writing();
  }
  mine = {view.id, epoch, view.segment.writable() ? view.segment.counters().claim() : store::Counter{}};
  return mine.counter;
}

std::string Attachment::path() const {
  return options_.place == Place::anonymous ? "anonymous:" + options_.name : path_.string();
}

}  // namespace forklore
