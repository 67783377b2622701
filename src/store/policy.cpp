// policy.cpp - Who stays in a full stripe: S3-FIFO (Yang, Zhang, Qiu, Yue, Vigfusson, SOSP 2023), in chunks.
//
// Three logs share the chunks of a stripe: small, main and large. Each is a queue of chunks. A read never moves an
// entry; it only raises the entry's frequency, up to 3. Only the oldest chunk of a log is ever evicted from.
//
// New entries. A new entry goes to small. An overwrite stays in the log of the entry that it replaces.
//
// Who leaves. small has a share of the chunks. If small has more than its share, its oldest chunk gives way, else the
// oldest chunk of main. Entries of small that were read move to main with frequency 0. Entries of main with frequency
// left move to the end of main, with one less. All others leave, and the ghost remembers their keys.
//
// Who comes back. A key that left small and comes back goes to main. A key that left main begins again in small.
//
// The share. It begins at a tenth. If a key comes back soon that left small, a larger small log would have kept it, so
// the share grows. If it left main, the share shrinks.
//
// While memory is free. Nothing leaves. What small has beyond its share is given to main as it is, read or not. So a
// loop over more than fits finds what fits.
//
// What main was filled with. Such a chunk gives way only as far as it is owed. Keys that come back and had left small
// show what the filled chunks cost: main owes twice the bytes of these keys. For keys that come back soon it owes ten
// times their bytes.
//
// Large entries. An entry is large if it is much larger than those that are held and those that came lately. It takes
// the room of many others, so it goes to the large log, which has a twentieth of the chunks. It moves to main if it was
// read twice, and in main it needs more reads to stay. If only large entries came for as many bytes as the stripe has,
// they are the usual ones from then on.
//
// Sizes that change. If entries that come now are clearly twice or half as large as those of main's oldest chunk, main
// gives way first, until its sizes have changed too.
//
// Reject mode. All entries are in small, and nobody leaves.
#include "store/policy.hpp"

#include <algorithm>
#include <bit>

