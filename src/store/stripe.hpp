// stripe.hpp - An independent part of a segment: one lock, one index, three logs over its own chunks, one ghost.
//
// Reading takes no lock: every verdict drawn from an entry's bytes counts only if the slot that led there is
// unchanged at a second look, behind an acquire fence. Writing is one primitive, update(): lock, find, let the caller
// decide, make room, append, publish by one store to the slot, unlock. Before that store the old entry stands, after
// it the new one; nothing else must be undone or redone, so there is no journal.
//
// A thread holds at most one stripe lock and never calls out while it does. Everything here is noexcept and allocates
// nothing, but for the memory of a read, which runs with no lock held.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/robust_lock.hpp"
#include "forklore/code.hpp"
#include "forklore/found.hpp"
#include "forklore/options.hpp"
#include "store/decision.hpp"
#include "store/geometry.hpp"
#include "store/ghost.hpp"
#include "store/index.hpp"
#include "store/layout.hpp"
#include "store/leases.hpp"
#include "store/log.hpp"
#include "store/policy.hpp"

namespace forklore::store {

/// A key with its hash, computed once a call.
struct HashedKey {
  std::string_view bytes;  ///< 1 to kMaxKeyBytes
  std::uint64_t hash;
};

/// What a read found.
struct Reading {
  Found found;
  std::uint64_t expiry = kNever;  ///< ms since birth, until when it is fresh
  Timing timing;                  ///< of a timed entry
};

/// For Stripe::read: the value itself is not wanted.
struct NoValue {};

/// Which entries count as there.
enum class Age : std::uint8_t {
  fresh,  ///< those that are not past their time to live
  stale,  ///< also those that may still be served stale
};

/// Sums over the stripe's chunks and slots.
struct StripeTotals {
  std::uint64_t entries = 0, slots = 0, live_bytes = 0, free_chunks = 0, index_chunks = 0, leases = 0;
};

/// The logs in the order in which a scan walks them: no entry, and no chunk, comes back from a later one.
inline constexpr std::array kScanned = {Kind::small, Kind::large, Kind::main};

/// How far a scan of a stripe has come: one log after the other, each in the order in which it was written.
struct ScanPlace {
  Kind log = kScanned.front();  ///< free: at the end
  std::uint64_t sequence = 0;
  std::uint32_t offset = 0;
};

class alignas(kCacheLine) Stripe {
 public:
  /// bytes: g.stripe_bytes of the mapping, which outlive this. writable: false on a read-only mapping.
  Stripe(std::byte* bytes, const Geometry& g, bool writable) noexcept;
  [[nodiscard]] bool writable() const noexcept { return __atomic_load_n(&writable_, __ATOMIC_RELAXED); }
  void forbid_writing() noexcept { __atomic_store_n(&writable_, false, __ATOMIC_RELAXED); }

  /// Lays out a new stripe in zeroed memory. Nobody else may look at it yet.
  /// tokens: those of leases begin behind it.
  void create(std::uint64_t random, std::uint64_t tokens) noexcept FORKLORE_ALONE;
  /// Frees the lock and all leases, whoever held them, and recovers. Only when no other process is attached.
  void adopt() noexcept FORKLORE_ALONE;

  // Reading. now: ms since the segment's birth.

