// cache.hpp - A cache that all processes of one host share, with no server between them.
//
// Before the calls, what to know:
//
//  * It needs one host with Linux and glibc. All processes that attach use the same format of the library.
//  * A process may die at any instruction. Nobody hangs, and nothing committed is lost. The one call it was in has
//    happened or has not. A call on many keys is one call for each key, and clear() one for each stripe.
//  * Open a handle before fork or after it, use it in any number of threads, copy it. It holds no descriptor, so
//    daemonising does not hurt it. A call in a signal handler may answer busy.
//  * Entries leave when the segment is full (WhenFull::evict) and when they expire. So every read may miss.
//  * The process that makes the segment takes all its memory at once, from its own memory cgroup. Docker gives
//    /dev/shm 64 MiB unless --shm-size says otherwise.
//  * A process that may write the segment may also truncate it, and then all get SIGBUS. So the mode is 0600 unless
//    another is given.
//  * Two pid namespaces cannot share a segment: the kernel would free locks of living owners. The second is refused.
//
// A thread holds at most one stripe lock. While it does, it calls no code of the user's.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <forklore/code.hpp>
#include <forklore/export.hpp>
#include <forklore/found.hpp>
#include <forklore/hooks.hpp>
#include <forklore/options.hpp>
#include <forklore/stats.hpp>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace forklore {

class Attachment;
struct Internals;

/// A handle to one segment. All handles of a process to one segment share a mapping, so another handle is cheap.
/// Any thread of any attached process may make any call at any time, unless the call says otherwise.
/// A call copies what it needs of the views passed in, before it returns.
class FORKLORE_EXPORT Cache {
 public:
  /// Creates the segment or attaches to it. Throws OpenError.
  [[nodiscard]] static Cache open(const Options& options);
  /// Attaches to a segment that exists. Throws OpenError (no_such_file_or_directory) if there is none.
  /// For Place::file, name is the path. Only for a segment that you own with mode 0600; otherwise use attach(Options).
  [[nodiscard]] static Cache attach(std::string_view name, Place place = Place::shm);
  /// The same with options of the handle: owner, mode, default_ttl, lock_timeout, read_only. It ignores the options of
  /// the segment: capacity_bytes, max_value_bytes, stripes, when_full.
  [[nodiscard]] static Cache attach(const Options& options);

  /// A copy is a handle of its own, as cheap as two shared pointers. Other threads may use the original meanwhile.
  Cache(const Cache&) noexcept;
  /// No call through this handle may be in progress. The same goes for the three below.
  Cache& operator=(const Cache&) noexcept;
  /// Assign to a handle that was moved from, copy or destroy it. Nothing else is allowed.
  Cache(Cache&&) noexcept;
  Cache& operator=(Cache&&) noexcept;
  ~Cache();

  // Reading. It takes no lock, and stores nothing that another reader would have to fetch again.

  /// Copies the value into out, and reuses its memory. Returns ok, not_found or invalid_key. Unless ok, out is
  /// unspecified. May throw std::bad_alloc.
  [[nodiscard]] Code get(std::string_view key, std::string& out, Found* found = nullptr);
  /// Returns the value, or none. May throw std::bad_alloc.
  [[nodiscard]] std::optional<std::string> get(std::string_view key);
  /// Copies the value into a buffer. Returns ok, not_found, invalid_key or buffer_too_small, which sets found.
  [[nodiscard]] Code get_into(std::string_view key, std::span<char> out, Found& found) noexcept;
  /// Copies the value to where the sink wants it (index 0). Returns ok, not_found, invalid_key or buffer_too_small.
  [[nodiscard]] Code get_to(std::string_view key, Sink sink, Found& found);
  /// Tells whether there is an entry. Returns ok, not_found or invalid_key.
  [[nodiscard]] Code contains(std::string_view key) noexcept;
  /// Tells how long an entry has left; kForever if it never expires. Returns ok, not_found or invalid_key.
  [[nodiscard]] Code ttl(std::string_view key, Ttl& left) noexcept;
  /// Reads many keys, and overlaps their memory accesses. results is as long as keys. Returns how many it found.
  std::size_t get_many(std::span<const std::string_view> keys, std::span<Result> results);
  /// The same to a sink, which gets the key's index. codes and found are as long as keys.
  std::size_t get_many_to(std::span<const std::string_view> keys, Sink sink, std::span<Found> found,
                          std::span<Code> codes);

  // Writing. Each call takes one stripe lock. It may evict, and never waits for readers. All may answer busy, read_only
  // and invalid_key, beside what each names. A program may ignore the answer of set, erase, touch and clear. Then the
  // next read may miss, or find the old value. The compiler warns if it ignores an answer that is what the call is for:
  // that of add, replace, compare_and_set and increment.

