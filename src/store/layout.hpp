// layout.hpp - The map of a segment's memory: every struct and every packed word that processes share.
//
//   segment   SegmentHeader | counter lines | stripe 0 | stripe 1 | ... | stripe N-1
//   stripe    StripeHeader | chunk table | leases | ghost | buckets | chunks
//   chunk     entries, one after the other
//   entry     header (16 bytes) | timing (8, of a timed entry) | key | value, rounded up to 8 bytes
//
// The words, which mean the same in all of src/store:
//
//   stripe      an independent part of the segment, with a lock of its own
//   chunk       a piece of a stripe's memory. The chunk table has a column for each field of a chunk
//   log         the chunks of one kind in the order of writing: small, main, large
//   open chunk  the last chunk of a log, to which entries are appended
//   generation  how often a chunk was taken from the free ones. Each slot that leads into it carries this number
//   straddler   the entry whose value goes on in a chunk from the one before
//   slot        8 bytes that say where an entry lies. 0 is empty
//   bucket      eight slots: a cache line
//   index       all buckets of a stripe. As it grows, the stripe's first chunks become buckets
//   plain       of an entry: whole in its chunk, and not timed
//   timed       of an entry: it has a timing, so it may be served stale or be refreshed early
//   live, dead  a slot leads to the entry, or none does
//   fresh       before its time to live is over
//   expired     nobody may have it any more, stale or not. Such an entry is treated as absent
//   fingerprint bits of a key's hash that stand for the key: 16 in a slot, 19 in the ghost
//   ghost       fingerprints of keys that were evicted
//   lease       the right to compute a value (a flight) or to hold a lock
//   line        a place in the table of leases. A cache line is always called so, and a counter line too
//   placeholder an entry that stands for a flight where no line was left
//   none        in memory 0; a chunk's number is stored plus 1. In code kNoChunk, kNoLine, kNobody, an empty optional
//   hint        may be wrong, and harms nothing but the hit ratio
//
// No pointer lies in here. Raise kFormatVersion with any change of what is below or of what it means.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "base/process.hpp"
#include "base/thread_safety.hpp"