  /// Fetches a key's buckets.
  void prefetch(std::uint64_t hash) const noexcept {
    const Index::Snapshot index = index_.snapshot();
    __builtin_prefetch(&index.first(hash));
    __builtin_prefetch(&index.second(hash));
  }
  /// Fetches what slots of the key's tag lead to, after prefetch().
  void prefetch_entries(std::uint64_t hash) const noexcept;
  /// Reads an entry. memory(found), of which copies are made, is asked for memory once the size is known, with no lock
  /// held, perhaps more than once; nullptr gives up. NoValue{} reads all but the value. rereads grows by the rounds
  /// begun again. Answers ok, not_found or buffer_too_small, and not_found when a lock that is needed in the end stays
  /// held for all of timeout. May throw what memory throws.
  template <Age age = Age::fresh, class Memory>
  Code read(const HashedKey& key, std::uint64_t now, const Memory& memory, Reading& reading,
            std::chrono::milliseconds timeout, std::uint64_t& rereads) FORKLORE_UNLOCKED;
  /// What read() finds of an entry, without reading its value or raising its frequency, which it tells.
  Code glance(const HashedKey& key, std::uint64_t now, Reading& reading, unsigned& frequency,
              std::chrono::milliseconds timeout) FORKLORE_UNLOCKED;
  /// Beyond the sequence of every chunk. It never falls, so that places of a scan may be told by their distance from
  /// it; the next to give, which the header has, may be anything in a damaged stripe.
  [[nodiscard]] std::uint64_t sequence_end() const noexcept;
  /// Appends keys that begin with prefix until there are enough of them or the stripe is at its end, and moves the
  /// place on. Any place may be given. A key that is there throughout comes at least once: an entry is only ever moved
  /// to the end of its log or to that of main, which comes later.
  void scan(ScanPlace& place, std::uint64_t now, std::string_view prefix, std::size_t enough,
            std::vector<std::string>& keys) const;
  [[nodiscard]] StripeTotals totals() const noexcept;
  [[nodiscard]] const StripeHeader& header() const noexcept { return *header_; }

  // Writing.

  /// The one way in which anything changes: what decide says of the entry as it stands. Also full (reject), busy.
  /// Voids the flight of a key whose value changes; a new expiry is no change of the value.
  Code update(const HashedKey& key, std::uint64_t now, std::chrono::milliseconds timeout,
              const Decide& decide) noexcept FORKLORE_UNLOCKED;
  /// The same by who holds the key's flight, which is given back whatever comes of it, unless that is busy. Also
  /// changed, with nothing done: the flight is no longer held.
  Code update_with(const LeaseId& lease, const HashedKey& key, std::uint64_t now, std::chrono::milliseconds timeout,
                   const Decide& decide) noexcept FORKLORE_UNLOCKED;
  /// Removes every entry and voids every flight. Locks stay held.
  Code clear(std::chrono::milliseconds timeout) noexcept FORKLORE_UNLOCKED;

  // Leases.

  /// Asks for a lease. A flight is not given if the key has a fresh value, unless that is of this version; nor is a
  /// placeholder where there is an older one. failure: set with the grant failed, which is given where it is asked for.
  Grant acquire(const HashedKey& key, const LeaseWish& wish, std::uint64_t version, std::uint64_t now,
                std::chrono::milliseconds timeout, LeaseId& lease, Holders& holders,
                Failure* failure = nullptr) noexcept FORKLORE_UNLOCKED;
  /// Of a flight whose key has an older value: gives it back, and lets nobody renew that value before the deadline. ok,
  /// changed (it is no longer held), busy.
  Code rest(const LeaseId& lease, const HashedKey& key, std::uint64_t now, std::uint64_t deadline,
            std::chrono::milliseconds timeout) noexcept FORKLORE_UNLOCKED;
  /// Gives a lease another deadline: ok, changed (it is no longer held), busy.
  Code extend(const LeaseId& lease, std::uint64_t now, std::uint64_t deadline,
              std::chrono::milliseconds timeout) noexcept FORKLORE_UNLOCKED;
  /// Whether a lease is still held, and its holder's to use.
  bool holds(const LeaseId& lease, const HashedKey& key, std::uint64_t now,
             std::chrono::milliseconds timeout) noexcept FORKLORE_UNLOCKED;
  /// Gives back a lease that is the caller's or whose owner is known to be dead: with no lock, but for a placeholder.
  /// False if it was no longer held, or the lock could not be had.
  bool give_back(const LeaseId& lease, const HashedKey& key,
                 std::chrono::milliseconds timeout) noexcept FORKLORE_UNLOCKED;
  /// Gives back what dead owners hold of what stands in the way, and the flights of those that were killed and have yet
  /// to end. How many. key: that was asked for.
  std::uint32_t give_back_of_dead(const Holders& holders, std::string_view key,
                                  std::chrono::milliseconds timeout) noexcept FORKLORE_UNLOCKED;
  [[nodiscard]] Leases& leases() noexcept { return leases_; }

