#include "store/stripe_read.hpp"

#include <algorithm>

#include "base/racy_copy.hpp"

namespace forklore::store {

Code Stripe::glance(const HashedKey& key, std::uint64_t now, Reading& reading, unsigned& frequency,
                    std::chrono::milliseconds timeout) {
  const ReadOn outcome = read_on<Age::fresh>(key, now, Glance{&frequency}, timeout);
  reading = outcome.reading;
  return outcome.code;
}

bool Stripe::prefetch_from(const Bucket& bucket, std::uint64_t fingerprint) const noexcept {
  bool any = false;
  for (Matches match(bucket, fingerprint); match.any(); match.next()) {
    const std::uint64_t word = bucket.slot[match.slot()].load(std::memory_order_relaxed);
    Location place;
    if (fingerprint_of(word) != fingerprint || word == 0 || !log_.locate(word, place)) continue;
    // The cache lines of an entry of some hundred bytes, as most are. For a smaller one that is a little too much.
    const std::byte* entry = log_.at(place);
    for (const std::size_t at : {0u, 64u, 128u, 136u}) __builtin_prefetch(entry + at);
    any = true;
  }
  return any;
}

void Stripe::prefetch_entries(std::uint64_t hash) const noexcept {
  const Index::Snapshot index = index_.snapshot();
  if (!prefetch_from(index.first(hash), Index::fingerprint(hash)))
    prefetch_from(index.second(hash), Index::fingerprint(hash));
}

void Stripe::scan(ScanPosition& place, std::uint64_t now, std::string_view prefix, std::size_t enough,
                  std::vector<std::string>& keys, Age age) const {
  while (place.log && keys.size() < enough) {
    const std::uint32_t next = scan_from(place);
    if (next == kNoChunk) {
      const auto* const log = std::ranges::find(kScanned, place.log);
      place = {log >= kScanned.end() - 1 ? std::nullopt : std::optional(*(log + 1))};
    } else if (scan_chunk(next, place, now, prefix, enough, keys, age)) {
      place = {place.log, place.sequence + 1};
    }
  }
}

/// The chunk in which a scan that is not at its end goes on, or kNoChunk. If it is another than the place names, the
/// place moves there.
std::uint32_t Stripe::scan_from(ScanPosition& place) const noexcept {
  std::uint32_t next;  // set by each look
  std::uint64_t least = 0;
  std::uint64_t before = 0;
  std::uint32_t looks = 0;
  do {
    before = least;
    least = ~std::uint64_t{0};
    next = kNoChunk;
    for (std::uint32_t chunk = 0; chunk < log_.size(); ++chunk) {
      const std::uint64_t state = log_.state(chunk);
      if (kind_of(state) == place.log && sequence_of(state) >= place.sequence && sequence_of(state) < least) {
        least = sequence_of(state);
        next = chunk;
      }
    }
    // Meanwhile an entry may have gone from a chunk that was yet to come to one that was already passed. So what a look
    // finds counts only once the next look finds the same (protocol 27). Partner: the release fence in Log::free_chunk.
    // A scan that sees a chunk freed sees, from here on, where all its entries went.
    std::atomic_thread_fence(std::memory_order_acquire);
  } while ((++looks == 1 || least != before) && looks < kMaxChunks);  // in a damaged stripe they may never agree
  if (next != kNoChunk && least != place.sequence) place = {place.log, least};
  return next;
}

/// Scans one chunk from the place on. False if it ended before the chunk's end: there are enough keys, or the chunk is
/// no longer the one that was chosen.
bool Stripe::scan_chunk(std::uint32_t chunk, ScanPosition& place, std::uint64_t now, std::string_view prefix,
                        std::size_t enough, std::vector<std::string>& keys, Age age) const {
  const std::uint64_t state = pack_state(*place.log, place.sequence);
  if (log_.state(chunk) != state) return false;
  std::string key;
  Location at{chunk, std::max(place.offset, log_.first(chunk))};
  while (at.offset < log_.used(chunk) && keys.size() < enough) {
    EntryHead head;
    if (at.offset % 8 != 0 || at.offset + kEntryHeader > log_.chunk_bytes() || !log_.read_head(at, head)) return true;
    key.resize(head.key_size);
    base::racy_copy(key.data(), log_.at(at) + head.key_at(), head.key_size);
    const std::uint64_t hash = base::hash(key);
    const std::uint64_t word = log_.slot_word(Index::fingerprint(hash), at);
    const std::uint64_t there_until = age == Age::stale ? head.expiry : log_.fresh_until(at, head);
    // Partner: the release fences in Log::forget, free_chunk, take and append. If the state is the same, the bytes were
    // of this use of the chunk. A scan that sees an entry marked dead sees where it is now.
    std::atomic_thread_fence(std::memory_order_acquire);
    if (log_.state(chunk) != state) return false;

    if (there_until > now && std::string_view(key).starts_with(prefix)) {
      for (bool settled = false; !settled;) {
        const Index::Snapshot index = index_.snapshot();
        const bool found = index.find_word(hash, word) != nullptr;
        settled = found || unmoved(index);
        if (found) keys.push_back(key);
      }
    }
    at.offset = static_cast<std::uint32_t>(std::min<std::size_t>(at.offset + head.total(), log_.chunk_bytes()));
    place.offset = at.offset;
  }
  return at.offset >= log_.used(chunk);
}

std::uint64_t Stripe::sequence_end() const noexcept {
  std::uint64_t end = 0;
  for (std::uint32_t chunk = 0; chunk < log_.size(); ++chunk) end = std::max(end, sequence_of(log_.state(chunk)) + 1);
  return end;
}

StripeTotals Stripe::totals() const noexcept {
  StripeTotals sum;
  sum.entries = header_->slots_used.load(std::memory_order_relaxed);
  for (std::uint32_t line = 0; line < leases_.size(); ++line) sum.leases += is_held(leases_.word(line));
  sum.slots = std::uint64_t{index_.snapshot().size()} * kSlotsPerBucket;
  for (std::uint32_t chunk = 0; chunk < log_.size(); ++chunk) {
    switch (kind_of(log_.state(chunk))) {
      case Kind::free:
        ++sum.free_chunks;
        break;
      case Kind::index:
        ++sum.index_chunks;
        break;
      default:
        sum.live_bytes += log_.live(chunk);
    }
  }
  return sum;
}

}  // namespace forklore::store
