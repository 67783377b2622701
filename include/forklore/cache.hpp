// cache.hpp - A cache that all processes of one host share, with no server between them.
//
// Before the calls, what to know:
//
//  * One host, Linux and glibc. All processes that attach run the same format of the library.
//  * A process may die at any instruction. Nobody hangs and nothing committed is lost; the one call it was in
//    has happened or has not (of a call on many keys, key by key; of clear, stripe by stripe).
//  * A handle may be opened before fork or after it, used by any number of threads, and copied. It holds no
//    descriptor, so daemonising does not hurt it. What a signal handler calls may answer busy.
//  * Entries leave when the segment is full (WhenFull::evict) and when they expire: every read may miss.
//  * Memory is taken when the segment is made and counts to the memory cgroup of whoever makes it. Docker gives
//    /dev/shm 64 MiB unless told otherwise (--shm-size).
//  * Who may write the segment may truncate it, which is SIGBUS for all: the mode is 0600 by default.
//  * Two pid namespaces cannot share a segment (the kernel would free locks of living owners): the second is refused.
//
// A thread holds at most one stripe lock and never calls out while it does.
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
struct Access;

/// A handle to one segment. Handles of one process to one segment share a mapping: opening another is cheap.
/// Every call may be made by any thread of any attached process at any time, unless it says otherwise.
/// All views passed in are copied before the call returns.
class FORKLORE_EXPORT Cache {
 public:
  /// Creates the segment or attaches to it. Throws OpenError.
  [[nodiscard]] static Cache open(const Options& options);
  /// Attaches to a segment that exists. Throws OpenError (no_such_file_or_directory) when there is none.
  /// For Place::file, name is the path. Of a segment that only its owner, who calls, may open (mode 0600).
  [[nodiscard]] static Cache attach(std::string_view name, Place place = Place::shm);
  /// The same with all that options say of a handle: owner, mode, default_ttl, lock_timeout, read_only. What they ask
  /// of the segment (capacity_bytes, max_value_bytes, stripes, when_full) is not looked at.
  [[nodiscard]] static Cache attach(const Options& options);

  /// A copy is a handle of its own to the same attachment, as cheap as two shared pointers. Any thread may make one of
  /// a handle on which others call.
  Cache(const Cache&) noexcept;
  /// No call through this handle may be in flight; the same of the three that follow.
  Cache& operator=(const Cache&) noexcept;
  /// A handle that was moved from may be assigned to, copied and destroyed, and nothing else.
  Cache(Cache&&) noexcept;
  Cache& operator=(Cache&&) noexcept;
  ~Cache();

  // Reading. No lock, and no store that another reader must fetch back.

  /// The value into out, whose memory is reused. Returns ok, not_found or invalid_key; out is unspecified unless ok.
  /// May throw std::bad_alloc.
  [[nodiscard]] Code get(std::string_view key, std::string& out, Found* found = nullptr);
  /// The value, or none. May throw std::bad_alloc.
  [[nodiscard]] std::optional<std::string> get(std::string_view key);
  /// The value into a buffer. Returns ok, not_found, invalid_key or buffer_too_small (found is set).
  [[nodiscard]] Code get_into(std::string_view key, std::span<char> out, Found& found) noexcept;
  /// The value to where the sink wants it (index 0). Returns ok, not_found, invalid_key or buffer_too_small.
  [[nodiscard]] Code get_to(std::string_view key, Sink sink, Found& found);
  /// Whether there is an entry: ok, not_found or invalid_key.
  [[nodiscard]] Code contains(std::string_view key) noexcept;
  /// The time an entry has left, kForever if it never expires. Returns ok, not_found or invalid_key.
  [[nodiscard]] Code ttl(std::string_view key, Ttl& left) noexcept;
  /// Reads many keys with their memory accesses overlapped. results is as long as keys. Returns how many were found.
  std::size_t get_many(std::span<const std::string_view> keys, std::span<Result> results);
  /// The same to a sink, which is asked with the key's index. codes and found are as long as keys.
  std::size_t get_many_to(std::span<const std::string_view> keys, Sink sink, std::span<Found> found,
                          std::span<Code> codes);

  // Writing. Each takes one stripe lock; it may evict and never waits for readers. All may answer busy,
  // read_only and invalid_key beside what is named. A program that does not look at the answer of set, erase, touch or
  // clear goes on as a cache allows: the next read may miss, or find what was there before. Where the answer is what
  // the call is for (add, replace, compare_and_set, increment) the compiler warns if nobody looks.