namespace forklore::store {

inline constexpr std::uint64_t kMagic = 0x31'65'72'6f'6c'6b'72'66;  // "frklore1", stored last of all
inline constexpr std::uint32_t kFormatVersion = 6;

inline constexpr std::size_t kCacheLine = 64;  // bytes
inline constexpr std::size_t kSlotsPerBucket = 8;
inline constexpr unsigned kMaxChunks = 256;  // of a stripe
inline constexpr std::size_t kMaxChunkBytes = 1 << 20;
inline constexpr unsigned kMaxStripes = 64;
/// No chunk. In memory a number is stored plus 1, so that zeroed memory names none: 0 less 1 is this.
inline constexpr std::uint32_t kNoChunk = ~std::uint32_t{0};

using Word = std::atomic<std::uint64_t>;

/// Adds to a count. Only the caller writes it, because it holds the lock.
inline void count(Word& word, std::int64_t n = 1) noexcept {
  word.store(word.load(std::memory_order_relaxed) + static_cast<std::uint64_t>(n), std::memory_order_relaxed);
}
using HalfWord = std::atomic<std::uint32_t>;
static_assert(Word::is_always_lock_free && HalfWord::is_always_lock_free);
static_assert(sizeof(Word) == 8 && sizeof(HalfWord) == 4);

// ---- Slot: where an entry lies, in one word.
//
//    63       48 47   46 45                   L L-1            0
//   +-----------+-------+----------------------+---------------+
//   |fingerprint| freq  |   chunk generation   |   location    |   L is fixed by the geometry
//   +-----------+-------+----------------------+---------------+
//
// The location counts units of 8 bytes from the start of the stripe. It is never 0, so a word of 0 is an empty slot.
//
// A writer stores a slot with release, under the lock. A reader loads it with acquire: so it sees the whole
// entry. Readers raise freq without the lock, by one compare-exchange that may fail. A lost raise costs a little hit
// ratio. An old slot never comes back, because the generation differs.

inline constexpr unsigned kFingerprintShift = 48;
inline constexpr unsigned kFrequencyShift = 46;
inline constexpr std::uint64_t kFrequencyMask = std::uint64_t{3} << kFrequencyShift;
inline constexpr std::uint64_t kOneFrequency = std::uint64_t{1} << kFrequencyShift;
inline constexpr unsigned kMaxFrequency = 3;

constexpr std::uint64_t fingerprint_of(std::uint64_t slot) noexcept { return slot >> kFingerprintShift; }
constexpr unsigned frequency_of(std::uint64_t slot) noexcept {
  return static_cast<unsigned>((slot & kFrequencyMask) >> kFrequencyShift);
}
/// What a slot says of its entry: all of it but the frequency.
constexpr std::uint64_t without_frequency(std::uint64_t slot) noexcept { return slot & ~kFrequencyMask; }
constexpr std::uint64_t with_frequency(std::uint64_t slot, unsigned frequency) noexcept {
  return without_frequency(slot) | std::uint64_t{frequency} << kFrequencyShift;
}

struct alignas(kCacheLine) Bucket {
  Word slot[kSlotsPerBucket];
};
static_assert(sizeof(Bucket) == kCacheLine);

// ---- Chunk state: the one truth about a chunk.
//
//    63    56 55                                   0
//   +--------+--------------------------------------+
//   |  kind  |               sequence               |   the order in its log, or among the free ones
//   +--------+--------------------------------------+
//
// A chunk of kind index holds buckets. Such chunks are always the first of the stripe. The state is written with
// release, under the lock. Three things follow from these words alone: which chunk a log appends to, the order in a
// log, and which chunks are free.

enum class Kind : std::uint8_t { free = 0, small = 1, main = 2, index = 3, large = 4 };
inline constexpr unsigned kKinds = 5;
inline constexpr unsigned kKindShift = 56;
inline constexpr std::uint64_t kSequenceMask = (std::uint64_t{1} << kKindShift) - 1;

constexpr std::uint64_t pack_state(Kind kind, std::uint64_t sequence) noexcept {
  return static_cast<std::uint64_t>(kind) << kKindShift | (sequence & kSequenceMask);
}
constexpr unsigned kind_number(std::uint64_t state) noexcept { return static_cast<unsigned>(state >> kKindShift); }
constexpr Kind kind_of(std::uint64_t state) noexcept { return static_cast<Kind>(kind_number(state)); }
constexpr bool is_log(Kind kind) noexcept { return kind == Kind::small || kind == Kind::main || kind == Kind::large; }
/// The log of a chunk that holds entries. Of a damaged state: main.
constexpr Kind log_of(std::uint64_t state) noexcept { return is_log(kind_of(state)) ? kind_of(state) : Kind::main; }
constexpr std::uint64_t sequence_of(std::uint64_t state) noexcept { return state & kSequenceMask; }

// ---- Entry header: two words. The second one never changes once a slot leads there. The first one is stored
// again as a whole when the expiry changes.
//
//    63                             16 15            0
//   +---------------------------------+---------------+
//   |  expiry, ms since birth         |    format     |   kNever: does not expire; kDead: gone
//   +---------------+-----------------+-------+---------------+
//   |     spare     |    key size     | timed |  value size   |   63..48, 47..32, 31, 30..0
//   +---------------+-----------------+-------+---------------+
//
// A timed entry has one more word before its key, its timing:
//
//    63                             32 31                             0
//   +---------------------------------+--------------------------------+
//   |   ms that it took to compute    |         ms it may be stale     |
//   +---------------------------------+--------------------------------+
//
// It is fresh until `stale_for` before its expiry. After that only readers that ask for stale values get it.
//
// A placeholder is a timed entry that is never fresh, and a value to nobody. It says that somebody computes the value
// of its key and found no line for that (leases.hpp). Its own value is two words: the lease, and the owner.
//
// A failure is such an entry too, of a format of its own. It says that the last computation of its key failed. Its
// value is what the error said. Until it expires nobody computes.

inline constexpr std::size_t kEntryHeader = 16;
inline constexpr std::uint64_t kNever = (std::uint64_t{1} << 48) - 1;
/// The expiry of a dead entry. A hint: after a death it may be missing.
inline constexpr std::uint64_t kDead = 0;
inline constexpr std::size_t kIntegerBytes = 8;
inline constexpr std::uint16_t kIntegerFormat = 1;
inline constexpr std::size_t kTimingBytes = 8;
inline constexpr std::uint16_t kPlaceholderFormat = 0, kFailureFormat = 2;  // of timed entries that are no value
inline constexpr std::size_t kMaxFailure = 500;                             // bytes that are kept of what an error said
inline constexpr unsigned kTimedShift = 31;                                 // in the word that has the value's size
inline constexpr std::uint32_t kTimedBit = std::uint32_t{1} << kTimedShift;

/// The timing of a timed entry.
struct Timing {
  std::uint32_t stale_for = 0;  ///< ms that it may be served stale
  std::uint32_t cost = 0;       ///< ms that it took to compute; kNoCost marks a placeholder