namespace forklore::store {
namespace {

// Shares of the chunks that are not the index's.
constexpr std::uint64_t kWhole = std::uint64_t{1} << 31;
constexpr std::uint64_t kFirstShare = kWhole / 10;
constexpr std::uint64_t kLeastShare = kWhole / 50;
constexpr std::uint64_t kMostShare = kWhole / 50 * 49;
constexpr std::uint32_t kLargeShare = 20;  // one chunk in so many

constexpr std::uint32_t kSoon = Ghost::kStripe / 5;  // ticks of the ghost's clock: within them, a key comes back soon
constexpr std::uint64_t kStep = 2;                   // the share moves by so many times the entry's bytes
constexpr std::uint64_t kOwed = 2;                   // main owes so many times the entry's bytes
constexpr std::uint64_t kOwedSoon = 10;              // and so many times, if that was soon
constexpr std::uint64_t kDearer = 4;                 // an entry so many times as large is dearer by one
constexpr std::uint64_t kUsual = 64;                 // the usual size is a mean of about so many new entries
constexpr std::uint64_t kSample = 32;                // so many entries tell the sizes in a chunk
constexpr std::uint64_t kSure = 3;                   // a difference of so many times the mean's error is no chance
constexpr unsigned kLargeReads = 2;                  // so many reads take a large entry into main

/// 16 times the binary logarithm of a number, rounded down. Between powers of two it is a straight line. For 0 as
/// for 1.
std::uint64_t logarithm(std::uint64_t n) noexcept {
  const auto power = static_cast<unsigned>(std::bit_width(n | 1)) - 1;
  return 16 * std::uint64_t{power} + (((n << 4) >> power) & 15);
}
constexpr std::uint64_t kHalfAsMuch = 9;  // 16 times the logarithm of one and a half
constexpr std::uint64_t kTwice = 16;      // 16 times the logarithm of 2

constexpr std::uint64_t apart(std::uint64_t a, std::uint64_t b) noexcept { return std::max(a, b) - std::min(a, b); }

}  // namespace

// ---- When an entry is stored.

Kind Policy::choose_log(std::uint64_t hash, std::optional<Kind> was, std::size_t bytes) noexcept {
  if (was) return keeps_log(*was, bytes) ? *was : Kind::large;  // never back to small: see kScanned
  if (reject_) return Kind::small;
  const bool large = dearness(bytes) > 0;
  note_size(bytes, large);
  if (large) return Kind::large;

  const Ghost::Return back = ghost_.take(hash, clocks());
  if (!back.found) return Kind::small;
  const bool soon = back.age <= kSoon;
  if (soon) move_share(back.from_main, bytes);
  if (back.from_main) return Kind::small;
  count(header_.owed, static_cast<std::int64_t>((soon ? kOwedSoon : kOwed) * bytes));
  return Kind::main;
}

std::uint64_t Policy::small_share() const noexcept {
  const std::uint64_t share = header_.small_share.load(std::memory_order_relaxed);
  return std::clamp(share == 0 ? kFirstShare : share, kLeastShare, kMostShare);
}

/// Moves small's share by the part of the stripe that these bytes are.
void Policy::move_share(bool from_main, std::size_t bytes) noexcept {
  const std::uint64_t share = small_share();
  const std::uint64_t step = kStep * bytes * (kWhole / log_.chunk_bytes()) / log_chunks();
  const std::uint64_t next = from_main ? share - std::min(share, step) : share + step;
  header_.small_share.store(static_cast<std::uint32_t>(std::clamp(next, kLeastShare, kMostShare)),
                            std::memory_order_relaxed);
}

unsigned Policy::dearness(std::size_t bytes, std::uint64_t weight, std::uint64_t all) const noexcept {
  const std::uint64_t usual = header_.usual_size.load(std::memory_order_relaxed);
  if (usual == 0 || logarithm(bytes) <= usual / kUsual + kHalfAsMuch) return 0;
  unsigned dearness = 0;
  for (; weight > all && dearness < kMaxFrequency; weight /= kDearer) ++dearness;
  return dearness;
}

/// Counts a new entry into the usual size and its spread.
void Policy::note_size(std::size_t bytes, bool large) noexcept {
  const std::uint64_t usual = header_.usual_size.load(std::memory_order_relaxed);
  const std::uint64_t now = logarithm(bytes);
  std::uint64_t run = 0;
  bool anew = usual == 0;
  if (large) {
    run = header_.large_run.load(std::memory_order_relaxed) + bytes;
    anew = run >= log_bytes();
  }
  header_.large_run.store(anew ? 0 : run, std::memory_order_relaxed);
  header_.usual_size.store(anew ? now * kUsual : usual - usual / kUsual + now, std::memory_order_relaxed);
  if (anew) return;
  const std::uint64_t spread = header_.usual_spread.load(std::memory_order_relaxed);
  header_.usual_spread.store(spread - spread / kUsual + apart(now, usual / kUsual), std::memory_order_relaxed);
}

// ---- When room is made.

std::uint32_t Policy::small_chunks() const noexcept {
  return std::max(static_cast<std::uint32_t>(log_chunks() * small_share() / kWhole), 1u);
}

std::uint32_t Policy::large_chunks() const noexcept { return std::max(log_chunks() / kLargeShare, 1u); }

void Policy::fill_main(Kind kind, std::uint32_t needed) noexcept {
  if (reject_ || kind == Kind::main || outgrown()) return;
  const std::uint32_t most = kind == Kind::small ? small_chunks() : large_chunks();
  for (std::uint32_t chunks = log_.count(kind) + needed; chunks > most; --chunks) {
    const std::uint32_t oldest = log_.oldest(kind);
    if (oldest == kNoChunk) return;
    log_.give_to_main(oldest);
  }
}

/// Whether sizes have changed since main's oldest chunk was written.
bool Policy::outgrown() const noexcept {
  const std::uint32_t oldest = log_.oldest(Kind::main);
  if (oldest == kNoChunk) return false;
  std::uint64_t sum = 0, seen = 0;
  EntryHead head;
  Location place;
  if (const std::uint64_t word = log_.straddler(oldest);
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
  // A small sample of sizes that differ much tells little about their mean.
  const std::uint64_t difference = apart(sum / seen, header_.usual_size.load(std::memory_order_relaxed) / kUsual);
  const std::uint64_t spread = header_.usual_spread.load(std::memory_order_relaxed) / kUsual;
  const std::uint64_t beyond = difference - std::min(difference, kTwice);
  return beyond * beyond * seen > kSure * kSure * spread * spread;
}

/// Whether main owes a chunk, and its oldest is one that it was filled with. If so, the debt is paid.
bool Policy::takes_owed() noexcept {
  const std::uint32_t oldest = log_.oldest(Kind::main);
  const bool filled = oldest != kNoChunk && log_.filled(oldest);
  const std::uint64_t owed = header_.owed.load(std::memory_order_relaxed);
  const bool enough = filled && owed >= log_.chunk_bytes();
  if (enough || !filled) header_.owed.store(enough ? owed - log_.chunk_bytes() : 0, std::memory_order_relaxed);
  return enough;
}

std::uint32_t Policy::choose_victim(Kind kind, std::uint32_t needed) noexcept {
  const bool large_first = kind == Kind::large && log_.count(Kind::large) + needed > large_chunks();
  const bool small_first = log_.count(Kind::small) > small_chunks() && !outgrown() && !takes_owed();
  const Kind rest[] = {small_first ? Kind::small : Kind::main, small_first ? Kind::main : Kind::small, Kind::large};
  std::uint32_t victim = large_first ? log_.oldest(Kind::large) : kNoChunk;
  for (const Kind log : rest) {
    if (victim == kNoChunk) victim = log_.oldest(log);
  }
  return victim;
}

bool Policy::stays(Kind from, std::size_t bytes, unsigned& frequency) const noexcept {
  const unsigned needed = from == Kind::large ? kLargeReads : 1 + dearness(bytes);
  if (frequency < needed) return false;
  frequency = from == Kind::main ? frequency - needed : 0;
  return true;
}

void Policy::remember(Kind from, std::uint64_t hash, std::size_t bytes) noexcept {
  if (from == Kind::large) return;
  const bool from_main = from == Kind::main;
  const Clocks now = clocks();
  ghost_.record(hash, now, from_main);
  header_.ghost_bytes[from_main].store(now[from_main] + bytes, std::memory_order_relaxed);
}

/// The ghost's clocks: of small, and of main.
Policy::Clocks Policy::clocks() const noexcept {
  return {header_.ghost_bytes[0].load(std::memory_order_relaxed),
          header_.ghost_bytes[1].load(std::memory_order_relaxed)};
}

}  // namespace forklore::store