  /// For diagnosis, the one place that allocates under the lock. Checks every invariant and appends what is wrong, each
  /// fault a sentence that begins with where.
  Code verify(const std::string& where, std::chrono::milliseconds timeout,
              std::vector<std::string>& faults) FORKLORE_UNLOCKED;

 private:
  /// Takes the lock, and recovers the stripe if its last owner died. held() says whether it could be had: nothing that
  /// needs the lock may be called before that is asked, as clang sees.
  class FORKLORE_SCOPED_CAPABILITY Guard {
   public:
    Guard(Stripe& stripe, std::chrono::milliseconds timeout) noexcept FORKLORE_UNLOCKED : stripe_(stripe),
                                                                                          held_(take(stripe, timeout)) {
    }
    ~Guard() FORKLORE_RELEASE() {
      if (held_) base::release_lock(stripe_.header_->lock);
    }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    [[nodiscard]] bool held() const noexcept FORKLORE_TRY_ACQUIRE() { return held_; }

   private:
    // Not analysed: here the lock is had by its word.
    static bool take(Stripe& stripe, std::chrono::milliseconds timeout) noexcept FORKLORE_NO_THREAD_SAFETY_ANALYSIS {
      const base::Acquired acquired = base::acquire_lock(stripe.header_->lock, timeout);
      if (acquired == base::Acquired::owner_died) [[unlikely]]
        stripe.recover();
      return acquired != base::Acquired::busy;
    }
    Stripe& stripe_;
    bool held_;
  };
  friend class Guard;
  class Verifier;  // stripe_verify.cpp

  /// An entry and the slot that leads to it.
  struct Located {
    Word* slot = nullptr;
    std::uint64_t word = 0;
    Place place;
    EntryHead head;
    std::uint64_t hash = 0;
  };
  /// A flight that has no line, as an entry.
  struct Placeholder {
    Located entry;
    std::uint64_t word = 0;  ///< pack_lease(); 0: there is none
    std::uint64_t owner = 0;
  };
  enum class Attempt : std::uint8_t {
    hit,
    miss,
    declined,
    changed,  ///< meanwhile: to be begun again
    unusual,  ///< attempt_plain() alone: for attempt()
  };

  // stripe_read.hpp, stripe_read.cpp
  template <Age age, class Memory>
  Attempt attempt(const HashedKey& key, std::uint64_t now, const Memory& memory, Reading& reading) const;
  template <class Memory>
  Attempt attempt_plain(const HashedKey& key, std::uint64_t now, const Memory& memory, Reading& reading) const;
  struct ReadOn {
    Code code = Code::not_found;
    Reading reading;
    std::uint64_t rereads = 0;
  };
  template <Age age, class Memory>
  ReadOn read_on(HashedKey key, std::uint64_t now, Memory memory, std::chrono::milliseconds timeout) FORKLORE_UNLOCKED;
  /// The second look at what a verdict rests on: a slot, or that no slot was found.
  [[nodiscard]] bool unchanged(const Index::Snapshot& index, const Word& slot, std::uint64_t word) const noexcept;
  [[nodiscard]] bool unmoved(const Index::Snapshot& index) const noexcept;
  bool prefetch_from(const Bucket& bucket, std::uint64_t tag) const noexcept;
  [[nodiscard]] std::uint32_t scan_from(ScanPlace& place) const noexcept;
  [[nodiscard]] bool scan_chunk(std::uint32_t chunk, ScanPlace& place, std::uint64_t now, std::string_view prefix,
                                std::size_t enough, std::vector<std::string>& keys) const;
  void raise_frequency(Word& slot, std::uint64_t word) const noexcept;
  [[nodiscard]] std::uint64_t version_of(std::uint64_t word, std::int64_t integer) const noexcept;
  [[nodiscard]] std::int64_t integer_at(Place place) const noexcept;

