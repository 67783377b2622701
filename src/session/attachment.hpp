// attachment.hpp - This process's hold on the segment under a name, shared by all its handles.
//
// The file under the name is the truth. Every 400 ms one call checks that the mapped file is still the one under the
// name; so does the first call after a removal by this process. If it was removed or replaced by a successor, the
// attachment moves:
//   1. It maps the file that is there now, or makes it again.
//   2. It puts zero pages in place of the old mapping. A thread that is still in a call there reads a miss, and its
//      writes go nowhere.
// A read-only handle, or another user's, may be unable to open a file. It keeps the zero pages, and checks less often.
//
// A name without an owner means the segment of the user that asks. A process that has become another user keeps the
// segment that it has mapped. When that is gone, the name means the segment of the new user.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/process.hpp"
#include "base/thread_safety.hpp"
#include "forklore/cache.hpp"
#include "session/thread.hpp"
#include "session/view.hpp"

namespace forklore {

namespace session {

/// The mutex of the registry of attachments (attachment.cpp), as clang's thread-safety analysis knows it.
struct FORKLORE_CAPABILITY("mutex of the registry") RegistryMutex {};
inline constexpr RegistryMutex registry_mutex;
/// Of a function: its caller holds that mutex.
#define FORKLORE_REGISTRY_LOCKED FORKLORE_REQUIRES(session::registry_mutex)

}  // namespace session

/// In namespace forklore, because the public header names it. Another namespace there could clash with a user's name.
class Attachment {
 public:
  /// Returns the attachment for these options: the one that the process has, or a new one. Throws OpenError.
  static std::shared_ptr<Attachment> obtain(const Options& options, bool must_exist)
      FORKLORE_EXCLUDES(session::registry_mutex);

  /// Has the next call of every handle of this process check its name: this process has just removed a segment.
  static void look_again() FORKLORE_EXCLUDES(session::registry_mutex);

  /// No call may be in flight. The last process that leaves a file marks it clean.
  ~Attachment();
  Attachment(const Attachment&) = delete;
  Attachment& operator=(const Attachment&) = delete;

  /// Returns the current view, after a check of the name if one is due. boottime: now, in ms.
  session::View& view(std::uint64_t boottime) noexcept {
    if (boottime - checked_.load(std::memory_order_relaxed) >= kCheckEvery) [[unlikely]]
      check_name(boottime);
    return std::as_const(*this).view();
  }
  /// Returns the current view, whatever the name means now.
  [[nodiscard]] session::View& view() const noexcept {
    return *current_.load(std::memory_order_acquire);  // partner: the releases in the constructor and become()
  }
  /// Returns this thread's own counter line in a view. nullptr if no line was free, or it may not write there.
  static store::CounterLine* own_line(session::View& view) noexcept {
    if (last.view != view.id || last.epoch != base::epoch()) [[unlikely]]
      recall(view);
    return last.line;
  }

  [[nodiscard]] std::string path() const;
  [[nodiscard]] std::uint64_t reattachments() const noexcept { return reattachments_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::uint64_t kCheckEvery = 400;     // ms
  static constexpr std::uint64_t kCheckSlowest = 3200;  // ms. The interval doubles up to this while moves fail
  static constinit thread_local session::Claimed last [[gnu::tls_model("initial-exec")]];  // the last one asked for

  explicit Attachment(const Options& options, bool must_exist);
  static void recall(session::View& view) noexcept;
  static void claim(session::View& view, session::Claimed& mine) noexcept;
  void check_name(std::uint64_t boottime) noexcept FORKLORE_EXCLUDES(session::registry_mutex);

  void become(std::unique_ptr<session::View> next) FORKLORE_REGISTRY_LOCKED;
  static void let_go(session::View& view) noexcept FORKLORE_REGISTRY_LOCKED;
  /// Moves to what the name means now. Returns a line for the log, empty if the log has it.
  Message move_on() FORKLORE_REGISTRY_LOCKED;
  /// Gives the mapping up, because nothing else can be opened. Returns a line for the log, empty if the log has it.
  Message lose(const std::string& what, const Message& why) FORKLORE_REGISTRY_LOCKED;

  /// Returns a line for the log, once, if the segment belongs to a user that this process no longer is.
  Message note_other_user();

  const Options options_;
  const ::uid_t opened_by_;
  std::atomic<bool> noted_other_user_{false};  // relaxed: it guards no other data
  std::atomic<session::View*> current_{nullptr};
  std::atomic<std::uint64_t> checked_{0};  // boottime of the last check. Relaxed: the thread that advances it checks
  std::atomic<std::uint64_t> check_every_{kCheckEvery};
  std::atomic<std::uint64_t> reattachments_{0};
  std::vector<std::unique_ptr<session::View>> views_
      FORKLORE_GUARDED_BY(session::registry_mutex);                   // the last is current
  std::string trouble_ FORKLORE_GUARDED_BY(session::registry_mutex);  // why the last move failed
};

}  // namespace forklore
