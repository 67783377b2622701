// Who stays: S3-FIFO (Yang, Zhang, Qiu, Yue, Vigfusson, SOSP 2023) over chunks that all logs share, with a small log
// that grows and shrinks, and a third log for what is large.
//
// A new entry goes to small. The oldest chunk of small gives way first while small has more than its share, else that
// of main. From small, entries that were read again move to main; from main, those with frequency left go round once
// more with less; the others leave, remembered in the ghost. Who left small and comes back enters main.
//
// Until memory is full nothing leaves: what small has beyond its share becomes main's unread. So a loop over more than
// fits finds what fits. What main was filled with gives way first as far as keys come back that left small: they show
// what it costs. When the sizes of what comes have changed, main gives way first until it has changed too.
//
// The share follows the ghost: who comes back that left small a little while ago would have been found in a larger
// small log, and who left main would have been found in a larger main log.
//
// An entry that is large beside the others, those that are held and those that come, costs the room of many of them: it
// goes to a log of its own, so that it takes the place of other large ones, and into main when it was read twice. In
// main it must be read more often to stay. Where only such ones have come for as many bytes as there are, they are what
// is usual.
#include <algorithm>
#include <bit>

#include "store/stripe.hpp"

namespace forklore::store {
namespace {

// Shares, of the chunks beside the index.
constexpr std::uint64_t kWhole = std::uint64_t{1} << 31;
constexpr std::uint64_t kFirstShare = kWhole / 10;
constexpr std::uint64_t kLeastShare = kWhole / 50;
constexpr std::uint64_t kMostShare = kWhole / 50 * 49;
constexpr std::uint32_t kLargeShare = 20;  // one in so many

constexpr std::uint32_t kNear = Ghost::kStripe / 5;  // of the ghost's clock: a little while ago
constexpr std::uint64_t kStep = 1;                   // the share changes by so many times the bytes of who came back
constexpr std::uint64_t kOwed = 2;                   // times their bytes, main gives up of what it was filled with
constexpr std::uint64_t kLarge = 3;                  // times the average: large
constexpr std::uint64_t kDearer = 4;                 // times as large: dearer by one
constexpr std::uint64_t kUsual = 64;                 // new entries that weigh in what is usual
constexpr std::uint64_t kSample = 32;                // entries that tell the sizes in a chunk
constexpr std::uint64_t kSure = 3;                   // times what the mean of a sample usually is off by
constexpr unsigned kLargeReads = 2;                  // take a large entry into main

/// 16 times the binary logarithm of a number, of 0 as of 1, rounded down; its fraction is interpolated.
std::uint64_t logarithm(std::uint64_t n) noexcept {
  const auto power = static_cast<unsigned>(std::bit_width(n | 1)) - 1;
  return 16 * std::uint64_t{power} + (((n << 4) >> power) & 15);
}

constexpr std::uint64_t apart(std::uint64_t a, std::uint64_t b) noexcept { return std::max(a, b) - std::min(a, b); }

constexpr std::uint64_t kHalfAsMuch = 9;  // 16 times the logarithm of one and a half
constexpr std::uint64_t kTwice = 16;      // likewise

}  // namespace

inline std::uint32_t Stripe::log_chunks() const noexcept {
  const std::uint32_t index = (index_.view().size() - index_.least()) >> log_.buckets_shift();
  return log_.size() - std::min(index, log_.size() - 1);
}

std::uint32_t Stripe::small_share() const noexcept {
  const std::uint64_t share = header_->small_share.load(std::memory_order_relaxed);
  const std::uint64_t bounded = std::clamp(share == 0 ? kFirstShare : share, kLeastShare, kMostShare);
  return std::max(static_cast<std::uint32_t>(log_chunks() * bounded / kWhole), 1u);
}

std::uint32_t Stripe::large_share() const noexcept { return std::max(log_chunks() / kLargeShare, 1u); }

inline unsigned Stripe::dearness(std::size_t bytes) const noexcept {
  const std::uint64_t all = std::uint64_t{log_chunks()} * log_.chunk_bytes();
  std::uint64_t weight = bytes * header_->slots_used.load(std::memory_order_relaxed) / kLarge;
  if (weight <= all) return 0;
  const std::uint64_t usual = header_->usual_size.load(std::memory_order_relaxed);
  if (usual == 0 || logarithm(bytes) <= usual / kUsual + kHalfAsMuch) return 0;
  unsigned dearness = 0;
  for (; weight > all && dearness < kMaxFrequency; weight /= kDearer) ++dearness;
  return dearness;
}

void Stripe::note_size(std::size_t bytes, bool large) noexcept {
  const std::uint64_t usual = header_->usual_size.load(std::memory_order_relaxed);
  const std::uint64_t now = logarithm(bytes);
  std::uint64_t run = 0;
  bool anew = usual == 0;
  if (large) {
    run = header_->large_run.load(std::memory_order_relaxed) + bytes;
    anew = run >= std::uint64_t{log_chunks()} * log_.chunk_bytes();
  }
  header_->large_run.store(anew ? 0 : run, std::memory_order_relaxed);
  header_->usual_size.store(anew ? now * kUsual : usual - usual / kUsual + now, std::memory_order_relaxed);
  if (anew) return;
  const std::uint64_t spread = header_->usual_spread.load(std::memory_order_relaxed);
  header_->usual_spread.store(spread - spread / kUsual + apart(now, usual / kUsual), std::memory_order_relaxed);
}

bool Stripe::keeps_log(Kind was, std::size_t bytes) const noexcept {
  return reject_ || was != Kind::small || dearness(bytes) == 0;
}

Kind Stripe::choose_log(const Key& key, const Located& old, std::size_t bytes) noexcept {
  const Kind was = old.slot == nullptr ? Kind::free : log_of(log_.state(old.place.chunk));
  if (was != Kind::free) return keeps_log(was, bytes) ? was : Kind::large;  // never back to small: see kScanned
  if (reject_) return Kind::small;
  const bool large = dearness(bytes) > 0;
  note_size(bytes, large);
  if (large) return Kind::large;

  const std::uint64_t clocks[] = {header_->ghost_bytes[0].load(std::memory_order_relaxed),
                                  header_->ghost_bytes[1].load(std::memory_order_relaxed)};
  const Ghost::Return back = ghost_.take(key.hash, clocks);
  if (!back.found) return Kind::small;
  if (back.age <= kNear) {
    const std::uint64_t share = header_->small_share.load(std::memory_order_relaxed);
    const std::uint64_t step = kStep * bytes * (kWhole / log_.chunk_bytes()) / log_chunks();
    const std::uint64_t now = std::clamp(share == 0 ? kFirstShare : share, kLeastShare, kMostShare);
    const std::uint64_t next = back.from_main ? now - std::min(now, step) : now + step;
    header_->small_share.store(static_cast<std::uint32_t>(std::clamp(next, kLeastShare, kMostShare)),
                               std::memory_order_relaxed);
  }
  if (back.from_main) return Kind::small;
  count(header_->owed, static_cast<std::int64_t>(kOwed * bytes));
  return Kind::main;
}

void Stripe::fill_main(Kind kind, std::uint32_t needed) noexcept {
  if (reject_ || kind == Kind::main || outgrown()) return;
  const std::uint32_t share = kind == Kind::small ? small_share() : large_share();
  for (std::uint32_t chunks = log_.count(kind) + needed; chunks > share; --chunks) {
    const std::uint32_t oldest = log_.oldest(kind);
    if (oldest >= log_.size()) return;
    log_.give_to_main(oldest);
  }
}

bool Stripe::outgrown() const noexcept {
  const std::uint32_t oldest = log_.oldest(Kind::main);
  if (oldest >= log_.size()) return false;
  std::uint64_t sum = 0, seen = 0;
  EntryHead head;
  Place place;
  if (const std::uint64_t word = log_.head(oldest);
      word != 0 && log_.locate(word, place) && log_.read_head(place, head)) {
    sum += logarithm(head.total());
    ++seen;
  }
  for (place = {oldest, log_.first(oldest)};
       seen < kSample && place.offset < log_.used(oldest) && place.offset + kEntryHeader <= log_.chunk_bytes() &&
       log_.read_head(place, head);
       ++seen) {
    sum += logarithm(head.total());
    place.offset += static_cast<std::uint32_t>(head.total());
  }
  if (seen == 0) return false;
  // The fewer are seen, and the more sizes differ anyway, the less their mean tells.
  const std::uint64_t difference = apart(sum / seen, header_->usual_size.load(std::memory_order_relaxed) / kUsual);
  const std::uint64_t spread = header_->usual_spread.load(std::memory_order_relaxed) / kUsual;
  const std::uint64_t beyond = difference - std::min(difference, kTwice);
  return beyond * beyond * seen > kSure * kSure * spread * spread;
}

bool Stripe::gives_way_as_owed() noexcept {
  const std::uint32_t oldest = log_.oldest(Kind::main);
  const bool filled = oldest < log_.size() && log_.filled(oldest);
  const std::uint64_t owed = header_->owed.load(std::memory_order_relaxed);
  const bool enough = filled && owed >= log_.chunk_bytes();
  if (enough || !filled) header_->owed.store(enough ? owed - log_.chunk_bytes() : 0, std::memory_order_relaxed);
  return enough;
}

std::uint32_t Stripe::choose_oldest(Kind kind, std::uint32_t needed) noexcept {
  const bool large_first = kind == Kind::large && log_.count(Kind::large) + needed > large_share();
  const bool small_first = log_.count(Kind::small) > small_share() && !outgrown() && !gives_way_as_owed();
  const Kind rest[] = {small_first ? Kind::small : Kind::main, small_first ? Kind::main : Kind::small, Kind::large};
  std::uint32_t victim = large_first ? log_.oldest(Kind::large) : log_.size();
  for (const Kind log : rest) {
    if (victim >= log_.size()) victim = log_.oldest(log);
  }
  return victim;
}

bool Stripe::stays(Kind from, std::size_t bytes, unsigned& frequency) const noexcept {
  const unsigned needed = from == Kind::large ? kLargeReads : 1 + dearness(bytes);
  if (frequency < needed) return false;
  frequency = from == Kind::main ? frequency - needed : 0;
  return true;
}

void Stripe::remember(Kind from, std::uint64_t hash, std::size_t bytes) noexcept {
  if (from == Kind::large) return;
  const std::uint64_t clocks[] = {header_->ghost_bytes[0].load(std::memory_order_relaxed),
                                  header_->ghost_bytes[1].load(std::memory_order_relaxed)};
  const bool from_main = from == Kind::main;
  ghost_.record(hash, clocks, from_main);
  header_->ghost_bytes[from_main].store(clocks[from_main] + bytes, std::memory_order_relaxed);
}

}  // namespace forklore::store
