// log.hpp - A stripe's chunks and the three logs that share them.
//
// A log is the chunks of one kind in the order of their sequence. Entries are appended to the last one, its open chunk.
// A value that does not fit there goes on in the next chunk that the log takes.
//
// A death may come between any two stores, and does no harm. Their order sees to that (R: release):
//   take    each field of the chunk while it is free; then state R
//   append  fence R; for a spilled value each further chunk: take it, then next of the one before; the bytes; used R;
//           live and due of each chunk covered. Then the caller stores the slot: that is the commit
//   free    the caller has taken every slot off the chunk; fence R; state R
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/racy_copy.hpp"
#include "forklore/found.hpp"
#include "forklore/options.hpp"
#include "store/geometry.hpp"
#include "store/known_chunks.hpp"
#include "store/layout.hpp"

namespace forklore::store {

/// One in so many of a chunk's bytes may have expired before the chunk is due.
inline constexpr std::uint32_t kUnseenShare = 16;

/// Where an entry begins.
struct Location {
  std::uint32_t chunk = 0;
  std::uint32_t offset = 0;  ///< from the start of the chunk
};

class Log {
 public:
  Log(std::byte* stripe, const Geometry& g) noexcept
      : chunks_(stripe + g.chunks_at),
        location_mask_(static_cast<std::uint32_t>((std::uint64_t{1} << g.location_bits) - 1)),
        chunks_units_(static_cast<std::uint32_t>(g.chunks_at / 8)),
        units_(static_cast<std::uint32_t>((g.chunks << (g.chunk_shift - 3)) - (kEntryHeader / 8 - 1))),
        chunk_bytes_(g.chunk_bytes),
        header_(reinterpret_cast<StripeHeader*>(stripe)),
        states_(reinterpret_cast<Word*>(stripe + g.states_at)),
        due_(reinterpret_cast<Word*>(stripe + g.due_at)),
        straddlers_(reinterpret_cast<Word*>(stripe + g.straddlers_at)),
        generations_(reinterpret_cast<HalfWord*>(stripe + g.generations_at)),
        used_(reinterpret_cast<HalfWord*>(stripe + g.used_at)),
        first_(reinterpret_cast<HalfWord*>(stripe + g.first_at)),
        live_(reinterpret_cast<HalfWord*>(stripe + g.live_at)),
        next_(reinterpret_cast<HalfWord*>(stripe + g.next_at)),
        generation_mask_(
            static_cast<std::uint32_t>((std::uint64_t{1} << std::min(kFrequencyShift - g.location_bits, 32u)) - 1)),
        count_(g.chunks),
        chunk_shift_(g.chunk_shift),
        location_bits_(g.location_bits),
        max_entry_(g.max_entry),
        rejects_(g.shape.reject) {}

  // What a slot says. Readers call these without the lock: any word is bounded, whatever it holds.

