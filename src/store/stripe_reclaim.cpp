// Making room in a stripe: S3-FIFO (Yang, Zhang, Qiu, Yue, Vigfusson, SOSP 2023) over chunks that both logs share.
//
// In this order: a free chunk; a chunk that is wholly dead or expired; where garbage has grown, the chunk with the most
// of it; else the oldest chunk of the small log while that holds more than its share, else of the main log. From small,
// entries that were read again move to main and the others leave, remembered in the ghost; from main, entries with
// frequency left go round once more with one less.
//
// Counts only choose the victim: no chunk is freed unwalked, and the entry whose value goes on into it from the chunk
// before is moved or evicted whole. An open chunk is never reclaimed.
#include <algorithm>

#include "base/test_fault.hpp"
#include "store/stripe.hpp"

namespace forklore::store {
namespace {

constexpr std::uint32_t kMoves = 16;        // chunks walked with second chances, beyond those that the value needs
constexpr std::uint32_t kGarbageShare = 8;  // of all bytes, one in so many dead: collect before evicting

}  // namespace

bool Stripe::make_room(Kind kind, const EntryHead& head, std::uint64_t now) noexcept {
  const std::uint32_t wanted = log_.chunks_needed(kind, head);
  // A reject stripe has nothing to evict and may have to look at all of its chunks; a cache is done sooner.
  const std::uint32_t rounds = reject_ ? log_.size() : 2 * (wanted + kMoves);
  for (std::uint32_t round = 0;; ++round) {
    const std::uint32_t needed = log_.chunks_needed(kind, head);
    const Survey found = survey(now);
    // One dead chunk is taken back even if others are free: what lately died is still in the processor's caches.
    const bool reuse = round == 0 && found.dead < log_.size();
    if (needed == 0 || (found.free >= needed + reserve_chunks_ && !reuse)) return true;
    if (round == rounds) return !reject_ && found.free >= needed;

    const bool may_move = reject_ || round < wanted + kMoves;
    Reclaim how = Reclaim::compact;
    std::uint32_t victim = found.dead < log_.size() ? found.dead : found.best;
    if (victim >= log_.size()) {
      if (reject_) return false;
      how = Reclaim::evict;
      victim = choose_oldest();
    }
    if (victim >= log_.size()) return !reject_ && found.free >= needed;
    if (!reclaim(victim, how, may_move, now)) return false;
  }
}

Stripe::Survey Stripe::survey(std::uint64_t now) const noexcept {
  Survey found{log_.size(), log_.size(), 0};
  std::uint32_t most = 0;
  std::uint64_t garbage = 0;
  std::uint64_t chunks = 0;
  const std::uint32_t open[] = {log_.open_chunk(Kind::small), log_.open_chunk(Kind::main)};
  for (std::uint32_t chunk = 0; chunk < log_.size(); ++chunk) {
    if (log_.is_index(chunk)) continue;
    ++chunks;
    if (kind_of(log_.state(chunk)) == Kind::free) {
      ++found.free;
      continue;
    }
    if (chunk == open[0] || chunk == open[1]) continue;
    // A chunk of no kind counts as dead: reclaim() then finds the damage.
    const bool all_dead = !log_.in_log(chunk) || log_.latest_expiry(chunk) <= now;
    const std::uint32_t live = all_dead ? 0 : log_.live(chunk);
    if (live == 0 && found.dead == log_.size()) found.dead = chunk;
    const std::uint32_t dead = log_.used(chunk) - std::min(live, log_.used(chunk));
    garbage += dead;
    if (dead > most) {
      most = dead;
      found.best = chunk;
    }
  }
  const std::uint64_t bearable = (reject_ ? 1 : chunks / kGarbageShare) * log_.chunk_bytes();
  if (garbage <= bearable) found.best = log_.size();
  return found;
}

std::uint32_t Stripe::choose_oldest() const noexcept {
  const Kind first = log_.count(Kind::small) > small_share() ? Kind::small : Kind::main;
  const std::uint32_t victim = log_.oldest(first);
  return victim < log_.size() ? victim : log_.oldest(first == Kind::small ? Kind::main : Kind::small);
}

bool Stripe::locate_live(Place place, std::uint64_t word, Located& entry) const noexcept {
  entry.place = place;
  const char* key = reinterpret_cast<const char*>(log_.at(place)) + entry.head.key_at();
  const std::uint64_t hash = base::hash({key, entry.head.key_size});
  entry.slot = index_.view().find_word(hash, word == 0 ? log_.slot_word(Index::tag(hash), place) : word);
  if (entry.slot == nullptr) return false;
  entry.word = entry.slot->load(std::memory_order_relaxed);
  entry.hash = hash;
  return true;
}

bool Stripe::reclaim(std::uint32_t chunk, Reclaim how, bool may_move, std::uint64_t now) noexcept {
  if (!log_.in_log(chunk)) {
    reset();
    return true;
  }
  if (base::broken("reuse-before-slots")) log_.free_chunk(chunk);
  Located entry;
  if (const std::uint64_t word = log_.head(chunk); word != 0 && !base::broken("straddler-forgotten")) {
    Place place;
    if (log_.locate(word, place) && log_.is_entry_place(place, word) && log_.read_head(place, entry.head) &&
        locate_live(place, word, entry) && !relocate(entry, how, may_move, now)) {
      return false;
    }
  }
  for (Place place{chunk, log_.first(chunk)}; place.offset < log_.used(chunk);) {
    if (base::broken("freed-unwalked")) break;
    if (place.offset + kEntryHeader > log_.chunk_bytes() || !log_.read_head(place, entry.head)) {
      reset();
      return true;
    }
    const auto next = static_cast<std::uint32_t>(place.offset + entry.head.total());
    const bool dead = entry.head.expiry == kDead;
    if (!dead && locate_live(place, 0, entry) && !relocate(entry, how, may_move, now)) return false;
    place.offset = next;
  }
  log_.free_chunk(chunk);
  count(header_->reclaims);
  return true;
}

bool Stripe::relocate(const Located& entry, Reclaim how, bool may_move, std::uint64_t now) noexcept {
  if (entry.head.expired(now)) {
    remove(entry);
    count(header_->expirations);
    return true;
  }
  Kind target = log_of(log_.state(entry.place.chunk));
  unsigned frequency = frequency_of(entry.word);
  bool keep = true;
  const bool from_small = target == Kind::small;
  if (how == Reclaim::evict) {
    keep = frequency > 0;
    frequency = from_small || frequency == 0 ? 0 : frequency - 1;
    target = Kind::main;
  }
  const std::uint32_t needed = log_.chunks_needed(target, entry.head);
  const bool fits = needed == 0 || log_.count(Kind::free) > needed;
  if (!keep || !may_move || !fits) {
    if (reject_) return false;
    evict(entry, from_small);
    return true;
  }
  const std::uint64_t word = log_.append(target, tag_of(entry.word), entry.head,
                                         [&](Writer& out) { out.copy(entry.place, entry.head.total()); });
  publish(*entry.slot, with_frequency(word, frequency));
  log_.forget(entry.place, entry.head);
  count(header_->moves);
  return true;
}

void Stripe::evict(const Located& entry, bool to_ghost) noexcept {
  if (to_ghost) {
    const std::uint64_t forgotten = header_->ghost_bytes.load(std::memory_order_relaxed);
    ghost_.record(entry.hash, forgotten);
    header_->ghost_bytes.store(forgotten + entry.head.total(), std::memory_order_relaxed);
  }
  remove(entry);
  count(header_->evictions);
}

}  // namespace forklore::store
