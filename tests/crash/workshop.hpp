// workshop.hpp - Where the segment of a scenario is made: a real one of the smallest size or little more, that can be
// put back.
#pragma once

#include <forklore/forklore.hpp>
#include <functional>
#include <optional>
#include <string>

#include "base/test_fault.hpp"
#include "crash/checked_value.hpp"
#include "crash/scenario.hpp"
#include "crash/segment_file.hpp"
#include "store/index.hpp"
#include "store/log.hpp"
#include "unique_name.hpp"

namespace forklore::crash {

/// What a segment's one stripe looks like at a moment.
class Snapshot {
 public:
  Snapshot(Image image, const store::Geometry& geometry, const Stats& stats)
      : image_(std::move(image)),
        stats_(stats),
        log_(image_.data() + geometry.stripes_at, geometry),
        index_(image_.data() + geometry.stripes_at, geometry) {}
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;

  [[nodiscard]] const Image& image() const noexcept { return image_; }
  [[nodiscard]] const Stats& stats() const noexcept { return stats_; }
  [[nodiscard]] const store::Log& log() const noexcept { return log_; }
  [[nodiscard]] store::Index::Snapshot index() const noexcept { return index_.snapshot(); }
  /// Calls visit(key, slot word, place) for every entry.
  void for_each_entry(const std::function<void(const std::string&, std::uint64_t, store::Location)>& visit) const;
  /// The slot word of a key without its frequency, 0 if it is absent.
  [[nodiscard]] std::uint64_t word_of(const std::string& key) const;

 private:
  Image image_;
  Stats stats_;
  store::Log log_;
  store::Index index_;
};

/// Nothing is broken on purpose while one lives: what is made here is sound.
class Workshop {
 public:
  using Call = std::function<void(Cache&)>;
  /// Whether a call did what is wanted, from the moments before and after it.
  using Wanted = std::function<bool(const Snapshot& before, const Snapshot& after)>;

  explicit Workshop(std::uint64_t seed, WhenFull when_full = WhenFull::evict, std::size_t capacity = kMinCapacityBytes);

  [[nodiscard]] Cache& cache() noexcept { return cache_; }
  [[nodiscard]] Random& random() noexcept { return random_; }
  [[nodiscard]] SegmentFile& file() noexcept { return file_; }
  [[nodiscard]] Snapshot snapshot() { return {file_.take(), file_.geometry(), cache_.stats()}; }

  /// Random calls on keys "old-N": sets of mixed sizes, some read again, some erased, some with a time to live.
  void work(unsigned calls, std::size_t largest = 1200, std::uint32_t keys = 300);
  /// The segment as it is, and the call.
  Prepared with(Call call);
  /// Works until a call does what is wanted, and goes back to just before it. next(n) makes the n-th call to try.
  Prepared find(const std::function<Call(unsigned)>& next, const Wanted& wanted, std::size_t largest = 1200,
                std::uint32_t keys = 300);

 private:
  [[maybe_unused]] base::Unbroken unbroken_;
  tests::UniqueName name_;
  Cache cache_;
  SegmentFile file_;
  Random random_;
};

/// A set of a checked value, as a call.
Workshop::Call set_call(const std::string& key, std::uint16_t number, std::size_t size);

}  // namespace forklore::crash