  static constexpr std::uint32_t kNoCost = ~std::uint32_t{0};
  [[nodiscard]] static constexpr Timing of_placeholder() noexcept { return {~std::uint32_t{0}, kNoCost}; }
  [[nodiscard]] constexpr bool is_placeholder() const noexcept { return cost == kNoCost; }
  [[nodiscard]] constexpr std::uint64_t word() const noexcept { return std::uint64_t{cost} << 32 | stale_for; }
  [[nodiscard]] static constexpr Timing unpack(std::uint64_t word) noexcept {
    return {static_cast<std::uint32_t>(word), static_cast<std::uint32_t>(word >> 32)};
  }
  /// Until when an entry of this expiry is fresh.
  [[nodiscard]] constexpr std::uint64_t fresh_until(std::uint64_t expiry) const noexcept {
    return expiry == kNever ? kNever : expiry - (stale_for < expiry ? stale_for : expiry);
  }
  /// The expiry of an entry that is to be fresh until then.
  [[nodiscard]] constexpr std::uint64_t expiry_of(std::uint64_t fresh_until) const noexcept {
    if (fresh_until == kNever) return kNever;
    return fresh_until + stale_for < kNever ? fresh_until + stale_for : kNever - 1;
  }
};

struct EntryHead {
  std::uint64_t expiry = kNever;  ///< ms since the segment's birth
  std::uint16_t format = 0;
  std::uint32_t value_size = 0;
  std::uint16_t key_size = 0;
  bool timed = false;