  /// Stores value under key, whatever was there. Also answers too_large, full, and invalid_argument (format kInteger,
  /// and a value of another size).
  Code set(std::string_view key, std::string_view value, Ttl ttl = kDefaultTtl, std::uint16_t format = kBytes) noexcept;
  /// Stores value if key is absent. An expired entry counts as absent. Also answers exists, and what set() does.
  [[nodiscard]] Code add(std::string_view key, std::string_view value, Ttl ttl = kDefaultTtl,
                         std::uint16_t format = kBytes) noexcept;
  /// Stores value if key is present. Also answers not_found, and what set() does.
  [[nodiscard]] Code replace(std::string_view key, std::string_view value, Ttl ttl = kDefaultTtl,
                             std::uint16_t format = kBytes) noexcept;
  /// Stores value if the entry is still the one that version names. Also answers changed, not_found, and what set()
  /// does.
  [[nodiscard]] Code compare_and_set(std::string_view key, Version version, std::string_view value,
                                     Ttl ttl = kDefaultTtl, std::uint16_t format = kBytes) noexcept;
  /// Removes the entry. Also answers not_found.
  Code erase(std::string_view key) noexcept;
  /// Gives the entry a new time to live. Zero or less removes it, also one that is stale. Also answers not_found.
  Code touch(std::string_view key, Ttl ttl) noexcept;
  /// Adds delta to a kInteger entry and keeps its time to live. now is the sum. For an absent key it stores
  /// *initial + delta with ttl; without an initial it answers not_found. Also answers overflow, not_a_number, full.
  [[nodiscard]] Code increment(std::string_view key, std::int64_t delta, std::int64_t& now,
                               std::optional<std::int64_t> initial = {}, Ttl ttl = kDefaultTtl) noexcept;

  // Many keys: each is a call of its own. codes is as long as keys. Returns how many were ok.

  std::size_t set_many(std::span<const std::string_view> keys, std::span<const std::string_view> values, Ttl ttl,
                       std::span<const std::uint16_t> formats, std::span<Code> codes) noexcept;
  std::size_t erase_many(std::span<const std::string_view> keys, std::span<Code> codes) noexcept;

  /// Removes every entry, stripe by stripe. An entry stored meanwhile may stay or go. Returns ok, busy or read_only.
  Code clear() noexcept;

  // Looking inside.

  /// Tells what is known of an entry without reading it. No hit is counted, and no frequency raised. Takes a stripe
  /// lock only if writers come between again and again. Returns ok, not_found or invalid_key.
  [[nodiscard]] Code info(std::string_view key, EntryInfo& info) const noexcept;

  /// Appends up to limit keys that begin with prefix, and moves the cursor. A key that stays during the scan appears at
  /// least once. One that comes or goes may appear or not. Takes no lock. Returns ok.
  /// stale: also keys whose value is stale, or that only have a failure or a computation. Erase those to invalidate.
  [[nodiscard]] Code scan(Cursor& cursor, std::size_t limit, std::string_view prefix, std::vector<std::string>& keys,
                          bool stale = false);
  [[nodiscard]] Stats stats() const;
  /// Checks every invariant of the stored structures, one stripe at a time, with its lock held. Returns what is wrong;
  /// nothing if the segment is sound.
  [[nodiscard]] std::vector<std::string> verify() const;
  /// Returns the file behind the segment; "anonymous:NAME" for Place::anonymous.
  [[nodiscard]] std::string path() const;
  /// Returns the options this handle was opened with. capacity_bytes, max_value_bytes, stripes and when_full are those
  /// of the segment.
  [[nodiscard]] Options options() const;

 private:
  friend struct Internals;  // for the calls of compute.hpp, lock.hpp and rate_limit.hpp
  explicit Cache(std::shared_ptr<Attachment> attachment, const Options& options);
  std::shared_ptr<Attachment> attachment_;
  Ttl default_ttl_;
  std::chrono::milliseconds lock_timeout_;
  std::shared_ptr<const Options> options_;
};

/// Removes the segment of this name, of every format of the library that has one. Attached processes move to a new
/// segment within a second of their next call, this process at its next call. The memory goes when the last one has
/// moved. A read-only handle, or one of another user, cannot make a new segment. It reads misses and answers
/// Code::read_only until somebody has made one; the log says why. owner: the user who owns the segment; by default the
/// effective user. For Place::file, name is the path, and the file must belong to owner if one is given. Returns false
/// if there was no segment. Throws OpenError (permission_denied) if another user owns it and the caller is not root.
FORKLORE_EXPORT bool remove_segment(std::string_view name, Place place = Place::shm, std::optional<::uid_t> owner = {});

/// Lists the segments in this host's shared memory that the caller may read, by name and of every format of the
/// library. Root reads those of every owner. Throws OpenError if it cannot list them, as when no descriptor is left.
[[nodiscard]] FORKLORE_EXPORT std::vector<SegmentInfo> segments();

}  // namespace forklore
