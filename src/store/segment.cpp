#include "store/segment.hpp"

#include <algorithm>

#include "base/clock.hpp"
#include "base/test_fault.hpp"

namespace forklore::store {
namespace {

// A stripe may give so many tokens in a millisecond, as a power of two. So the tokens of a segment that is made later
// under the same name are larger.
constexpr unsigned kTokenRoom = 20;

}  // namespace

std::optional<Description> describe(const SegmentHeader& header, std::uint64_t bytes, std::string& fault) {
  fault.clear();
  // Acquire; partner: the release in create(). A process that sees the magic word sees a whole segment.
  const std::uint64_t magic = header.magic.load(std::memory_order_acquire);
  if (magic == 0) return {};
  const auto fail = [&](const std::string& why) {
    fault = why;
    return std::nullopt;
  };
  if (magic != kMagic) return fail("it does not begin as a Forklore segment does");
  if (header.format_version != kFormatVersion) {
    return fail("its format is version " + std::to_string(header.format_version) + ", this library's is " +
                std::to_string(kFormatVersion));
  }
  if (header.layout_check != layout_check()) {
    return fail("it was laid out by a build of Forklore that differs from this one");
  }
  if (header.capacity != bytes) {
    return fail("its header says " + std::to_string(header.capacity) + " bytes and it has " + std::to_string(bytes));
  }
  Description d;
  d.geometry = plan({header.capacity, header.stripes, header.max_value, header.reject == 1});
  if (d.geometry.chunks == 0 || header.reject > 1 || d.geometry.shape.stripes != header.stripes ||
      d.geometry.shape.max_value != header.max_value || d.geometry.check() != header.geometry_check) {
    return fail("its header is damaged");
  }
  d.domain = header.domain;
  d.origin = {header.device, header.inode};
  d.birth_boottime = header.birth_boottime;
  d.birth_realtime = header.birth_realtime;
  d.clean = header.clean.load(std::memory_order_relaxed) == 1;
  return d;
}

void Segment::create(std::byte* bytes, const Geometry& g, const base::LockDomain& domain, Origin origin) noexcept {
  auto& header = *reinterpret_cast<SegmentHeader*>(bytes);
  if (base::broken("magic-first")) header.magic.store(kMagic);
  const std::uint64_t random = base::random_word();
  const std::uint64_t tokens = base::realtime_ms() << kTokenRoom;
  for (std::uint32_t i = 0; i < g.shape.stripes; ++i) {
    Stripe(bytes + g.stripes_at + i * g.stripe_bytes, g, true).create(random + i * std::uint64_t{kMaxChunks}, tokens);
  }
  header.format_version = kFormatVersion;
  header.layout_check = layout_check();
  header.capacity = g.shape.capacity;
  header.stripes = g.shape.stripes;
  header.reject = g.shape.reject ? 1 : 0;
  header.max_value = g.shape.max_value;
  header.geometry_check = g.check();
  header.birth_boottime = base::boottime_ms();
  header.birth_realtime = base::realtime_ms();
  header.domain = domain;
  header.device = origin.device;
  header.inode = origin.inode;
  header.magic.store(kMagic, std::memory_order_release);  // partner: the acquire in describe()
}

void Segment::adopt(std::byte* bytes, const Description& d, const base::LockDomain& domain, Origin origin) noexcept {
  auto& header = *reinterpret_cast<SegmentHeader*>(bytes);
  const Geometry& g = d.geometry;
  for (std::uint32_t i = 0; i < g.shape.stripes; ++i) {
    Stripe(bytes + g.stripes_at + i * g.stripe_bytes, g, true).adopt();
  }
  Counters(bytes, g).disown();
  if (d.domain.boot_id != domain.boot_id) {
    // Boottime starts from 0 again: the wall clock says how the segment's age goes on.
    const std::uint64_t now = base::realtime_ms();
    const std::uint64_t age = now > d.birth_realtime ? now - d.birth_realtime : 0;
    header.birth_boottime = base::boottime_ms() - age;  // may wrap below zero; age() is a difference
  }
  header.device = origin.device;
  header.inode = origin.inode;
  header.domain = domain;
}

Segment::Segment(std::byte* bytes, const Description& d, bool writable)
    : header_(reinterpret_cast<SegmentHeader*>(bytes)),
      geometry_(d.geometry),
      stripe_mask_(d.geometry.shape.stripes - 1),
      birth_(d.birth_boottime),
      writable_(writable),
      counters_(bytes, d.geometry) {
  stripes_.reserve(geometry_.shape.stripes);
  for (std::uint32_t i = 0; i < geometry_.shape.stripes; ++i) {
    stripes_.emplace_back(bytes + geometry_.stripes_at + i * geometry_.stripe_bytes, geometry_, writable);
  }
}

void Segment::forbid_writing() noexcept {
  __atomic_store_n(&writable_, false, __ATOMIC_RELAXED);
  for (Stripe& stripe : stripes_) stripe.forbid_writing();
}

void Segment::sum(Stats& stats) {
  const Geometry& g = geometry_;
  stats.capacity_bytes = g.shape.capacity;
  stats.max_value_bytes = g.shape.max_value;
  stats.stripes = g.shape.stripes;
  stats.chunk_bytes = g.chunk_bytes;
  stats.chunks = g.chunks * g.shape.stripes;
  stats.computation_lines = g.flights * g.shape.stripes;
  stats.lock_lines = (g.leases - g.flights) * g.shape.stripes;
  stats.when_full = g.shape.reject ? WhenFull::reject : WhenFull::evict;
  stats.age_seconds = age(base::boottime_ms()) / 1000;
  stats.index_bytes = g.shape.capacity - std::uint64_t{g.chunk_bytes} * g.chunks * g.shape.stripes;
  for (Stripe& stripe : stripes_) {
    const StripeTotals totals = stripe.totals();
    stats.entries += totals.entries;
    stats.slots += totals.slots;
    stats.index_bytes += totals.index_chunks * g.chunk_bytes;
    stats.live_bytes += totals.live_bytes;
    stats.free_chunks += static_cast<unsigned>(totals.free_chunks);
    const StripeHeader& h = stripe.header();
    stats.leases_held += totals.leases;
#define FORKLORE_COUNT(type, name, kind, unit, help) stats.name += h.name.load(std::memory_order_relaxed);
    FORKLORE_WORK_COUNTS(FORKLORE_COUNT)
    FORKLORE_LEASE_COUNTS(FORKLORE_COUNT)
#undef FORKLORE_COUNT
  }
  counters_.sum(stats);
}

void Segment::set_clean(bool clean) noexcept { header_->clean.store(clean ? 1 : 0, std::memory_order_release); }

}  // namespace forklore::store
