#include "store/geometry.hpp"

#include <algorithm>
#include <bit>

#include "base/hash.hpp"
#include "forklore/options.hpp"

namespace forklore::store {
namespace {

constexpr std::uint64_t kMinChunk = 4096;
constexpr std::uint64_t kMinStripe = 128 * kMinChunk;  // unless there is but one
constexpr std::uint64_t kSmallChunk = kMinChunk / 2;   // of a cache that would have fewer than kFewChunks
constexpr std::uint32_t kFewChunks = 64;
constexpr std::uint64_t kRoomyStripe = 3 << 19;  // where there are more than kFewStripes
constexpr std::uint32_t kFewStripes = 8;
constexpr std::uint64_t kBytesForGhost = 400;       // a ghost for as many
constexpr std::uint64_t kBytesForBucket = 1 << 17;  // a bucket that is always there for as many
constexpr std::uint64_t kBytesForFlight = 1 << 17;  // a line for computations for as many
constexpr std::uint64_t kBytesForLock = 1 << 16;    // a line for locks for as many
constexpr std::uint64_t kDefaultMaxValue = 1 << 20;

constexpr std::uint64_t round_up(std::uint64_t n, std::uint64_t to) noexcept { return (n + to - 1) / to * to; }

/// Lays out one stripe; chunks is 0 if nothing fits.
void divide_stripe(Geometry& g) noexcept {
  g.least_buckets =
      static_cast<std::uint32_t>(std::bit_floor(std::max<std::uint64_t>(g.stripe_bytes / kBytesForBucket, 8)));
  g.ghost_words = static_cast<std::uint32_t>(round_up(g.stripe_bytes / kBytesForGhost, 16));
  const auto lines = [&](std::uint64_t bytes, std::uint64_t least, std::uint64_t most) {
    // In eights, so that each column begins with a cache line.
    return static_cast<std::uint32_t>(std::clamp(g.stripe_bytes / bytes / 8 * 8, least, most));
  };
  g.flights = lines(kBytesForFlight, kMinFlights, kMaxFlights);
  g.leases = g.flights + lines(kBytesForLock, kMinLocks, kMaxLocks);

  const std::uint64_t fixed = sizeof(StripeHeader) + g.leases * kLeaseBytes + g.least_buckets * sizeof(Bucket) +
                              g.ghost_words * sizeof(HalfWord);
  constexpr std::uint64_t kColumns = 3 * sizeof(Word) + 5 * sizeof(HalfWord);
  constexpr std::uint64_t kPadding = 9 * kCacheLine;
  if (g.stripe_bytes < fixed + kPadding + 8 * (kMinChunk + kColumns)) return;
  const std::uint64_t room = g.stripe_bytes - fixed - kPadding;

  std::uint64_t chunk = kMaxChunkBytes;
  while (chunk > kMinChunk && room / (chunk + kColumns) < kMaxChunks / 2) chunk /= 2;
  if (!g.shape.reject && room / (chunk + kColumns) < kFewChunks) chunk = kSmallChunk;
  g.chunks = static_cast<std::uint32_t>(std::min<std::uint64_t>(room / (chunk + kColumns), kMaxChunks));
  g.chunk_bytes = static_cast<std::uint32_t>(chunk);
  g.chunk_shift = static_cast<unsigned>(std::countr_zero(chunk));

  std::uint64_t at = sizeof(StripeHeader);
  const auto column = [&](std::uint64_t width) {
    const std::uint64_t here = at;
    at = round_up(at + width * g.chunks, kCacheLine);
    return here;
  };
  g.states_at = column(sizeof(Word));
  g.due_at = column(sizeof(Word));
  g.straddlers_at = column(sizeof(Word));
  g.generations_at = column(sizeof(HalfWord));
  g.used_at = column(sizeof(HalfWord));
  g.first_at = column(sizeof(HalfWord));
  g.live_at = column(sizeof(HalfWord));
  g.next_at = column(sizeof(HalfWord));
  g.leases_at = at;
  g.ghost_at = round_up(at + g.leases * kLeaseBytes, kCacheLine);
  g.buckets_at = round_up(g.ghost_at + g.ghost_words * sizeof(HalfWord), kCacheLine);
  g.chunks_at = g.buckets_at + g.least_buckets * sizeof(Bucket);
  // Entries of a byte or two need three chunks of index for every seven of entries.
  g.most_buckets = static_cast<std::uint32_t>(g.least_buckets + g.chunks * 3 / 8 * (chunk / sizeof(Bucket)));
  g.location_bits = static_cast<unsigned>(std::bit_width(g.stripe_bytes / 8));

  // A stripe that rejects moves each live entry before it frees a chunk. So it keeps room for the largest (protocol 9).
  if (g.shape.reject) {
    const std::uint32_t share = std::max(g.chunks / 16, 1u);
    g.max_entry = share * g.chunk_bytes;
    g.reserve_chunks = share + 1;
  } else {
    // More than a quarter. Three such entries fit, whatever the ends of the logs and the reserve take.
    g.max_entry = g.chunks * 2 / 7 * g.chunk_bytes;
    g.reserve_chunks = 2;
  }
}

Geometry divide(const Shape& shape, std::uint32_t stripes) noexcept {
  Geometry g;
  g.shape = shape;
  g.shape.stripes = stripes;
  g.counter_lines = static_cast<std::uint32_t>(std::clamp<std::uint64_t>(shape.capacity >> 16, 16, 256));
  g.stripes_at = round_up(kHeaderBytes + g.counter_lines * sizeof(CounterLine), kCacheLine);
  g.stripe_bytes = (shape.capacity - g.stripes_at) / stripes / kCacheLine * kCacheLine;
  divide_stripe(g);
  return g;
}

std::uint64_t value_room(const Geometry& g) noexcept {
  constexpr std::uint64_t kBesideValue = kEntryHeader + kTimingBytes + kMaxKeyBytes + 8;
  return g.max_entry > kBesideValue ? g.max_entry - kBesideValue : 0;
}

}  // namespace

std::uint64_t largest_value(std::uint64_t capacity, bool reject) noexcept {
  return value_room(divide({.capacity = capacity, .reject = reject}, 1));
}

Geometry plan(const Shape& shape) noexcept {
  if (shape.capacity < kMinCapacityBytes || shape.capacity > kMaxCapacityBytes) return {};
  if (shape.stripes > kMaxStripes || (shape.stripes != 0 && !std::has_single_bit(shape.stripes))) return {};

  const std::uint64_t wanted =
      shape.max_value != 0 ? shape.max_value : std::min(kDefaultMaxValue, largest_value(shape.capacity, shape.reject));
  const std::uint32_t most = shape.stripes != 0 ? shape.stripes : kMaxStripes;
  const std::uint32_t least = shape.stripes != 0 ? shape.stripes : 1;
  for (std::uint32_t stripes = most; stripes >= least; stripes /= 2) {
    Geometry g = divide(shape, stripes);
    const bool chosen = shape.stripes != 0;
    const std::uint64_t least_bytes = stripes > kFewStripes ? kRoomyStripe : kMinStripe;
    if (!chosen && stripes > 1 && g.stripe_bytes < least_bytes) continue;
    if (g.chunks == 0) continue;
    if (value_room(g) < wanted) {
      if (!chosen || shape.max_value != 0) continue;
      g.shape.max_value = value_room(g);  // the stripes were asked for, the size of values was not
    } else {
      g.shape.max_value = wanted;
    }
    return g;
  }
  return {};
}

std::uint64_t Geometry::check() const noexcept {
  std::uint64_t sum = 0;
  for (std::uint64_t x : {shape.capacity,
                          std::uint64_t{shape.stripes},
                          shape.max_value,
                          std::uint64_t{shape.reject},
                          std::uint64_t{counter_lines},
                          stripes_at,
                          stripe_bytes,
                          std::uint64_t{chunks},
                          std::uint64_t{chunk_bytes},
                          std::uint64_t{location_bits},
                          std::uint64_t{least_buckets},
                          std::uint64_t{most_buckets},
                          std::uint64_t{ghost_words},
                          std::uint64_t{flights},
                          std::uint64_t{leases},
                          std::uint64_t{max_entry},
                          std::uint64_t{reserve_chunks},
                          states_at,
                          due_at,
                          straddlers_at,
                          generations_at,
                          used_at,
                          first_at,
                          live_at,
                          next_at,
                          leases_at,
                          ghost_at,
                          buckets_at,
                          chunks_at}) {
    sum = base::mix(sum ^ x) + x;
  }
  return sum;
}

}  // namespace forklore::store
