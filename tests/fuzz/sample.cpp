#include "sample.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>

#include "store/layout.hpp"
#include "store/segment.hpp"
#include "surroundings.hpp"
#include "test_clock.hpp"
#include "unique_name.hpp"

#if defined(__SANITIZE_ADDRESS__)
#define FORKLORE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FORKLORE_ASAN 1
#endif
#endif
#ifdef FORKLORE_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, bytes) (static_cast<void>(at), static_cast<void>(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(at, bytes) (static_cast<void>(at), static_cast<void>(bytes))
#endif

namespace forklore::fuzz {
namespace {

class FixedChoices : public tests::Choices {
 public:
  std::size_t below(std::size_t bound) override { return random_() % bound; }

 private:
  std::mt19937_64 random_{1};
};

store::Geometry geometry_in(std::span<const std::byte> mapped) {
  std::string fault;
  const auto description =
      store::describe(*reinterpret_cast<const store::SegmentHeader*>(mapped.data()), mapped.size(), fault);
  if (!description) {
    std::fprintf(stderr, "the sample is no segment: %s\n", fault.c_str());
    std::abort();
  }
  return description->geometry;
}

}  // namespace

std::string own_name(const char* what) {
  return tests::mark_of_the_run() + "fuzz-" + std::to_string(::getpid()) + "-" + what;
}

std::vector<Part> parts_of(const store::Geometry& g) {
  std::vector<Part> parts{{0, sizeof(store::SegmentHeader)},
                          {store::kHeaderBytes, g.counter_lines * sizeof(store::CounterLine)}};
  for (std::uint32_t i = 0; i < g.shape.stripes; ++i) {
    const std::uint64_t stripe = g.stripes_at + i * g.stripe_bytes;
    parts.emplace_back(stripe, sizeof(store::StripeHeader));
    for (const std::uint64_t column : {g.states_at, g.due_at, g.straddlers_at}) {
      parts.emplace_back(stripe + column, g.chunks * sizeof(store::Word));
    }
    for (const std::uint64_t column : {g.generations_at, g.used_at, g.first_at, g.live_at, g.next_at}) {
      parts.emplace_back(stripe + column, g.chunks * sizeof(store::HalfWord));
    }
    parts.emplace_back(stripe + g.leases_at, g.leases * store::kLeaseBytes);
    parts.emplace_back(stripe + g.ghost_at, g.ghost_words * sizeof(store::HalfWord));
    parts.emplace_back(stripe + g.buckets_at, g.least_buckets * sizeof(store::Bucket));
    parts.emplace_back(stripe + g.chunks_at, std::size_t{g.chunks} * g.chunk_bytes);
  }
  return parts;
}

PoisonedGaps::PoisonedGaps(std::span<std::byte> mapped, const store::Geometry& geometry) : mapped_(mapped) {
  std::size_t end = 0;
  std::vector<Part> parts = parts_of(geometry);
  parts.emplace_back(mapped.size(), 0);
  for (const auto& [at, bytes] : parts) {
    ASAN_POISON_MEMORY_REGION(mapped.data() + end, at - end);
    end = at + bytes;
  }
}

PoisonedGaps::~PoisonedGaps() { ASAN_UNPOISON_MEMORY_REGION(mapped_.data(), mapped_.size()); }

Sample::Sample(Options options, tests::Room room, tests::Mix mix, unsigned calls)
    : options_(std::move(options)),
      room_(room),
      mix_(mix),
      cache_(Cache::open(options_)),
      mapped_(last_mapping()),
      geometry_(geometry_in(mapped_)),
      parts_(parts_of(geometry_)) {
  FixedChoices choices;
  tests::CheckedCalls checked(options_, room_, mix_, choices);
  for (unsigned i = 0; i < calls; ++i) checked.step();
  checked.look_over();
  clock_ = tests::clock_ms();
  image_.assign(mapped_.begin(), mapped_.end());
  gaps_.emplace(mapped_, geometry_);
}

Sample::~Sample() {
  gaps_.reset();
  if (options_.place == Place::shm) remove_segment(options_.name);
}

void Sample::restore() {
  for (const auto& [at, bytes] : parts_) std::memcpy(mapped_.data() + at, image_.data() + at, bytes);
  // A stripe gives no sequence twice, and the cache, which stays open, goes by that.
  ++restored_;
  for (std::uint32_t i = 0; i < geometry_.shape.stripes; ++i) {
    std::byte* const stripe = mapped_.data() + geometry_.stripes_at + i * geometry_.stripe_bytes;
    reinterpret_cast<store::StripeHeader*>(stripe)->sequence.fetch_add(restored_ << 20, std::memory_order_relaxed);
  }
  tests::set_clock(clock_);
}

}  // namespace forklore::fuzz
