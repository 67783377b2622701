// log.hpp - A stripe's chunks and the three logs that share them.
//
// A log is the chunks of one kind in the order of their sequence; entries are appended to the one with the highest,
// its open chunk. A value that does not fit what is left of it goes on in the next chunk taken for that log.
//
// The order of stores (R: release) is what makes a death at any of them harmless:
//   take    every field of the chunk while it is free, then state R
//   append  fence R, then for a spilled value each further chunk: take, previous.next; then the bytes, used R, and
//           live and due time of every chunk covered. The caller's store of the slot is the commit.
//   free    the caller has taken every slot off the chunk; fence R, then state R
// All members are called under the stripe lock, but for those that say reader.
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

/// Of a chunk's bytes, the part that may have expired unseen.
inline constexpr std::uint32_t kUnseenShare = 16;

/// Where an entry begins.
struct Place {
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

  // What a slot says. Reader: any word is bounded, whatever it holds.

  /// False if the word does not lead to a place where an entry may begin.
  [[nodiscard]] bool locate(std::uint64_t slot, Place& place) const noexcept {
    const std::uint32_t at = location(slot);
    place.chunk = at >> (chunk_shift_ - 3);
    place.offset = at << 3 & (chunk_bytes_ - 1);
    return at < units_ && place.offset + kEntryHeader <= chunk_bytes_;
  }
  /// The header, each word loaded once. False if it cannot be that of an entry here.
  [[nodiscard]] bool read_head(Place place, EntryHead& head) const noexcept {
    load_head(place, head);
    return head.key_size != 0 && head.key_size <= kMaxKeyBytes && is_bounded(place, head);
  }
  /// The same of an entry with this key, which is within bounds itself.
  [[nodiscard, gnu::always_inline]] bool read_head(Place place, std::string_view key, EntryHead& head) const noexcept {
    load_head(place, head);
    if (head.key_size != key.size()) return false;
    return is_bounded(place, head) && base::racy_equal(key.data(), at(place) + head.key_at(), key.size());
  }
  /// Whether a slot leads to a plain entry with this key: whole in its chunk, not timed, not expired (now: 0 if that
  /// makes no difference). False also where it may. In log_plain.hpp, as append_plain().
  [[nodiscard]] bool find_plain(std::uint64_t slot, std::string_view key, std::uint64_t now, const std::byte*& entry,
                                EntryHead& head) const noexcept;
  /// Of a timed entry. The word counts only after a second look at the slot. Reader.
  [[nodiscard]] Timing read_timing(Place place, const EntryHead& head) const noexcept {
    return Timing::unpack(reinterpret_cast<const Word*>(at(place) + head.timing_at())->load(std::memory_order_relaxed));
  }
  /// Until when the entry is fresh, in ms. Likewise.
  [[nodiscard]] std::uint64_t fresh_until(Place place, const EntryHead& head) const noexcept {
    return head.timed ? read_timing(place, head).fresh_until(head.expiry) : head.expiry;
  }
  [[nodiscard]] std::byte* at(Place place) const noexcept {
    return chunks_ + (std::size_t{place.chunk} << chunk_shift_) + place.offset;
  }
  /// The hash of an entry's key. Under the lock.
  [[nodiscard]] std::uint64_t key_hash(Place place, const EntryHead& head) const noexcept FORKLORE_LOCKED;
  /// Copies n bytes that begin skip bytes after place, over the chunks they go on in. The bytes count only after a
  /// second look at the slot. False if the way is barred. Reader.
  [[nodiscard]] bool copy_out(Place place, std::size_t skip, const Into& to, std::size_t n) const noexcept {
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

  // State of the chunks.

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
  /// Whether main was given the chunk by give_to_main(). A hint.
  [[nodiscard]] bool filled(std::uint32_t chunk) const noexcept {
    return (first_[chunk].load(std::memory_order_relaxed) & kFilled) != 0;
  }
  /// The slot word of the entry whose value goes on at the chunk's start; 0: none.
  [[nodiscard]] std::uint64_t straddler(std::uint32_t chunk) const noexcept {
    return straddlers_[chunk].load(std::memory_order_relaxed);
  }
  /// Bytes of live entries, of spilled ones what lies here. May be too high after a death, never too low.
  [[nodiscard]] std::uint32_t live(std::uint32_t chunk) const noexcept {
    return live_[chunk].load(std::memory_order_relaxed);
  }
  /// When it is worth a walk for what has expired: no more than kUnseenShare of its bytes expire before. In ms.
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
  /// How many are free; mostly without a look at all chunks.
  [[nodiscard]] std::uint32_t count_free() noexcept FORKLORE_LOCKED;
  /// A chunk that is wholly dead, of the last whose live bytes this process has counted out, or kNoChunk.
  [[nodiscard]] std::uint32_t lately_dead() noexcept FORKLORE_LOCKED;
  /// The chunk that the log appends to, or kNoChunk.
  [[nodiscard]] std::uint32_t open_chunk(Kind kind) const noexcept FORKLORE_LOCKED {
    const std::uint32_t chunk = header_->open[static_cast<unsigned>(kind)].load(std::memory_order_relaxed) - 1;
    return chunk < count_ && kind_of(state(chunk)) == kind ? chunk : kNoChunk;
  }
  /// Where the log ends: the next entry begins here if it fits. kNoChunk if the log has none.
  [[nodiscard]] Place end(Kind kind) const noexcept FORKLORE_LOCKED {
    const std::uint32_t open = open_chunk(kind);
    return {open, open != kNoChunk ? used(open) : 0};
  }
  /// The chunk of the log that was taken longest ago and is not open, or kNoChunk.
  [[nodiscard]] std::uint32_t oldest(Kind kind) const noexcept FORKLORE_LOCKED;
  /// The free chunk that was freed last, or kNoChunk.
  [[nodiscard]] std::uint32_t newest_free() const noexcept FORKLORE_LOCKED;
  /// Whether an entry may begin at place: it is within what its log has in use.
  [[nodiscard]] bool is_entry_place(Place place, std::uint64_t slot) const noexcept {
    return in_log(place.chunk) && place.offset < used(place.chunk) && slot_generation(slot) == generation(place.chunk);
  }
  /// The slot word, frequency 0, of an entry at place.
  [[nodiscard]] std::uint64_t slot_word(std::uint64_t tag, Place place) const noexcept {
    const std::uint64_t location = chunks_units_ + ((std::uint64_t{place.chunk} << chunk_shift_) + place.offset) / 8;
    return tag << kTagShift | std::uint64_t{generation(place.chunk)} << location_bits_ | location;
  }

  /// Calls visit(chunk, bytes) for every chunk that an entry of this many bytes covers.
  template <class Visit>
  void for_each_chunk(Place place, std::size_t total, Visit visit) const FORKLORE_LOCKED;

  // Changing them.

  /// Gives the chunks of a new stripe, zeroed memory, their first generations: a chunk's generation only ever grows.
  void create(std::uint64_t random) noexcept FORKLORE_LOCKED;

  /// How many bytes must be left in a chunk for an entry to begin there. In a rejecting stripe it is as much for
  /// every entry of a key, whatever its kind, and never more for a smaller one: see stripe_compact.cpp.
  [[nodiscard]] std::size_t least_rest(const EntryHead& head) const noexcept {
    if (!rejects_) return head.unspilled();
    return std::min(head.total(), kEntryHeader + kIntegerBytes + kTimingBytes + head.key_size);
  }
  /// How many chunks must be free for an entry of this head to be appended to a log, or to one that ends there.
  [[nodiscard]] std::uint32_t chunks_needed(Kind kind, const EntryHead& head) const noexcept FORKLORE_LOCKED {
    return chunks_needed(end(kind), head);
  }
  [[nodiscard]] std::uint32_t chunks_needed(Place end, const EntryHead& head) const noexcept FORKLORE_LOCKED {
    const std::size_t left = end.chunk != kNoChunk ? chunk_bytes_ - end.offset : 0;
    const std::size_t here = left >= least_rest(head) ? left : 0;
    const std::size_t total = head.total();
    return total <= here ? 0 : static_cast<std::uint32_t>((total - here + chunk_bytes_ - 1) >> chunk_shift_);
  }

  /// Writes an entry of this head at the end of the log; fill(writer) writes its bytes from the first on.
  /// chunks_needed() chunks must be free. Returns the slot word for the caller to publish, frequency 0.
  /// place: end(kind). In log_writer.hpp.
  template <class Fill>
  std::uint64_t append(Kind kind, Place place, std::uint64_t tag, const EntryHead& head,
                       Fill fill) noexcept FORKLORE_LOCKED;
  template <class Fill>
  std::uint64_t append(Kind kind, std::uint64_t tag, const EntryHead& head, Fill fill) noexcept FORKLORE_LOCKED {
    return append(kind, end(kind), tag, head, fill);
  }

  /// Whether an entry of this head would be plain where its log ends, and for append_plain().
  [[nodiscard]] bool is_plain_end(Place end, const EntryHead& head) const noexcept {
    const std::size_t total = head.total();
    return end.chunk != kNoChunk && end.offset + total <= chunk_bytes_ && total < kFullFence && !head.is_integer() &&
           !head.timed;
  }
  /// What append() does, of such an entry.
  std::uint64_t append_plain(Place place, std::uint64_t tag, const EntryHead& head, std::string_view key,
                             std::string_view value) noexcept FORKLORE_LOCKED;

  /// Takes the entry at place out of the live counts of the chunks it covers and marks it dead, which spares whoever
  /// walks the chunk a search for its slot. After its slot was changed.
  void forget(Place place, const EntryHead& head) noexcept FORKLORE_LOCKED {
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
  /// Makes every chunk that the entry covers due at this time or before. Before its own expiry changes.
  void bring_forward(Place place, const EntryHead& head, std::uint64_t expiry) noexcept FORKLORE_LOCKED;
  void set_due(std::uint32_t chunk, std::uint64_t at) noexcept FORKLORE_LOCKED {
    due_[chunk].store(at, std::memory_order_release);
  }
  /// Gives a chunk back that no slot points into, or that the index no longer reaches. Fence and state store (release);
  /// partner: a reader's acquire fence.
  void free_chunk(std::uint32_t chunk) noexcept FORKLORE_LOCKED;
  /// Lets the log append to a new chunk from now on. One must be free.
  void open_next(Kind kind) noexcept FORKLORE_LOCKED { static_cast<void>(take(kind, 0, 0)); }
  /// Gives the oldest chunk of another log to the main log, with all that lies in it, at its place in the order of
  /// writing. The log must have one beside its open chunk.
  void give_to_main(std::uint32_t chunk) noexcept FORKLORE_LOCKED;
  /// Makes a free chunk part of the index. Its bytes may still be read as those of entries.
  void give_to_index(std::uint32_t chunk) noexcept FORKLORE_LOCKED;
  /// Frees all chunks, whatever their states are, in an order in which those of the index stay the first ones. No slot
  /// leads anywhere.
  void free_all() noexcept FORKLORE_LOCKED;
  /// Works out anew what follows from the states: the open chunks and the next sequence. Stores only what differs.
  /// False if a state makes no sense.
  bool derive() noexcept FORKLORE_LOCKED;

 private:
  friend class Writer;
  static constexpr std::uint32_t kFilled = 1;                      // in first_, whose offsets are multiples of 8
  static constexpr std::size_t kFullFence = std::size_t{1} << 16;  // bytes of an entry, see append()

  void load_head(Place place, EntryHead& head) const noexcept {
    const auto* words = reinterpret_cast<const Word*>(at(place));
    head = EntryHead::unpack(words[0].load(std::memory_order_relaxed), words[1].load(std::memory_order_relaxed));
  }
  /// Whether an entry of such a key may begin here.
  [[nodiscard]] bool is_bounded(Place place, const EntryHead& head) const noexcept {
    return place.offset + head.unspilled() <= chunk_bytes_ && head.total() <= max_entry_ &&
           (!head.is_integer() || head.value_size == kIntegerBytes);
  }
  /// Where a slot leads, in units of 8 bytes from the first chunk on; what is before that becomes a large number.
  [[nodiscard]] std::uint32_t location(std::uint64_t slot) const noexcept {
    return (static_cast<std::uint32_t>(slot) & location_mask_) - chunks_units_;
  }
  [[nodiscard]] std::uint32_t slot_generation(std::uint64_t slot) const noexcept {
    return static_cast<std::uint32_t>(without_frequency(slot) >> location_bits_) & generation_mask_;
  }
  [[nodiscard]] bool copy_spilled(Place place, std::size_t skip, const Into& to, std::size_t n) const noexcept;
  /// The chunk in which the last entry of this one goes on; the same one if that is damaged.
  [[nodiscard]] std::uint32_t following(std::uint32_t chunk) const noexcept {
    const std::uint32_t next = next_[chunk].load(std::memory_order_relaxed) - 1;
    return next < count_ ? next : chunk;
  }
  /// Counts bytes of an entry that was appended.
  void count_in(std::uint32_t chunk, std::uint32_t bytes, std::uint64_t expiry) noexcept FORKLORE_LOCKED {
    live_[chunk].store(live(chunk) + bytes, std::memory_order_release);
    if (expiry < due(chunk)) set_due(chunk, expiry);
  }
  std::uint64_t next_sequence() noexcept FORKLORE_LOCKED;
  /// Puts a free chunk at the end of the log, the one that was freed last: it may still be in the processor's caches.
  std::uint32_t take(Kind kind, std::uint64_t straddler, std::uint32_t first) noexcept FORKLORE_LOCKED;
  /// Takes the chunks in which an entry goes on that begins in this one and of which so many bytes do not fit there.
  void take_further(Kind kind, std::uint32_t chunk, std::uint64_t word, std::size_t left) noexcept FORKLORE_LOCKED;

  // What a read needs comes first: see Stripe.
  std::byte* chunks_;
  std::uint32_t location_mask_;
  std::uint32_t chunks_units_;  // where they begin, as a location
  std::uint32_t units_;         // of all chunks, in which a header may begin
  std::uint32_t chunk_bytes_;

  StripeHeader* header_;
  Word* states_;
  Word* due_;
  Word* straddlers_;
  HalfWord* generations_;
  HalfWord* used_;
  HalfWord* first_;  // and kFilled
  HalfWord* live_;
  HalfWord* next_;  // chunk in which the last entry goes on, plus 1. Set before publishing, kept while that entry lives
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
void Log::for_each_chunk(Place place, std::size_t total, Visit visit) const {
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