  /// False if the word does not lead to a place where an entry may begin.
  [[nodiscard]] bool locate(std::uint64_t slot, Location& place) const noexcept {
    const std::uint32_t at = location(slot);
    place.chunk = at >> (chunk_shift_ - 3);
    place.offset = at << 3 & (chunk_bytes_ - 1);
    return at < units_ && place.offset + kEntryHeader <= chunk_bytes_;
  }
  /// Reads the header, each word once. False if it cannot be the header of an entry here.
  [[nodiscard]] bool read_head(Location place, EntryHead& head) const noexcept {
    load_head(place, head);
    return head.key_size != 0 && head.key_size <= kMaxKeyBytes && is_bounded(place, head);
  }
  /// The same; false also if the entry has another key. The key is of a valid size.
  [[nodiscard, gnu::always_inline]] bool read_head(Location place, std::string_view key,
                                                   EntryHead& head) const noexcept {
    load_head(place, head);
    if (head.key_size != key.size()) return false;
    return is_bounded(place, head) && base::racy_equal(key.data(), at(place) + head.key_at(), key.size());
  }
  /// Whether a slot leads to a plain entry with this key that has not expired. now: 0 if expiry does not matter. May
  /// answer false for a plain entry; then the caller takes the general path. In log_plain.hpp.
  [[nodiscard]] bool find_plain(std::uint64_t slot, std::string_view key, std::uint64_t now, const std::byte*& entry,
                                EntryHead& head) const noexcept;
  /// The timing of a timed entry. A reader believes it only after a second look at the slot.
  [[nodiscard]] Timing read_timing(Location place, const EntryHead& head) const noexcept {
    return Timing::unpack(reinterpret_cast<const Word*>(at(place) + head.timing_at())->load(std::memory_order_relaxed));
  }
  /// Until when an entry is fresh, in ms. A reader believes it only after a second look at the slot.
  [[nodiscard]] std::uint64_t fresh_until(Location place, const EntryHead& head) const noexcept {
    return head.timed ? read_timing(place, head).fresh_until(head.expiry) : head.expiry;
  }
  [[nodiscard]] std::byte* at(Location place) const noexcept {
    return chunks_ + (std::size_t{place.chunk} << chunk_shift_) + place.offset;
  }
  /// The hash of an entry's key.
  [[nodiscard]] std::uint64_t key_hash(Location place, const EntryHead& head) const noexcept FORKLORE_LOCKED;
  /// Copies n bytes, from skip bytes after place on, also from the chunks in which they go on. A reader believes them
  /// only after a second look at the slot. False if a chunk names no valid next one.
  [[nodiscard]] bool copy_out(Location place, std::size_t skip, const Into& to, std::size_t n) const noexcept {
    if (place.offset + skip + n > chunk_bytes_) [[unlikely]]
      return copy_spilled(place, skip, to, n);
    copy_part(to, at(place) + skip, n);
    return true;
  }
  static void copy_part(const Into& to, const std::byte* from, std::size_t n) noexcept {
    if (to.ascii == nullptr) {
      base::racy_copy(to.data, from, n);
    } else {
      *to.ascii = base::racy_copy_ascii(to.data, from, n);
    }
  }

  // What the chunk table says. Scans and stats read it without the lock.

