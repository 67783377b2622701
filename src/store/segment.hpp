// segment.hpp - A whole segment in mapped memory: its header, its counters, its stripes.
//
// To create and to attach are two acts. At attach the header is checked, and what it says is kept in private memory. It
// is not read again.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/process.hpp"
#include "forklore/stats.hpp"
#include "store/counters.hpp"
#include "store/geometry.hpp"
#include "store/layout.hpp"
#include "store/stripe.hpp"

namespace forklore::store {

/// Which file a segment lies in; zero for memory without a name.
struct Origin {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  friend bool operator==(const Origin&, const Origin&) = default;
};

/// What a header says, once it has been found sound.
struct Description {
  Geometry geometry;
  base::LockDomain domain;
  Origin origin;
  std::uint64_t birth_boottime = 0;
  std::uint64_t birth_realtime = 0;
  bool clean = false;
};

/// Reads and checks a header, wherever its bytes lie. On failure, fault says what is wrong in words for a person. An
/// empty fault means that there is no magic word: nobody has finished making this segment.
std::optional<Description> describe(const SegmentHeader& header, std::uint64_t bytes, std::string& fault);

class Segment {
 public:
  /// Makes a segment in zeroed memory of geometry.shape.capacity bytes. The magic word is stored last.
  static void create(std::byte* bytes, const Geometry& geometry, const base::LockDomain& domain,
                     Origin origin) noexcept;
  /// Resets locks, leases, counters and time, for this process's domain and this file. Entries stay. Call it
  /// only when no other process is attached.
  static void adopt(std::byte* bytes, const Description& description, const base::LockDomain& domain,
                    Origin origin) noexcept;

  /// bytes: mapped memory, which outlives this. description: what describe() said of it.
  Segment(std::byte* bytes, const Description& description, bool writable);

  [[nodiscard]] Stripe& stripe_of(std::uint64_t hash) noexcept { return stripes_[stripe_number(hash)]; }
  [[nodiscard]] Stripe& stripe(std::uint32_t number) noexcept { return stripes_[number]; }
  [[nodiscard]] std::uint32_t stripes() const noexcept { return geometry_.shape.stripes; }
  [[nodiscard]] const Geometry& geometry() const noexcept { return geometry_; }
  [[nodiscard]] const Counters& counters() const noexcept { return counters_; }
  [[nodiscard]] bool writable() const noexcept { return __atomic_load_n(&writable_, __ATOMIC_RELAXED); }
  /// From now on this object neither writes nor locks. A thread that must not write calls this before anything else.
  void forbid_writing() noexcept;
  /// Milliseconds since the segment's birth, by the boottime given; less than kNever, whatever the header said.
  [[nodiscard]] std::uint64_t age(std::uint64_t boottime) const noexcept {
    const std::uint64_t age = boottime - birth_;  // of a file, birth may lie before this boot
    if (age < kNever) [[likely]]
      return age;
    return static_cast<std::int64_t>(age) < 0 ? 0 : kNever - 1;
  }
  /// The same in nanoseconds.
  [[nodiscard]] std::int64_t age_ns(std::uint64_t boottime_ns) const noexcept {
    constexpr std::int64_t kMillisecond = 1'000'000;
    const auto birth = static_cast<std::int64_t>(birth_);
    if (birth > INT64_MAX / kMillisecond / 2 || birth < INT64_MIN / kMillisecond / 2) return 0;  // damaged
    return std::max<std::int64_t>(static_cast<std::int64_t>(boottime_ns) - birth * kMillisecond, 0);
  }
  void sum(Stats& stats);
  /// Of a file: notes that all is on disk, or that it may no longer be.
  void set_clean(bool clean) noexcept;

 private:
  [[nodiscard]] std::uint32_t stripe_number(std::uint64_t hash) const noexcept {
    return static_cast<std::uint32_t>(hash >> 58) & stripe_mask_;
  }

  SegmentHeader* header_;
  Geometry geometry_;
  std::uint32_t stripe_mask_;
  std::uint64_t birth_;
  bool writable_;
  Counters counters_;
  std::vector<Stripe> stripes_;
};

}  // namespace forklore::store