  [[nodiscard]] constexpr std::uint64_t first_word() const noexcept { return expiry << 16 | format; }
  [[nodiscard]] constexpr std::uint64_t second_word() const noexcept {
    return std::uint64_t{key_size} << 32 | (timed ? kTimedBit : 0) | value_size;
  }
  [[nodiscard]] static constexpr EntryHead unpack(std::uint64_t first, std::uint64_t second) noexcept {
    return {first >> 16, static_cast<std::uint16_t>(first), static_cast<std::uint32_t>(second) & ~kTimedBit,
            static_cast<std::uint16_t>(second >> 32), (second & kTimedBit) != 0};
  }
  /// Whether this second word is that of an entry that is not timed and has a key of this size.
  [[nodiscard]] static constexpr bool is_untimed(std::uint64_t second, std::size_t key_size) noexcept {
    return second >> kTimedShift == key_size << (32 - kTimedShift);
  }
  [[nodiscard]] constexpr bool is_integer() const noexcept { return format == kIntegerFormat; }
  /// Whether it has expired: then every call treats it as absent.
  [[nodiscard]] constexpr bool expired(std::uint64_t now) const noexcept { return expiry <= now; }
  /// Where a timed entry's timing lies, from the start of the entry.
  [[nodiscard]] constexpr std::size_t timing_at() const noexcept { return kEntryHeader + (is_integer() ? 8u : 0u); }
  /// Where the key lies, from the start of the entry.
  [[nodiscard]] constexpr std::size_t key_at() const noexcept { return timing_at() + (timed ? kTimingBytes : 0); }
  /// Where the value begins, from the start of the entry.
  [[nodiscard]] constexpr std::size_t value_at() const noexcept {
    return is_integer() ? kEntryHeader : key_at() + key_size;
  }
  /// The bytes from the start that must lie in one chunk: header, timing and key.
  [[nodiscard]] constexpr std::size_t unspilled() const noexcept { return key_at() + key_size; }
  /// The whole entry, rounded up.
  [[nodiscard]] constexpr std::size_t total() const noexcept {
    return (kEntryHeader + (timed ? kTimingBytes : 0) + std::size_t{key_size} + value_size + 7) & ~std::size_t{7};
  }
};
/// What an entry costs in addition to its key and value: header and slot. Rounding comes on top, at most 7 bytes.
inline constexpr std::size_t kEntryOverhead = kEntryHeader + sizeof(Word);
static_assert(kEntryOverhead == 24);
static_assert(EntryHead{.value_size = 100, .key_size = 24}.total() == 144);

// ---- Index word: how many buckets there are, and how often slots have moved.
//
//    63                                24 23           0
//   +------------------------------------+--------------+
//   |            slot moves              |   buckets    |
//   +------------------------------------+--------------+
//
// Stored with release, under the lock, before a moved slot is cleared at its old place. Partner: Index::snapshot().

inline constexpr unsigned kIndexSizeBits = 24;
constexpr std::uint32_t index_size_of(std::uint64_t index) noexcept {
  return static_cast<std::uint32_t>(index & ((std::uint64_t{1} << kIndexSizeBits) - 1));
}
constexpr std::uint64_t next_index_word(std::uint64_t index, std::uint32_t buckets) noexcept {
  return ((index >> kIndexSizeBits) + 1) << kIndexSizeBits | buckets;
}

// ---- Lease: one caller, and nobody else, computes the value of a key or holds a lock. Each line has a word, a hash,
// an owner, a deadline and the time at which it was taken, each in a column of its own. This is the word:
//
//    63                                             2 1      0
//   +------------------------------------------------+--------+
//   |                     token                      |  kind  |   0 free; 1 flight: computes; 2 lock
//   +------------------------------------------------+--------+
//
// The word is the one truth about a lease. Its token is never given again, and grows from lease to lease of a name.
//
// From free to held: with release, under the lock, after the other fields of the line.
// From held to free, without the lock: by a compare-exchange that names the token. So giving back never waits. The
// owner does it, or a process that has found the owner dead.
//
// From held to free, under the lock: by a release store, for a flight that is voided or rests, or a deadline that has
// passed. It is safe: only the lock's holder makes a word held, and a give-back meanwhile stores the same word. The
// deadline is stored once more, under the lock, if the lease is extended.
//
// Hash and kind identify what is leased. Keys of one hash wait for each other.

enum class LeaseKind : std::uint8_t { free = 0, flight = 1, lock = 2 };
inline constexpr unsigned kTokenShift = 2;
inline constexpr std::uint64_t kLeaseKindMask = (std::uint64_t{1} << kTokenShift) - 1;
constexpr std::uint64_t pack_lease(std::uint64_t token, LeaseKind kind) noexcept {
  return token << kTokenShift | static_cast<std::uint64_t>(kind);
}
constexpr std::uint64_t token_of(std::uint64_t lease) noexcept { return lease >> kTokenShift; }
constexpr unsigned lease_kind_number(std::uint64_t lease) noexcept {
  return static_cast<unsigned>(lease & kLeaseKindMask);
}
constexpr bool is_lease(std::uint64_t lease, LeaseKind kind) noexcept {
  return lease_kind_number(lease) == static_cast<unsigned>(kind);
}
constexpr bool is_held(std::uint64_t lease) noexcept { return lease_kind_number(lease) != 0; }
inline constexpr std::uint32_t kNoLine = ~std::uint32_t{0};  // the line of a lease that a placeholder keeps
inline constexpr std::uint64_t kPlaceholderMs = 600'000;     // how long a placeholder stands at most
inline constexpr std::size_t kLeaseBytes = 4 * sizeof(Word) + 2 * sizeof(HalfWord);  // a line, and an event count
inline constexpr std::uint64_t kLeaseTick = 100;  // ms, the resolution of the time at which a lease was taken
// How many lines a stripe has: first those for flights, then those for locks.
inline constexpr unsigned kMinFlights = 16, kMaxFlights = 32;
inline constexpr unsigned kMinLocks = 16, kMaxLocks = 64;

// ---- Stripe header. Five cache lines, by meaning. Speed decides two places: the index word is alone on its line, and
// what a write reads or changes lies on the two lines beside it, and no third one.
//
// GUARDED marks fields of this header that are used only with the stripe's lock held. The other fields say what else
// uses them. Outside the header hardly any field is marked, but each function that needs the lock is: FORKLORE_LOCKED.
// A hint may have any value: it is clamped where it is used.

/// A stripe's lock, as clang's thread-safety analysis knows it. One name stands for the locks of all stripes, because
/// a thread holds at most one. Its holder may touch all of that stripe, and nothing of another.
struct FORKLORE_CAPABILITY("lock of a stripe") StripeLock {};
inline constexpr StripeLock stripe_lock;
/// Of a function: its caller holds the stripe's lock.
#define FORKLORE_LOCKED FORKLORE_REQUIRES(stripe_lock)
/// Of a function: its caller holds no stripe's lock, because the function takes one, or may wait.
#define FORKLORE_UNLOCKED FORKLORE_EXCLUDES(stripe_lock)
/// Of a function: no other process or thread has the stripe, so it needs no lock. Not analysed.
#define FORKLORE_ALONE FORKLORE_NO_THREAD_SAFETY_ANALYSIS
#define FORKLORE_GUARDED FORKLORE_GUARDED_BY(stripe_lock)

struct alignas(kCacheLine) StripeHeader {
  // The lock. Its line is a writer's already, so what most writes look at lies here as well.
  HalfWord lock;                      // the owner's thread id: base::acquire_lock, release_lock
  HalfWord flights FORKLORE_GUARDED;  // lines with flights, at most so many. 0: a write has none to void

