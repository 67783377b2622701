#include "overwriter.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>

#include "base/process.hpp"
#include "store/layout.hpp"

namespace forklore::fuzz {
namespace {

constexpr std::size_t kInUse = 3;  // kinds of words beside the fields: a slot in use, and an entry's two words

// The bytes may be those of a mapping that others use at the same time.
std::uint64_t load(std::span<const std::byte> segment, std::size_t at, std::size_t bytes) {
  auto* word = const_cast<std::byte*>(segment.data() + at);
  return bytes == 8 ? std::atomic_ref(*reinterpret_cast<std::uint64_t*>(word)).load(std::memory_order_relaxed)
                    : std::atomic_ref(*reinterpret_cast<std::uint32_t*>(word)).load(std::memory_order_relaxed);
}

void store(std::span<std::byte> segment, std::size_t at, std::size_t bytes, std::uint64_t value) {
  std::byte* word = segment.data() + at;
  if (bytes == 8) {
    std::atomic_ref(*reinterpret_cast<std::uint64_t*>(word)).store(value, std::memory_order_relaxed);
  } else {
    std::atomic_ref(*reinterpret_cast<std::uint32_t*>(word))
        .store(static_cast<std::uint32_t>(value), std::memory_order_relaxed);
  }
}

}  // namespace

std::uint64_t any_word(tests::Choices& choices) {
  const std::uint64_t low = choices.below(std::size_t{1} << 32);
  return low | std::uint64_t{choices.below(std::size_t{1} << 32)} << 32;
}

Overwriter::Overwriter(const Sample& sample) : geometry_(sample.geometry()) {
  const store::Geometry& g = geometry_;
  fields_.push_back({0, 4, sizeof(store::SegmentHeader) / 4, 4});
  fields_.push_back({store::kHeaderBytes, 8, g.counter_lines * std::size_t{8}, 8});
  for (std::uint32_t i = 0; i < g.shape.stripes; ++i) add_stripe(sample.image(), g.stripes_at + i * g.stripe_bytes);
}

void Overwriter::add_stripe(std::span<const std::byte> image, std::size_t stripe) {
  const store::Geometry& g = geometry_;
  fields_.push_back({stripe, 4, sizeof(store::StripeHeader) / 4, 4});
  fields_.push_back({stripe, 8, sizeof(store::StripeHeader) / 8, 8});
  for (const auto column : {g.states_at, g.due_at, g.straddlers_at}) {
    fields_.push_back({stripe + column, 8, g.chunks, 8});
  }
  for (const auto column : {g.generations_at, g.used_at, g.first_at, g.live_at, g.next_at}) {
    fields_.push_back({stripe + column, 4, g.chunks, 4});
  }
  fields_.push_back({stripe + g.leases_at, 8, g.leases * store::kLeaseBytes / 8, 8});
  fields_.push_back({stripe + g.ghost_at, 4, g.ghost_words, 4});
  const std::size_t slots =
      store::index_size_of(load(image, stripe + offsetof(store::StripeHeader, index), 8)) * store::kSlotsPerBucket;
  fields_.push_back({stripe + g.buckets_at, 8, slots, 8});
  fields_.push_back({stripe + g.chunks_at, 8, std::size_t{g.chunks} * g.chunk_bytes / 8, 8});

  const std::size_t last_chunk = stripe + g.chunks_at + std::size_t{g.chunks - 1} * g.chunk_bytes;
  for (std::size_t i = 0; i < slots; ++i) {
    const std::size_t at = stripe + g.buckets_at + i * 8;
    const std::uint64_t slot = load(image, at, 8);
    const Entry entry{at, stripe + (slot & location_mask()) * 8, stripe};
    if (slot == 0) continue;
    if (entry.at < last_chunk) {
      entries_.insert(entries_.begin(), entry);
    } else {
      entries_.push_back(entry);
      ++in_last_chunk_;
    }
  }
}

void Overwriter::write_over(std::span<std::byte> segment, tests::Choices& choices) const {
  if (choices.below(8) == 0) return transplant(segment, choices);
  const Word word = choose_word(choices);
  store(segment, word.at, word.bytes, choose_value(segment, word, choices));
}

const Overwriter::Entry& Overwriter::choose_entry(tests::Choices& choices) const {
  // Every other one in the last chunk: who goes too far there, leaves the stripe.
  const bool last = choices.below(2) == 0 && in_last_chunk_ != 0;
  const std::size_t number = choices.below(256);
  return last ? entries_[entries_.size() - 1 - number % in_last_chunk_] : entries_[number % entries_.size()];
}

std::uint64_t Overwriter::choose_location(tests::Choices& choices) const {
  const store::Geometry& g = geometry_;
  const std::uint64_t units = g.chunk_bytes / 8;
  const std::uint64_t chunk = choices.below(2) == 0 ? g.chunks - 1 : choices.below(256) % g.chunks;
  const std::uint64_t unit = choices.below(2) == 0 ? units - 1 - choices.below(16) : choices.below(1 << 16) % units;
  return (g.chunks_at + chunk * g.chunk_bytes) / 8 + unit;
}

void Overwriter::transplant(std::span<std::byte> segment, tests::Choices& choices) const {
  const Entry& entry = choose_entry(choices);
  const std::uint64_t location = choose_location(choices);
  const std::size_t to = entry.stripe + location * 8;
  const std::size_t end = entry.stripe + geometry_.chunks_at + std::size_t{geometry_.chunks} * geometry_.chunk_bytes;
  // Header, and key if it is short.
  const std::size_t bytes = std::min({std::size_t{64}, end - to, end - entry.at});
  for (std::size_t at = 0; at < bytes; at += 8) store(segment, to + at, 8, load(segment, entry.at + at, 8));
  store(segment, entry.slot, 8, (load(segment, entry.slot, 8) & ~location_mask()) | location);
}

Overwriter::Word Overwriter::choose_word(tests::Choices& choices) const {
  const std::size_t kind = choices.below(fields_.size() + kInUse);
  if (kind < kInUse) {
    const Entry& entry = choose_entry(choices);
    return {kind == 0 ? entry.slot : entry.at + (kind - 1) * 8, 8, 0};
  }
  const Field& field = fields_[kind - kInUse];
  const std::size_t number = choices.below(1 << 16) % field.count;
  return {field.at + number * field.apart, field.bytes, number};
}

std::uint64_t Overwriter::choose_value(std::span<const std::byte> segment, Word word, tests::Choices& choices) const {
  const store::Geometry& g = geometry_;
  const std::uint64_t old = load(segment, word.at, word.bytes);
  switch (choices.below(8)) {
    case 0:
      return any_word(choices);
    case 1:
      return old + choices.below(256) - 128;
    case 2:
      return old ^ std::uint64_t{1} << choices.below(64);
    case 3: {  // near that of another word, perhaps of another kind
      const Word other = choose_word(choices);
      return load(segment, other.at, other.bytes) + choices.below(256) - 128;
    }
    case 4:
      return (load(segment, choose_entry(choices).slot, 8) & ~location_mask()) | choose_location(choices);
    case 5:  // lock words: free, dead, held by others, by nobody, by this thread
      return std::array<std::uint64_t, 6>{
          0x40000000, 0x80000000, 1, 0x80000001, 0x3fffffff, base::self().tid}[choices.below(6)];
    case 6: {  // an entry's second word: both sizes, or that of the value alone
      const std::uint64_t key_size = choices.below(2) == 0 ? old >> 32 : choices.below(1 << 16);
      return key_size << 32 | choices.below(std::size_t{1} << 32);
    }
    default: {
      const std::array<std::uint64_t, 26> special{0,
                                                  1,
                                                  word.number,
                                                  word.number + 1,
                                                  ~std::uint64_t{0},
                                                  ~std::uint64_t{0} >> 1,
                                                  ~std::uint32_t{0},
                                                  g.chunks - 1,
                                                  g.chunks,
                                                  g.chunks + 1,
                                                  g.chunk_bytes - 8,
                                                  g.chunk_bytes - 16,
                                                  g.chunk_bytes,
                                                  g.chunk_bytes + 8,
                                                  g.max_entry,
                                                  g.least_buckets,
                                                  g.most_buckets,
                                                  g.most_buckets + 1,
                                                  std::uint64_t{1} << store::kKindShift,
                                                  std::uint64_t{2} << store::kKindShift,
                                                  std::uint64_t{3} << store::kKindShift,
                                                  std::uint64_t{4} << store::kKindShift,
                                                  std::uint64_t{0xff} << store::kKindShift,
                                                  store::kSequenceMask,
                                                  store::kNever << 16,
                                                  g.stripe_bytes / 8};
      return special[choices.below(special.size())];
    }
  }
}

}  // namespace forklore::fuzz