  // stripe_update.cpp. Under the lock.
  [[nodiscard]] bool find(const HashedKey& key, Located& found) const noexcept FORKLORE_LOCKED;
  [[nodiscard]] bool find_any(const HashedKey& key, Located& found) const noexcept FORKLORE_LOCKED;
  /// What a decision is shown of a key; found: the entry and its slot, if there is one, expired or not.
  [[nodiscard]] Present look(const HashedKey& key, std::uint64_t now, Located& found) const noexcept FORKLORE_LOCKED;
  /// What a write is going to do. It stands until anything in the stripe changes.
  struct Plan {
    const Located& old;  ///< the key's entry, expired or not
    const Decision& decision;
    EntryHead head = {};       ///< of the entry that is stored
    Kind log = Kind::free;     ///< where that goes
    Place end = {};            ///< where that log ends
    bool fits = true;          ///< there is room for it at that end
    bool in_its_turn = false;  ///< it is written while the log is compacted in its order
  };
  struct Outcome {
    Code code = Code::ok;
    bool voided = false;  ///< flights of the key: wake() is due
  };
  /// lease: with which the write is made, or nullptr.
  Outcome change(const HashedKey& key, std::uint64_t now, const Decide& decide,
                 const LeaseId* lease) noexcept FORKLORE_LOCKED;
  Outcome change_with_room(const HashedKey& key, std::uint64_t now, const Decide& decide, const LeaseId* lease,
                           Kind log, EntryHead head, bool renews) noexcept FORKLORE_LOCKED;
  /// The decision, and the key's entry. asked keeps the decision if it depends on the entry.
  const Decision& ask(const HashedKey& key, std::uint64_t now, const Decide& decide, Located& old,
                      std::optional<Decision>& asked) const noexcept FORKLORE_LOCKED;
  /// log: for the entry; free: choose it.
  Plan make_plan(const HashedKey& key, std::uint64_t now, const Located& old, const Decision& decision,
                 Kind log) noexcept FORKLORE_LOCKED;
  /// Whether it overwrites by as much or less in a stripe that rejects: that never fails (stripe_compact.cpp).
  [[nodiscard]] bool is_renewal(const Located& old, const EntryHead& head) const noexcept FORKLORE_LOCKED;
  Outcome apply(const HashedKey& key, std::uint64_t now, const Plan& plan,
                const LeaseId* lease) noexcept FORKLORE_LOCKED;
  /// A slot for a new entry: an empty one, an expired entry's, or the coldest; nullptr in reject mode if all are live.
  [[nodiscard]] Word* choose_slot(const HashedKey& key, std::uint64_t now) noexcept FORKLORE_LOCKED;
  /// The log for an entry of a key; old: the one that it replaces.
  [[nodiscard]] Kind choose_log(const HashedKey& key, const Located& old, std::size_t bytes) noexcept FORKLORE_LOCKED;
  /// All decisions but to store.
  void carry_out(const Located& old, const Decision& decision) noexcept FORKLORE_LOCKED;
  template <class Append, class Forget>
  void supersede(Word& slot, const HashedKey& key, Place end, Append append, Forget forget) noexcept FORKLORE_LOCKED;
  bool overwrite_plain(const HashedKey& key, const Decision& decision) noexcept FORKLORE_LOCKED;
  /// head: of the new entry; kind, end: its log and where that ends.
  std::uint64_t append(Kind kind, Place end, const HashedKey& key, const Decision& decision,
                       const EntryHead& head) noexcept FORKLORE_LOCKED;
  Code store(const HashedKey& key, const Plan& plan, std::uint64_t now) noexcept FORKLORE_LOCKED;
  Code renew_in_order(const HashedKey& key, std::uint64_t now, const Plan& plan) noexcept FORKLORE_LOCKED;
  /// Stores what is to take the place of an entry whose chunk is reclaimed; false if there is no room.
  struct Renewal;
  bool renew(const Located& entry, Renewal& renewal) noexcept FORKLORE_LOCKED;
  /// Counts a live or expired entry out whose slot another one took.
  void drop(std::uint64_t word, std::uint64_t now) noexcept FORKLORE_LOCKED;
  void publish(Word& slot, std::uint64_t word) noexcept FORKLORE_LOCKED {
    // The commit. Partner: the acquire load in attempt().
    slot.store(word, std::memory_order_release);
  }
  void remove(const Located& entry) noexcept FORKLORE_LOCKED;
  /// The next locker after a death: derives what follows from the chunk states. Never writes what readers follow.
  /// May itself be killed anywhere.
  void recover() noexcept FORKLORE_LOCKED;
  /// The answer to damage: no entries, all chunks free.
  void reset() noexcept FORKLORE_LOCKED;
  void empty() noexcept FORKLORE_LOCKED;

