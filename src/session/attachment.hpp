// attachment.hpp - This process's hold on the segment under a name, shared by all its handles.
//
// The file under the name is the truth. Twice a second, at a call, an attachment looks whether it is still the file it
// has mapped; if not (removed, or replaced by a successor) it maps the one that is, or makes it anew, and puts zero
// pages in place of the old: a thread that is still in a call there reads a miss and writes nowhere. If it can do
// neither (a read-only handle, another user's) it is left with those zero pages, and looks again more slowly.
//
// A name without an owner is that of the user who asks. A process that has become another user keeps the segment that
// it has mapped; when that is gone, the name means the segment of the user that the process is then.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/process.hpp"
#include "forklore/cache.hpp"
#include "session/thread.hpp"
#include "session/view.hpp"

namespace forklore {

/// The public header names it, so it is forklore's and not of the floor's namespace.
class Attachment {
 public:
  /// The attachment for these options: the one that the process has, or a new one. Throws OpenError.
  static std::shared_ptr<Attachment> obtain(const Options& options, bool must_exist);

  /// No call may be in flight. The last process out of a file marks it clean.
  ~Attachment();
  Attachment(const Attachment&) = delete;
  Attachment& operator=(const Attachment&) = delete;

  /// The current view. boottime: now, in ms.
  session::View& view(std::uint64_t boottime) noexcept {
    if (boottime - looked_.load(std::memory_order_relaxed) >= kLookEvery) [[unlikely]]
      look(boottime);
    return *current_.load(std::memory_order_acquire);  // partner: the release in look()
  }
  [[nodiscard]] session::View& view() const noexcept { return *current_.load(std::memory_order_acquire); }
  /// The line that this thread has of its own in a view; nullptr if none, or it may not write there.
  static store::CounterLine* own_line(session::View& view) noexcept {
    if (last.view != view.id || last.epoch != base::epoch()) [[unlikely]]
      recall(view);
    return last.line;
  }

  [[nodiscard]] std::string path() const;
  [[nodiscard]] std::uint64_t reattachments() const noexcept { return reattachments_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::uint64_t kLookEvery = 400;    // ms
  static constexpr std::uint64_t kLookAtLast = 3200;  // ms; while moving on fails, doubled up to here
  static constinit thread_local session::Claimed last [[gnu::tls_model("initial-exec")]];  // that was asked for

  explicit Attachment(const Options& options, bool must_exist);
  static void recall(session::View& view) noexcept;
  static void claim(session::View& view, session::Claimed& mine) noexcept;
  void look(std::uint64_t boottime) noexcept;
  // The following with the registry's mutex held.
  void become(std::unique_ptr<session::View> next);
  static void let_go(session::View& view) noexcept;
  std::string move_on();  // to what the name means now; a line for the log, empty if it has been said

  std::string other_user();  // a line for the log if the segment is a user's that this process no longer is; once

  const Options options_;
  const ::uid_t opened_by_;
  std::atomic<bool> said_other_user_{false};  // relaxed: of two threads at once both may say it
  std::atomic<session::View*> current_{nullptr};
  std::atomic<std::uint64_t> looked_{0};  // boottime of the last look; whoever moves it on looks
  std::atomic<std::uint64_t> look_every_{kLookEvery};
  std::atomic<std::uint64_t> reattachments_{0};
  std::vector<std::unique_ptr<session::View>> views_;  // guarded by the registry's mutex; the last is the current one
  std::string trouble_;                                // guarded likewise: why moving on failed last
};

}  // namespace forklore