  // The policy (policy.hpp). All of it is hints.
  HalfWord small_share FORKLORE_GUARDED;  // small's share of the chunks for entries, in 1/2^31. 0: the first one
  Word owed FORKLORE_GUARDED;             // bytes that main owes: so much of what it was filled with gives way
  Word usual_size FORKLORE_GUARDED;       // mean log-size of new entries, as policy.cpp has it. 0: none came yet
  Word usual_spread FORKLORE_GUARDED;     // mean distance of recent log-sizes from usual_size
  Word large_run FORKLORE_GUARDED;        // bytes of new entries since one came that was not large
  Word ghost_bytes[2] FORKLORE_GUARDED;   // bytes that left small and main: the clocks of the ghost

  // The index word. Every read loads it, so nothing that changes more often may share its line.
  alignas(kCacheLine) Word index;  // written with the lock held, read by everybody

  // The index and the logs. recover() computes them again.
  alignas(kCacheLine) Word slots_used;     // slots that are not empty. Read by stats
  Word moving FORKLORE_GUARDED;            // buckets between which slots move, plus 1: from << 32 | to. 0: none
  Word sequence FORKLORE_GUARDED;          // the next one to give
  HalfWord open[kKinds] FORKLORE_GUARDED;  // the chunk that each log appends to, plus 1. 0: none