  [[nodiscard]] std::uint64_t state(std::uint32_t chunk) const noexcept {
    return states_[chunk].load(std::memory_order_relaxed);
  }
  /// Whether the chunk holds entries.
  [[nodiscard]] bool in_log(std::uint32_t chunk) const noexcept { return is_log(kind_of(state(chunk))); }
  [[nodiscard]] bool is_index(std::uint32_t chunk) const noexcept { return kind_of(state(chunk)) == Kind::index; }
  [[nodiscard]] std::uint32_t used(std::uint32_t chunk) const noexcept {
    return std::min(used_[chunk].load(std::memory_order_relaxed) & ~7u, chunk_bytes_);
  }
  /// Where the first entry that begins in the chunk lies.
  [[nodiscard]] std::uint32_t first(std::uint32_t chunk) const noexcept {
    return first_[chunk].load(std::memory_order_relaxed) & ~7u;
  }
  /// Whether give_to_main() gave the chunk to main. A hint.
  [[nodiscard]] bool filled(std::uint32_t chunk) const noexcept {
    return (first_[chunk].load(std::memory_order_relaxed) & kFilled) != 0;
  }
  /// The slot word of the straddler: the entry whose value goes on at the chunk's start. 0: none.
  [[nodiscard]] std::uint64_t straddler(std::uint32_t chunk) const noexcept {
    return straddlers_[chunk].load(std::memory_order_relaxed);
  }
  /// How many bytes of live entries lie here. May be too high after a death, never too low.
  [[nodiscard]] std::uint32_t live(std::uint32_t chunk) const noexcept {
    return live_[chunk].load(std::memory_order_relaxed);
  }
  /// When a walk for what has expired is worth it, in ms. Before that, at most one in kUnseenShare of its bytes
  /// expires.
  [[nodiscard]] std::uint64_t due(std::uint32_t chunk) const noexcept {
    return due_[chunk].load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint32_t generation(std::uint32_t chunk) const noexcept {
    return generations_[chunk].load(std::memory_order_relaxed) & generation_mask_;
  }
  [[nodiscard]] std::uint32_t size() const noexcept { return count_; }
  [[nodiscard]] std::uint32_t chunk_bytes() const noexcept { return chunk_bytes_; }
  [[nodiscard]] std::uint32_t buckets_per_chunk() const noexcept {
    return chunk_bytes_ / static_cast<std::uint32_t>(sizeof(Bucket));
  }
  [[nodiscard]] unsigned buckets_shift() const noexcept {  // their binary logarithm
    return chunk_shift_ - static_cast<unsigned>(std::countr_zero(sizeof(Bucket)));
  }
  [[nodiscard]] std::uint32_t count(Kind kind) const noexcept;
  /// How many are free. Mostly known without a look at all chunks.
  [[nodiscard]] std::uint32_t count_free() noexcept FORKLORE_LOCKED;
  /// A chunk that is wholly dead and not open, or kNoChunk. Only those are looked at whose last live bytes this process
  /// has counted out lately. kNoChunk also if the last of these is an open chunk: it is asked again once that is full.
  [[nodiscard]] std::uint32_t lately_dead() noexcept FORKLORE_LOCKED;
  /// The chunk that the log appends to, or kNoChunk.
  [[nodiscard]] std::uint32_t open_chunk(Kind kind) const noexcept FORKLORE_LOCKED {
    const std::uint32_t chunk = header_->open[static_cast<unsigned>(kind)].load(std::memory_order_relaxed) - 1;
    return chunk < count_ && kind_of(state(chunk)) == kind ? chunk : kNoChunk;
  }
  /// Where the log ends: the next entry begins here if it fits. Chunk kNoChunk if the log has none.
  [[nodiscard]] Location end(Kind kind) const noexcept FORKLORE_LOCKED {
    const std::uint32_t open = open_chunk(kind);
    return {open, open != kNoChunk ? used(open) : 0};
  }
  /// The chunk of the log that was taken longest ago and is not open, or kNoChunk.
  [[nodiscard]] std::uint32_t oldest(Kind kind) const noexcept FORKLORE_LOCKED;
  /// The free chunk that was freed last, or kNoChunk.
  [[nodiscard]] std::uint32_t newest_free() const noexcept FORKLORE_LOCKED;
  /// Whether an entry may begin at place: it is within what its log has in use.
  [[nodiscard]] bool is_entry_place(Location place, std::uint64_t slot) const noexcept {
    return in_log(place.chunk) && place.offset < used(place.chunk) && slot_generation(slot) == generation(place.chunk);
  }
  /// The slot word of an entry at place, with frequency 0.
  [[nodiscard]] std::uint64_t slot_word(std::uint64_t fingerprint, Location place) const noexcept {
    const std::uint64_t location = chunks_units_ + ((std::uint64_t{place.chunk} << chunk_shift_) + place.offset) / 8;
    return fingerprint << kFingerprintShift | std::uint64_t{generation(place.chunk)} << location_bits_ | location;
  }

  /// Calls visit(chunk, bytes) for every chunk that an entry of this many bytes covers.
  template <class Visit>
  void for_each_chunk(Location place, std::size_t total, Visit visit) const FORKLORE_LOCKED;

  // What changes them.

  /// Gives the chunks of a new stripe their first generations. Its memory is zeroed. A generation only ever grows.
  void create(std::uint64_t random) noexcept FORKLORE_LOCKED;

  /// How many bytes must be left in a chunk for an entry to begin there. In a stripe that rejects they are as many for
  /// all entries of a key, plain or not, and never more for a smaller entry (stripe_compact.cpp).
  [[nodiscard]] std::size_t least_room(const EntryHead& head) const noexcept {
    if (!rejects_) return head.unspilled();
    return std::min(head.total(), kEntryHeader + kIntegerBytes + kTimingBytes + head.key_size);
  }
  /// How many chunks must be free before an entry of this head is appended to a log.
  [[nodiscard]] std::uint32_t chunks_needed(Kind kind, const EntryHead& head) const noexcept FORKLORE_LOCKED {
    return chunks_needed(end(kind), head);
  }
  [[nodiscard]] std::uint32_t chunks_needed(Location end, const EntryHead& head) const noexcept FORKLORE_LOCKED {
    const std::size_t left = end.chunk != kNoChunk ? chunk_bytes_ - end.offset : 0;
    const std::size_t here = left >= least_room(head) ? left : 0;
    const std::size_t total = head.total();
    return total <= here ? 0 : static_cast<std::uint32_t>((total - here + chunk_bytes_ - 1) >> chunk_shift_);
  }

  /// Writes an entry of this head at the end of a log. fill(writer) writes its bytes, from the first on.
  /// chunks_needed() chunks must be free. place: end(kind). Returns the slot word, with frequency 0: the caller
  /// publishes it. In log_writer.hpp.
  template <class Fill>
  std::uint64_t append(Kind kind, Location place, std::uint64_t fingerprint, const EntryHead& head,
                       Fill fill) noexcept FORKLORE_LOCKED;
  template <class Fill>
  std::uint64_t append(Kind kind, std::uint64_t fingerprint, const EntryHead& head,
                       Fill fill) noexcept FORKLORE_LOCKED {
    return append(kind, end(kind), fingerprint, head, fill);
  }

  /// Whether append_plain() may write an entry of this head where its log ends.
  [[nodiscard]] bool is_plain_end(Location end, const EntryHead& head) const noexcept {
    const std::size_t total = head.total();
    return end.chunk != kNoChunk && end.offset + total <= chunk_bytes_ && total < kFullFence && !head.is_integer() &&
           !head.timed;
  }
  /// Does what append() does, for such an entry. In log_plain.hpp.
  std::uint64_t append_plain(Location place, std::uint64_t fingerprint, const EntryHead& head, std::string_view key,
                             std::string_view value) noexcept FORKLORE_LOCKED;

  /// Counts an entry out of the live bytes of the chunks that it covers, and marks it dead. So whoever walks the chunk
  /// need not search for its slot. Called after its slot was changed.
  void forget(Location place, const EntryHead& head) noexcept FORKLORE_LOCKED {
    for_each_chunk(place, head.total(), [&](std::uint32_t chunk, std::uint32_t bytes) FORKLORE_LOCKED {
      const std::uint32_t now = live(chunk);
      live_[chunk].store(now - std::min(now, bytes), std::memory_order_release);
      if (now <= bytes) known_.died(chunk);
    });
    // Release fence; partner: the acquire fence of a reader that took this for an expired entry.
    std::atomic_thread_fence(std::memory_order_release);
    EntryHead dead = head;
    dead.expiry = kDead;
    reinterpret_cast<Word*>(at(place))->store(dead.first_word(), std::memory_order_relaxed);
  }
  /// Makes each chunk that the entry covers due at this time or before. Called before the entry's expiry changes.
  void bring_forward(Location place, const EntryHead& head, std::uint64_t expiry) noexcept FORKLORE_LOCKED;
  void set_due(std::uint32_t chunk, std::uint64_t at) noexcept FORKLORE_LOCKED {
    due_[chunk].store(at, std::memory_order_release);
  }
  /// Frees a chunk that no slot leads into, or that the index no longer reaches. Release fence, then state (release);
  /// partner: a reader's acquire fence.
  void free_chunk(std::uint32_t chunk) noexcept FORKLORE_LOCKED;
  /// Lets the log append to a new chunk from now on. One must be free.
  void open_next(Kind kind) noexcept FORKLORE_LOCKED { static_cast<void>(take(kind, 0, 0)); }
  /// Gives the oldest chunk of another log to main, with all that lies in it. It keeps its place in the order of
  /// writing. It is not the open one.
  void give_to_main(std::uint32_t chunk) noexcept FORKLORE_LOCKED;
  /// Makes a free chunk part of the index. Its bytes may still be read as those of entries.
  void give_to_index(std::uint32_t chunk) noexcept FORKLORE_LOCKED;
  /// Frees all chunks, whatever their states are. No slot leads anywhere by now. The last chunk will be taken first, so
  /// that the index can have the first ones.
  void free_all() noexcept FORKLORE_LOCKED;
  /// Computes again what follows from the states: the open chunks and the next sequence. Stores what differs, and
  /// nothing else. False if a state makes no sense.
  bool derive() noexcept FORKLORE_LOCKED;

 private:
  friend class Writer;
  static constexpr std::uint32_t kFilled = 1;                      // a bit of first_, whose offsets are multiples of 8
  static constexpr std::size_t kFullFence = std::size_t{1} << 16;  // an entry of so many bytes: see append()

  void load_head(Location place, EntryHead& head) const noexcept {
    const auto* words = reinterpret_cast<const Word*>(at(place));
    head = EntryHead::unpack(words[0].load(std::memory_order_relaxed), words[1].load(std::memory_order_relaxed));
  }
  /// Whether an entry of such a key may begin here.
  [[nodiscard]] bool is_bounded(Location place, const EntryHead& head) const noexcept {
    return place.offset + head.unspilled() <= chunk_bytes_ && head.total() <= max_entry_ &&
           (!head.is_integer() || head.value_size == kIntegerBytes);
  }
  /// Where a slot leads, in units of 8 bytes from the first chunk on. What lies before that becomes a large number.
  [[nodiscard]] std::uint32_t location(std::uint64_t slot) const noexcept {
    return (static_cast<std::uint32_t>(slot) & location_mask_) - chunks_units_;
  }
  [[nodiscard]] std::uint32_t slot_generation(std::uint64_t slot) const noexcept {
    return static_cast<std::uint32_t>(without_frequency(slot) >> location_bits_) & generation_mask_;
  }
  [[nodiscard]] bool copy_spilled(Location place, std::size_t skip, const Into& to, std::size_t n) const noexcept;
  /// The chunk in which the last entry of this one goes on. If that is damaged, this one.
  [[nodiscard]] std::uint32_t following(std::uint32_t chunk) const noexcept {
    const std::uint32_t next = next_[chunk].load(std::memory_order_relaxed) - 1;
    return next < count_ ? next : chunk;
  }
  /// Counts the bytes of an entry that was appended.
  void count_in(std::uint32_t chunk, std::uint32_t bytes, std::uint64_t expiry) noexcept FORKLORE_LOCKED {
    live_[chunk].store(live(chunk) + bytes, std::memory_order_release);
    if (expiry < due(chunk)) set_due(chunk, expiry);
  }
  std::uint64_t next_sequence() noexcept FORKLORE_LOCKED;
  /// Puts a free chunk at the end of a log, and answers which. It takes the one that was freed last, which may still be
  /// in the processor's caches.
  std::uint32_t take(Kind kind, std::uint64_t straddler, std::uint32_t first) noexcept FORKLORE_LOCKED;
  /// Takes the chunks in which an entry goes on. It begins in this chunk, and left of its bytes do not fit there.
  void take_further(Kind kind, std::uint32_t chunk, std::uint64_t word, std::size_t left) noexcept FORKLORE_LOCKED;

  // What a read needs comes first, as in Stripe.
  std::byte* chunks_;
  std::uint32_t location_mask_;
  std::uint32_t chunks_units_;  // where the chunks begin, as a location
  std::uint32_t units_;         // in how many units of all chunks an entry's header may begin
  std::uint32_t chunk_bytes_;

  StripeHeader* header_;
  Word* states_;
  Word* due_;
  Word* straddlers_;
  HalfWord* generations_;
  HalfWord* used_;
  HalfWord* first_;  // and kFilled
  HalfWord* live_;
  HalfWord* next_;  // the chunk in which the last entry goes on, plus 1. Set before the slot; kept while it leads there
  std::uint32_t generation_mask_;
  std::uint32_t count_;
  unsigned chunk_shift_;
  unsigned location_bits_;
  std::uint32_t max_entry_;
  bool rejects_;

  [[nodiscard]] std::uint64_t sequence() const noexcept FORKLORE_LOCKED {
    return header_->sequence.load(std::memory_order_relaxed);
  }
  KnownChunks known_ FORKLORE_GUARDED_BY(stripe_lock);
};

template <class Visit>
void Log::for_each_chunk(Location place, std::size_t total, Visit visit) const {
  if (place.offset + total <= chunk_bytes_) [[likely]]
    return visit(place.chunk, static_cast<std::uint32_t>(total));
  std::size_t left = total;
  std::uint32_t chunk = place.chunk;
  std::size_t part = std::min<std::size_t>(left, chunk_bytes_ - place.offset);
  for (;;) {
    visit(chunk, static_cast<std::uint32_t>(part));
    left -= part;
    if (left == 0) return;
    chunk = next_[chunk].load(std::memory_order_relaxed) - 1;
    if (chunk >= count_) return;  // damaged
    part = std::min<std::size_t>(left, chunk_bytes_);
  }
}

}  // namespace forklore::store
