// Making room in a stripe, chunk by chunk.
//
// The first of these that gives room is taken:
//
//   1. a free chunk
//   2. a chunk that is wholly dead
//   3. If no chunk is dead or rich, chunks that are due are swept first: what has expired in them becomes garbage. Rich
//      means: there is much garbage, and collecting the chunk with the most of it is worth it. That chunk is taken.
//   4. the oldest chunk of the log that the policy chooses. Its entries move to main, or are evicted (policy.cpp)
//
// Counts only choose the victim. Each chunk is walked before it is freed, and its straddler moved or evicted whole. An
// open chunk is never reclaimed.
#include <algorithm>
#include <array>
#include <bit>

#include "base/test_fault.hpp"
#include "store/log_writer.hpp"
#include "store/stripe.hpp"

namespace forklore::store {
namespace {

constexpr std::uint32_t kMoveBudget = 14;  // chunks that moved entries may take while room is made for one new entry
constexpr std::uint32_t kSweeps = 16;      // at most this many chunks are swept
// If one in so many of all bytes is garbage, collect before evicting. What has expired unseen comes on top.
constexpr std::uint32_t kGarbageShare = 12;
// If one in so many of a chunk's bytes is garbage, the chunk is worth collecting while others may hold more.
constexpr std::uint32_t kRichShare = 8;

}  // namespace

bool Stripe::make_room(Kind kind, const EntryHead& head, bool no_larger, std::uint64_t now) noexcept {
  const auto kept = [&](std::uint32_t needed) FORKLORE_LOCKED {
    if (!reject_) return reserve_chunks_;
    return no_larger ? kept_to_move(needed) : kept_to_work(needed);
  };
  const std::uint32_t wanted = log_.chunks_needed(kind, head);
  // A stripe that rejects has nothing to evict, and may have to look at all of its chunks. A cache is done sooner.
  const std::uint32_t rounds = reject_ ? log_.size() : 2 * (wanted + kMoveBudget);
  std::uint32_t sweeps = reject_ ? log_.size() : kSweeps;
  // Chunks that died lately are mostly enough, and are found without a look at all chunks.
  for (std::uint32_t taken = 0; taken < KnownChunks::kMost; ++taken) {
    const std::uint32_t dead = log_.lately_dead();
    if (dead == kNoChunk || !reclaim(dead, Reclaim::compact, kMoveBudget, now)) break;
    const std::uint32_t needed = log_.chunks_needed(kind, head);
    if (log_.count_free() >= needed + kept(needed)) return true;
  }
  for (std::uint32_t round = 0;; ++round) {
    Survey found = survey(now);
    const std::uint32_t needed = log_.chunks_needed(kind, head);
    // One dead chunk is reclaimed even if others are free: it may still be in the processor's caches.
    const bool reuse = round == 0 && found.dead != kNoChunk;
    if (needed == 0 || (found.free >= needed + kept(needed) && !reuse)) {
      if (round == 0) policy().fill_main(kind, needed);
      return true;
    }
    if (round == rounds) return !reject_ && found.free >= needed;

    for (; found.dead == kNoChunk && !found.rich && found.due != kNoChunk && sweeps > 0; --sweeps) {
      sweep(found.due, now);
      found = survey(now);
    }
    if (reject_) {
      const std::uint32_t budget = found.free + 1 - std::min(kept_to_move(0), found.free + 1);
      if (found.dead != kNoChunk ? reclaim(found.dead, Reclaim::compact, budget, now)
                                 : found.rich && reclaim_whole(found.best, budget, now))
        continue;
      // An overwrite by as much or less has a way of its own: see change_with_room().
      const std::uint64_t lacking = needed + kept(needed) - std::min(found.free, needed + kept(needed));
      return !no_larger && found.garbage >= lacking * log_.chunk_bytes() && compact_in_order(kind, head, nullptr, now);
    }
    // Entries that move take chunks too. With each round fewer may, so that in the end a round gives a whole chunk.
    const std::uint32_t lacking = needed - std::min(found.free, needed);
    const std::uint32_t budget = wanted + kMoveBudget - std::min(round + lacking, wanted + kMoveBudget);
    Reclaim how = Reclaim::compact;
    std::uint32_t victim = found.dead != kNoChunk ? found.dead : found.rich ? found.best : kNoChunk;
    if (victim == kNoChunk) {
      how = Reclaim::evict;
      victim = policy().choose_victim(kind, needed);
    }
    if (victim == kNoChunk) return found.free >= needed;
    if (!reclaim(victim, how, budget, now)) return false;
  }
}

Stripe::Survey Stripe::survey(std::uint64_t now) const noexcept {
  Survey found;
  std::uint32_t most = 0;
  std::uint64_t chunks = 0;
  const std::uint32_t open[] = {log_.open_chunk(Kind::small), log_.open_chunk(Kind::large),
                                log_.open_chunk(Kind::main)};
  for (std::uint32_t chunk = 0; chunk < log_.size(); ++chunk) {
    if (log_.is_index(chunk)) continue;
    ++chunks;
    if (kind_of(log_.state(chunk)) == Kind::free) {
      ++found.free;
      continue;
    }
    if (chunk == open[0] || chunk == open[1] || chunk == open[2]) continue;
    if (log_.due(chunk) <= now) found.due = chunk;
    // A chunk of no kind counts as dead: the walk finds the damage.
    const std::uint32_t live = log_.in_log(chunk) ? log_.live(chunk) : 0;
    if (live == 0 && found.dead == kNoChunk) found.dead = chunk;
    const std::uint32_t dead = log_.used(chunk) - std::min(live, log_.used(chunk));
    found.garbage += dead;
    if (dead > most) {
      most = dead;
      found.best = chunk;
    }
  }
  const std::uint64_t bearable = (reject_ ? 1 : chunks / kGarbageShare) * log_.chunk_bytes();
  found.rich = found.garbage > bearable || (found.due != kNoChunk && most >= log_.chunk_bytes() / kRichShare);
  return found;
}

bool Stripe::locate_live(std::uint64_t word, Located& entry) const noexcept {
  const std::uint64_t hash = log_.key_hash(entry.place, entry.head);
  entry.slot =
      index_.snapshot().find_word(hash, word == 0 ? log_.slot_word(Index::fingerprint(hash), entry.place) : word);
  if (entry.slot == nullptr) return false;
  entry.word = entry.slot->load(std::memory_order_relaxed);
  entry.hash = hash;
  return true;
}

template <class Visit>
Stripe::Walk Stripe::walk(std::uint32_t chunk, Visit visit) noexcept {
  if (!log_.in_log(chunk)) {
    reset();
    return Walk::damaged;
  }
  Located entry;
  if (const std::uint64_t word = log_.straddler(chunk); word != 0 && !base::broken("straddler-forgotten")) {
    if (log_.locate(word, entry.place) && log_.is_entry_place(entry.place, word) &&
        log_.read_head(entry.place, entry.head) && !visit(entry, word)) {
      return Walk::stopped;
    }
  }
  const std::uint32_t used = log_.used(chunk);
  for (Location place{chunk, log_.first(chunk)}; place.offset < used;) {
    if (base::broken("freed-unwalked")) break;
    if (place.offset + kEntryHeader > log_.chunk_bytes() || !log_.read_head(place, entry.head)) {
      reset();
      return Walk::damaged;
    }
    const auto next = static_cast<std::uint32_t>(place.offset + entry.head.total());
    entry.place = place;
    if (entry.head.expiry != kDead && !visit(entry, 0)) return Walk::stopped;
    place.offset = next;
  }
  return Walk::done;
}

bool Stripe::reclaim(std::uint32_t chunk, Reclaim how, std::uint32_t budget, std::uint64_t now,
                     Renewal* renewal) noexcept {
  if (base::broken("reuse-before-slots")) log_.free_chunk(chunk);
  const Walk walked = walk(chunk, [&](Located& entry, std::uint64_t word) FORKLORE_LOCKED {
    if (!locate_live(word, entry)) return true;
    if (renewal != nullptr && entry.slot == renewal->slot) return renew(entry, *renewal);
    return relocate(entry, how, budget, now);
  });
  if (walked == Walk::stopped) return false;
  if (walked == Walk::done) {
    log_.free_chunk(chunk);
    count(header_->reclaims);
  }
  return true;
}

bool Stripe::reclaim_whole(std::uint32_t chunk, std::uint32_t budget, std::uint64_t now) noexcept {
  std::uint64_t bytes = 0, lost = 0;
  const Walk walked = walk(chunk, [&](Located& entry, std::uint64_t word) FORKLORE_LOCKED {
    if (!locate_live(word, entry)) return true;
    bytes += entry.head.total();
    lost = std::max<std::uint64_t>(lost, log_.least_room(entry.head));
    return true;
  });
  if (walked == Walk::damaged) return true;  // the stripe was emptied
  const Location end = log_.end(log_of(log_.state(chunk)));
  const std::uint64_t rest = end.chunk != kNoChunk ? log_.chunk_bytes() - end.offset : 0;
  if (bytes + lost * (std::uint64_t{budget} + 1) > rest + std::uint64_t{budget} * log_.chunk_bytes()) return false;
  return reclaim(chunk, Reclaim::compact, budget, now);
}

void Stripe::sweep(std::uint32_t chunk, std::uint64_t now) noexcept {
  // How many bytes have how long to live, by powers of two.
  std::array<std::uint64_t, 65> bytes{};
  const Walk walked = walk(chunk, [&](Located& entry, std::uint64_t word) FORKLORE_LOCKED {
    if (!entry.head.expired(now)) {
      bytes[static_cast<unsigned>(std::bit_width(entry.head.expiry - now))] += entry.head.total();
    } else if (locate_live(word, entry)) {
      remove(entry);
      count(header_->expirations);
    }
    return true;
  });
  if (walked != Walk::done) return;
  std::uint64_t expiring = 0;
  for (unsigned power = 1; power < bytes.size(); ++power) {
    expiring += bytes[power];
    if (expiring > log_.chunk_bytes() / kUnseenShare) {
      return log_.set_due(chunk, std::min(now + (std::uint64_t{1} << (power - 1)), kNever));
    }
  }
  log_.set_due(chunk, kNever);
}

bool Stripe::relocate(const Located& entry, Reclaim how, std::uint32_t& budget, std::uint64_t now) noexcept {
  if (entry.head.expired(now)) {
    remove(entry);
    count(header_->expirations);
    return true;
  }
  const Kind from = log_of(log_.state(entry.place.chunk));
  const Kind target = how == Reclaim::evict ? Kind::main : from;
  unsigned frequency = frequency_of(entry.word);
  const bool keep = how == Reclaim::compact || policy().stays(from, entry.head.total(), frequency);
  const std::uint32_t needed = log_.chunks_needed(target, entry.head);
  // A cache keeps its last free chunk. A stripe that rejects keeps chunks for this very use.
  const bool fits = needed == 0 || log_.count_free() + (reject_ ? 1 : 0) > needed;
  if (!keep || needed > budget || !fits) {
    if (reject_) return false;
    evict(entry, from);
    return true;
  }
  budget -= needed;
  const std::uint64_t word = log_.append(target, fingerprint_of(entry.word), entry.head,
                                         [&](Writer& out) { out.copy(entry.place, entry.head.total()); });
  publish(*entry.slot, with_frequency(word, frequency));
  log_.forget(entry.place, entry.head);
  count(header_->moves);
  return true;
}

void Stripe::evict(const Located& entry, Kind from) noexcept {
  policy().remember(from, entry.hash, entry.head.total());
  remove(entry);
  count(header_->evictions);
  if (from == Kind::main) count(header_->main_evictions);
  if (from == Kind::large) count(header_->large_evictions);
}

}  // namespace forklore::store