  // Leases.
  Word tokens FORKLORE_GUARDED;  // the last one given. The first comes from the wall clock

  // Counts of the stripe's work. They only grow. Written with the lock held, read by stats. There are seventeen, so the
  // first one takes the word that is left on this line.
  Word recoveries;  // after the death of an owner
  alignas(kCacheLine) Word resets;
  Word evictions;         // all of them
  Word main_evictions;    // of these: from main
  Word large_evictions;   // of these: from large
  Word bucket_evictions;  // of these: because both buckets of a new key were full
  Word expirations;
  Word moves;
  Word reclaims;
  alignas(kCacheLine) Word computations;  // flights given
  Word computed;                          // of these: their value was stored
  Word voided;                            // of these: their key was written to meanwhile
  Word locked;                            // locks given
  Word leases_lacking;                    // refused because the table was full
  Word leases_overdue;                    // leases given to another because their time was over
  Word waits;                             // calls that waited for a lease. Anybody adds, with no lock held
  Word leases_taken_over;                 // leases of the dead. Anybody adds, with no lock held
};
static_assert(sizeof(StripeHeader) == 5 * kCacheLine);

// ---- Counter line: what one thread of one process has counted. Its owner alone writes it. Line 0 is shared by those
// that found no other. Counts are never set back: a new owner counts on, so sums never shrink.

struct alignas(kCacheLine) CounterLine {
  Word owner;  // process id in the upper half, thread id in the lower; 0: nobody. Claimed by compare-exchange
  Word hits;
  Word misses;
  Word writes;
  Word erases;
  Word refused;
  Word busy;
  Word rereads;
};
static_assert(sizeof(CounterLine) == kCacheLine);

// ---- Segment header. It is checked once, at attach, and not read again. While processes are attached nothing of it
// changes but clean.

struct SegmentHeader {
  Word magic;  // kMagic. Stored last, with release. Partner: the acquire in describe()
  std::uint32_t format_version;
  std::uint32_t layout_check;  // of all sizes above
  std::uint64_t capacity;      // bytes, the file's size
  std::uint32_t stripes;
  std::uint32_t reject;          // 1: when_full = reject
  std::uint64_t max_value;       // bytes
  std::uint64_t geometry_check;  // of all that is computed from the four above
  std::uint64_t birth_boottime;  // ms. Set again when a file is adopted after a reboot
  std::uint64_t birth_realtime;  // ms since 1970
  base::LockDomain domain;       // the processes to which the thread ids in lock words mean the same
  std::uint64_t device, inode;   // the file's own. A copy has others, which shows that it is one
  HalfWord clean;                // of a file: 1 once the last process has let go and all is on disk
};
inline constexpr std::size_t kHeaderBytes = 256;
static_assert(sizeof(SegmentHeader) <= kHeaderBytes && std::is_standard_layout_v<SegmentHeader>);

/// Differs between builds that lay memory out differently.
constexpr std::uint32_t layout_check() noexcept {
  std::uint32_t h = 2166136261u;  // FNV-1a
  for (std::size_t x :
       {sizeof(SegmentHeader), sizeof(StripeHeader), sizeof(CounterLine), sizeof(Bucket), kEntryHeader, kTimingBytes,
        kLeaseBytes, std::size_t{kMaxChunks}, offsetof(SegmentHeader, domain), offsetof(SegmentHeader, clean)}) {
    h = (h ^ static_cast<std::uint32_t>(x)) * 16777619u;
  }
  return h;
}

}  // namespace forklore::store