  // stripe_leases.cpp. Under the lock.
  /// The placeholder under a key, whoever's it is.
  [[nodiscard]] Placeholder find_placeholder(const HashedKey& key) const noexcept FORKLORE_LOCKED;
  /// Makes one. False if there is no room.
  bool place(const HashedKey& key, const LeaseWish& wish, std::uint64_t now, LeaseId& lease) noexcept FORKLORE_LOCKED;
  /// Whether an entry says that a computation failed lately, and what of it.
  [[nodiscard]] bool recall(const Located& entry, std::uint64_t now, Failure& failure) const noexcept FORKLORE_LOCKED;
  /// Gives a lease back. wake() is due then.
  bool leave(const LeaseId& lease, const HashedKey& key) noexcept FORKLORE_LOCKED;

  // stripe_index.cpp. Under the lock.
  /// Lets the index grow or shrink towards its due size, by work in proportion to the bytes that a new entry takes.
  void tend_index(std::size_t bytes, std::uint64_t now) noexcept FORKLORE_LOCKED;
  bool grow_index(std::uint64_t now) noexcept FORKLORE_LOCKED;
  bool shrink_index() noexcept FORKLORE_LOCKED;
  [[nodiscard]] bool index_reaches(std::uint32_t bucket) const noexcept;
  [[nodiscard]] bool extend_index(std::uint64_t now) noexcept FORKLORE_LOCKED;
  /// Empties a slot of a full bucket by moving its entry's slot to the entry's other bucket, which may have to do the
  /// same first as often as further says. nullptr if none can be moved.
  Word* displace(const Index::Snapshot& index, const Bucket& bucket, unsigned further) noexcept FORKLORE_LOCKED;
  void move_slot(const Index::Snapshot& index, Word& from, Word& to) noexcept FORKLORE_LOCKED;
  void begin_move(std::uint32_t from, std::uint32_t to) noexcept FORKLORE_LOCKED;
  void end_move() noexcept FORKLORE_LOCKED;
  /// Clears what a move that a death cut short has left standing twice.
  void settle() noexcept FORKLORE_LOCKED;
  /// The hash of the key that a slot leads to. False if it leads nowhere: damaged.
  [[nodiscard]] bool hash_of(std::uint64_t word, std::uint64_t& hash) const noexcept FORKLORE_LOCKED;
  [[nodiscard]] std::uint64_t count_slots() const noexcept FORKLORE_LOCKED;

  /// Under the lock.
  [[nodiscard]] Policy policy() noexcept FORKLORE_LOCKED { return {*header_, log_, index_, ghost_, reject_}; }

