// Why an overwrite by as much or less never fails in a stripe that rejects, however full it is.
//
// New keys and larger values leave chunks free: kept_to_work(). An overwrite may take these. make_room() collects the
// garbage that overwrites leave, from the chunk with the most of it first. If that gives too little, the log is
// compacted in its order. From the oldest chunk on, each entry moves to the end of the log. When the walk comes to the
// entry that is overwritten, its new bytes are written in place of a move:
//
//   before   | X1: a b . | X2: c K d | X3: e . . |             . garbage, K the entry that is overwritten
//   walking              | X2: c K d | X3: e . . | Z1: a b |   X1 is free again
//   after                                        | Z1: a b c | Z2: K' d e |
//
// That needs no garbage, for three reasons:
//
//   1. Nothing lands later than it lay. Let X1, X2, ... be the chunks of the log, and Z1, Z2, ... those that are taken.
//      The first entry goes to the start of Z1. Each next one begins where the one before ends. If too little is left
//      there, it begins in the next chunk. An entry that began in Xi had enough left there, behind one that ended no
//      earlier than it does now. So it goes to the same offset of Zi, or before. A smaller entry never needs more room
//      to begin (Log::least_room). So the same holds for the entry that replaces K.
//   2. So few chunks are enough. Take an entry that ends in Xj. The entries up to it fit in j chunks. While Xi is
//      walked, the chunks before it are free again, because all their entries have moved. So at most 1 + j - i more
//      chunks are in use than at the start: one, and those into which the largest entry spills. At the end of the walk
//      none is.
//   3. That many are always free. Every caller that takes chunks leaves kept_to_move(). An entry that begins elsewhere
//      may spill into one chunk more than now: that is one of kBesideLargest. A death leaves half an entry behind.
//      free_orphans() frees the chunks that hold nothing else. The remainder is less than another chunk.
#include <algorithm>
#include <array>

#include "store/stripe.hpp"

namespace forklore::store {
namespace {

// Chunks in addition to those into which the largest entry spills: one in which it begins, one more because it may
// begin elsewhere, one for what a death leaves.
constexpr std::uint32_t kBesideLargest = 3;
constexpr std::uint32_t kWorkShare = 32;  // where values are large, one chunk in 32 is left to overwrites

}  // namespace

std::uint32_t Stripe::kept_to_move(std::uint32_t needed) const noexcept {
  // For each chunk: into how many further ones its last entry spills.
  std::array<std::uint32_t, kMaxChunks> further{};
  std::uint32_t most = needed;
  for (std::uint32_t chunk = 0; chunk < log_.size(); ++chunk) {
    const std::uint64_t word = log_.in_log(chunk) ? log_.straddler(chunk) : 0;
    Location place;
    if (word == 0 || !log_.locate(word, place) || !log_.is_entry_place(place, word)) continue;
    most = std::max(most, ++further[place.chunk]);
  }
  return most + kBesideLargest;
}

std::uint32_t Stripe::kept_to_work(std::uint32_t needed) const noexcept {
  return std::max(reserve_chunks_, kept_to_move(needed) + log_.size() / kWorkShare);
}

bool Stripe::compact_in_order(Kind kind, const EntryHead& head, Renewal* renewal, std::uint64_t now) noexcept {
  // What moves goes to a chunk of its own. So no chunk that is yet to be walked holds what has moved already.
  const std::uint64_t end = header_->sequence.load(std::memory_order_relaxed);
  if (log_.count_free() == 0) return false;
  log_.open_next(kind);
  const auto done = [&] { return renewal != nullptr && renewal->done; };
  for (std::uint32_t walked = 0; walked < log_.size(); ++walked) {
    const std::uint32_t needed = done() ? 0 : log_.chunks_needed(kind, head);
    const std::uint32_t kept = renewal != nullptr ? kept_to_move(needed) : kept_to_work(needed);
    if (log_.count_free() >= needed + kept) return true;
    const std::uint32_t oldest = log_.oldest(kind);
    if (oldest == kNoChunk || sequence_of(log_.state(oldest)) >= end) break;
    if (!reclaim(oldest, Reclaim::compact, log_.size(), now, renewal)) break;
  }
  return done();
}

}  // namespace forklore::store