  /// Stores value under key, whatever was there. Also too_large, full, not_a_number (kInteger of another size).
  Code set(std::string_view key, std::string_view value, Ttl ttl = kDefaultTtl, std::uint16_t format = kBytes) noexcept;
  /// Stores value if key is absent; an expired entry counts as absent. Also exists, and those of set.
  [[nodiscard]] Code add(std::string_view key, std::string_view value, Ttl ttl = kDefaultTtl,
                         std::uint16_t format = kBytes) noexcept;
  /// Stores value if key is present. Also not_found, and those of set.
  [[nodiscard]] Code replace(std::string_view key, std::string_view value, Ttl ttl = kDefaultTtl,
                             std::uint16_t format = kBytes) noexcept;
  /// Stores value if the entry is still the one that version names. Also changed, not_found, and those of set.
  [[nodiscard]] Code compare_and_set(std::string_view key, Version version, std::string_view value,
                                     Ttl ttl = kDefaultTtl, std::uint16_t format = kBytes) noexcept;
  /// Removes the entry. Also not_found.
  Code erase(std::string_view key) noexcept;
  /// Gives the entry a new time to live; zero or less removes it. Also not_found.
  Code touch(std::string_view key, Ttl ttl) noexcept;
  /// Adds delta to a kInteger entry, in place and keeping its time to live; now is the sum. An absent key is
  /// stored as *initial + delta with ttl, or answers not_found when there is no initial. Also overflow,
  /// not_a_number, full.
  [[nodiscard]] Code increment(std::string_view key, std::int64_t delta, std::int64_t& now,
                               std::optional<std::int64_t> initial = {}, Ttl ttl = kDefaultTtl) noexcept;

  // Many keys: each key by itself, as the single call does. codes is as long as keys; returns how many were ok.

  std::size_t set_many(std::span<const std::string_view> keys, std::span<const std::string_view> values, Ttl ttl,
                       std::span<const std::uint16_t> formats, std::span<Code> codes) noexcept;
  std::size_t erase_many(std::span<const std::string_view> keys, std::span<Code> codes) noexcept;

  /// Removes every entry, stripe by stripe: what is stored meanwhile may stay or go. ok, busy or read_only.
  Code clear() noexcept;

  // Looking inside.

  /// Appends up to limit keys that begin with prefix and moves the cursor on. A key that is present throughout
  /// the scan comes at least once; one that comes and goes, perhaps. Takes no lock. ok.
  [[nodiscard]] Code scan(Cursor& cursor, std::size_t limit, std::string_view prefix, std::vector<std::string>& keys);
  [[nodiscard]] Stats stats() const;
  /// Checks every invariant of the stored structures, a stripe at a time under its lock. Empty: sound.
  [[nodiscard]] std::vector<std::string> verify() const;
  /// The file behind the segment; "anonymous:NAME" for Place::anonymous.
  [[nodiscard]] std::string path() const;
  /// The options this handle was opened with; capacity_bytes and when_full are the segment's own.
  [[nodiscard]] Options options() const;

 private:
  friend struct Access;  // for the calls of compute.hpp, lock.hpp and rate_limit.hpp
  explicit Cache(std::shared_ptr<Attachment> attachment, const Options& options);
  std::shared_ptr<Attachment> attachment_;
  Ttl default_ttl_;
  std::chrono::milliseconds lock_timeout_;
  std::shared_ptr<const Options> options_;
};

/// Takes the name away, for every format of the library that has a segment under it. Attached processes move to a new
/// segment within a second of their next call; the memory goes when the last has moved. One that cannot make it anew (a
/// read-only handle, another user's) reads misses and writes nothing (Code::read_only) until somebody else has; the log
/// says why. owner: whose segment it is; none: the effective user's own. Returns false if there was none. Throws
/// OpenError (permission_denied) if it is another user's and the caller is not root. For Place::file, name is the path,
/// and owner is compared with the file's if it is given.
FORKLORE_EXPORT bool remove_segment(std::string_view name, Place place = Place::shm, std::optional<::uid_t> owner = {});

/// The segments in the shared memory of this host that the caller may read, by name: of every format of the library,
/// and for root of every owner. Throws OpenError if it cannot look (no descriptor is left).
[[nodiscard]] FORKLORE_EXPORT std::vector<SegmentInfo> segments();

}  // namespace forklore