  // stripe_reclaim.cpp. Under the lock.
  enum class Reclaim : std::uint8_t { evict, compact };
  /// Makes room for an entry of this head in a log. no_larger: it takes the place of one of as many bytes or more.
  [[nodiscard]] bool make_room(Kind kind, const EntryHead& head, bool no_larger,
                               std::uint64_t now) noexcept FORKLORE_LOCKED;
  /// Where room may be had without evicting.
  struct Survey {
    std::uint32_t dead = kNoChunk;  ///< a chunk that is wholly dead
    std::uint32_t best = kNoChunk;  ///< the one with the most garbage
    std::uint32_t due = kNoChunk;   ///< one in which enough may have expired
    std::uint32_t free = 0;         ///< how many are free
    std::uint64_t garbage = 0;      ///< bytes, beside the open chunks
    bool rich = false;              ///< best is worth collecting
  };
  [[nodiscard]] Survey survey(std::uint64_t now) const noexcept FORKLORE_LOCKED;
  /// Calls visit(entry, word) for the entries of a chunk that may be live, of which place and head are set; word: its
  /// slot word if its value goes on here from the chunk before, else 0. Until visit answers false.
  enum class Walk : std::uint8_t { done, stopped, damaged };
  template <class Visit>
  Walk walk(std::uint32_t chunk, Visit visit) noexcept FORKLORE_LOCKED;
  /// Collects what has expired in a chunk, and sets when it is due again.
  void sweep(std::uint32_t chunk, std::uint64_t now) noexcept FORKLORE_LOCKED;
  /// An entry that is written anew when its chunk is reclaimed, rather than moved.
  struct Renewal {
    const HashedKey& key;
    const Decision& decision;
    const EntryHead& head;
    const Word* slot;
    bool done = false;
  };
  /// Takes every slot off a chunk and frees it; false if a live entry had to stay. moves: chunks that its entries may
  /// take; who needs more leaves, in a rejecting stripe stays.
  bool reclaim(std::uint32_t chunk, Reclaim how, std::uint32_t moves, std::uint64_t now,
               Renewal* renewal = nullptr) noexcept FORKLORE_LOCKED;
  /// The same if its entries are sure to find room in so many chunks, and the end of their log; else nothing, and
  /// false.
  bool reclaim_whole(std::uint32_t chunk, std::uint32_t moves, std::uint64_t now) noexcept FORKLORE_LOCKED;
  /// Whether an entry whose place and head are set is what a slot leads to (word, or one made from the place if 0);
  /// sets the rest.
  [[nodiscard]] bool locate_live(std::uint64_t word, Located& entry) const noexcept FORKLORE_LOCKED;
  /// moves: see reclaim(); less what it takes.
  bool relocate(const Located& entry, Reclaim how, std::uint32_t& moves, std::uint64_t now) noexcept FORKLORE_LOCKED;
  void evict(const Located& entry, Kind from) noexcept FORKLORE_LOCKED;

  // stripe_compact.cpp. Under the lock, in a rejecting stripe.
  /// How many chunks stay free, so that any live entry can be moved and an overwrite never fails. needed: chunks that
  /// an entry takes which comes.
  [[nodiscard]] std::uint32_t kept_to_move(std::uint32_t needed) const noexcept FORKLORE_LOCKED;
  /// The same, and some in which overwrites may work.
  [[nodiscard]] std::uint32_t kept_to_work(std::uint32_t needed) const noexcept FORKLORE_LOCKED;
  /// Moves the entries of a log in their order, from the oldest chunk on, until there is room for one of this head or
  /// all were moved. With a renewal until that is done too. Whether it is, or there is.
  bool compact_in_order(Kind kind, const EntryHead& head, Renewal* renewal, std::uint64_t now) noexcept FORKLORE_LOCKED;
  /// After a death: frees chunks that hold nothing but the rest of a value that nobody has.
  void free_orphans() noexcept FORKLORE_LOCKED;

  // Constant after construction. What a read needs of its stripe lies in the first line: the index, and where the
  // chunks are.
  Index index_;
  Log log_;
  StripeHeader* header_;
  Ghost ghost_;
  Leases leases_;
  std::uint32_t reserve_chunks_;
  bool reject_;

  bool writable_;  // atomic: forbid_writing() may come while another thread asks
};

}  // namespace forklore::store
