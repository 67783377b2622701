// Why an overwrite by as much or less never fails in a stripe that rejects, however full it is.
//
// New keys and larger values leave chunks free: kept_to_work(). An overwrite may take these. make_room() collects the
// garbage that overwrites leave, from the chunk with the most of it first. If that gives too little, the log is
// compacted in its order. From the oldest chunk on, each entry moves to the end of the log. The entry that is
// overwritten is written anew where its turn comes. That needs no garbage, for three reasons:
//
//   1. Nothing lands later than it lay. Let X1, X2, ... be the chunks of the log, and Z1, Z2, ... those that are taken.
//      The first entry goes to the start of Z1. Each next one goes where the one before ends, or to the start of the
//      next chunk if too little is left there. An entry that began in Xi had enough left there, behind one that ended
//      no earlier than it does now. So it goes to the same offset of Zi, or before. An entry that is no larger never
//      needs more left to begin (Log::least_room). So the same holds with what takes its place.
//   2. So few chunks are enough. For entries up to one that ends in Xj, at most j chunks are taken. While Xi is walked,
//      those before it are free again: whatever went on from them into Xi has moved. That makes at most 1 + j - i more
//      in use than at the start: one, and those in which the largest entry goes on. After the last chunk it is none.
//   3. As many are always free. Whoever takes chunks leaves kept_to_move(). An entry that begins elsewhere may go on in
//      one chunk more than now: that is one of kBesideLargest. A death leaves half an entry behind. free_orphans()
//      frees the chunks that hold nothing else. What is left of it is less than another chunk.
#include <algorithm>
#include <array>

#include "store/stripe.hpp"

namespace forklore::store {
namespace {

// Chunks beside those in which the largest entry goes on: one in which it begins, one more as it may begin elsewhere,
// one for what a death leaves.
constexpr std::uint32_t kBesideLargest = 3;
constexpr std::uint32_t kWorkShare = 32;  // where values are large, one in so many chunks is left to overwrites

}  // namespace

std::uint32_t Stripe::kept_to_move(std::uint32_t needed) const noexcept {
  // For each chunk: in how many further ones its last entry goes on.
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
