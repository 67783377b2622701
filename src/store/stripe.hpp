// stripe.hpp - An independent part of a segment: one lock, one index, three logs over its own chunks, one ghost.
//
// Reading takes no lock. A reader draws a verdict from an entry's bytes. The verdict counts only if the slot that led
// there is unchanged at a second look, behind an acquire fence.
//
// Writing has one way, update(): lock, find, let the caller decide, make room, append, publish, unlock. To publish is
// one store to the slot. Before it the old entry stands, after it the new one. So there is no journal, and nothing to
// undo.
//
// The holder of the stripe's lock may touch this stripe's memory and this object's private notes, and nothing else. It
// takes no second lock, calls no code of a user and never waits. It allocates nothing; only verify() does. What needs
// the lock is marked FORKLORE_LOCKED, what takes it or waits FORKLORE_UNLOCKED, what runs before anybody else has the
// stripe FORKLORE_ALONE. Clang checks the first two. If the last owner died, Guard calls recover() before anything
// else.
//
// An expired entry is treated as absent. Every comparison with the time goes through EntryHead::expired() or
// fresh_until(). docs/architecture.md lists the functions that ask them, and tests/docs_test.py holds the list.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/robust_lock.hpp"
#include "forklore/code.hpp"
#include "store/decision.hpp"
#include "store/geometry.hpp"
#include "store/ghost.hpp"
#include "store/index.hpp"
#include "store/layout.hpp"
#include "store/leases.hpp"
#include "store/log.hpp"
#include "store/policy.hpp"
#include "store/reading.hpp"

namespace forklore::store {

/// Sums over the stripe's chunks and slots.
struct StripeTotals {
  std::uint64_t entries = 0, slots = 0, live_bytes = 0, free_chunks = 0, index_chunks = 0, leases = 0;
};

class alignas(kCacheLine) Stripe {
 public:
  /// bytes: where the stripe begins in the mapping, which outlives this. writable: false on a read-only mapping.
  Stripe(std::byte* bytes, const Geometry& g, bool writable) noexcept;
  [[nodiscard]] bool writable() const noexcept { return __atomic_load_n(&writable_, __ATOMIC_RELAXED); }
  void forbid_writing() noexcept { __atomic_store_n(&writable_, false, __ATOMIC_RELAXED); }

  /// Lays out a new stripe in zeroed memory. tokens: the first token of a lease comes after this number.
  void create(std::uint64_t random, std::uint64_t tokens) noexcept FORKLORE_ALONE;
  /// Frees the lock and all leases, whoever held them, and recovers. Call it only when no other process is attached.
  void adopt() noexcept FORKLORE_ALONE;

  // Reading. now: ms since the segment's birth.

  /// Fetches the two buckets of a key into the processor's caches.
  void prefetch(std::uint64_t hash) const noexcept {
    const Index::Snapshot index = index_.snapshot();
    __builtin_prefetch(&index.first(hash));
    __builtin_prefetch(&index.second(hash));
  }
  /// Fetches the entries that slots of the key's fingerprint lead to. Call it after prefetch().
  void prefetch_entries(std::uint64_t hash) const noexcept;
  /// Reads an entry: ok, not_found or buffer_too_small.
  ///
  /// Once the size is known, memory(found) gives memory for the value, or nullptr to give up. It is called with no lock
  /// held, perhaps more than once, and may throw. memory itself is copied. NoValue{} reads all but the value.
  /// rereads grows by the rounds that had to begin again. After some of these the lock is taken. If it stays held for
  /// all of timeout, the answer is not_found.
  template <Age age = Age::fresh, class Memory>
  Code read(const HashedKey& key, std::uint64_t now, const Memory& memory, Reading& reading,
            std::chrono::milliseconds timeout, std::uint64_t& rereads) FORKLORE_UNLOCKED;
  /// What read() finds of an entry, and its frequency. Reads no value and raises no frequency.
  Code glance(const HashedKey& key, std::uint64_t now, Reading& reading, unsigned& frequency,
              std::chrono::milliseconds timeout) FORKLORE_UNLOCKED;
  /// The highest sequence of all chunks, plus 1. It never falls, so the places of a scan may be told by their distance
  /// from it. The header's next sequence will not do: it may be anything in a damaged stripe.
  [[nodiscard]] std::uint64_t sequence_end() const noexcept;
  /// Appends keys that begin with prefix, and moves the place on. Ends when there are enough keys, or the stripe is at
  /// its end. Any place may be given. A key that is there throughout comes at least once: entries move only to the end
  /// of their log, or to main, which comes later. Age::stale also finds failures and placeholders.
  void scan(ScanPosition& place, std::uint64_t now, std::string_view prefix, std::size_t enough,
            std::vector<std::string>& keys, Age age = Age::fresh) const;
  [[nodiscard]] StripeTotals totals() const noexcept;
  [[nodiscard]] const StripeHeader& header() const noexcept { return *header_; }

  // Writing.

  /// Changes the entry of a key as decide says. This is the one way in which anything changes. Answers the
  /// decision's code; full if there is no room; busy if the lock could not be had. If the value changes, the key's
  /// flight is voided. A new expiry is no change of the value.
  Code update(const HashedKey& key, std::uint64_t now, std::chrono::milliseconds timeout,
              const Decide& decide) noexcept FORKLORE_UNLOCKED;
  /// The same by the holder of the key's flight. The flight is given back unless the answer is busy. not_held:
  /// the flight was no longer held, and nothing was done.
  Code update_with(const LeaseId& lease, const HashedKey& key, std::uint64_t now, std::chrono::milliseconds timeout,
                   const Decide& decide) noexcept FORKLORE_UNLOCKED;
  /// Removes every entry and voids every flight. Locks stay held.
  Code clear(std::chrono::milliseconds timeout) noexcept FORKLORE_UNLOCKED;

  // Leases.

  /// Asks for a lease. If the key has a fresh value of another version, somebody has stored it since the caller looked:
  /// the answer is Grant::present. No placeholder is given while the key has an older value, whose place it would take.
  /// If failure is not null, a remembered failure is put there, and answered as Grant::failed.
  Grant acquire(const HashedKey& key, const LeaseWish& wish, std::uint64_t version, std::uint64_t now,
                std::chrono::milliseconds timeout, LeaseId& lease, Holders& holders,
                Failure* failure = nullptr) noexcept FORKLORE_UNLOCKED;
  /// Gives back the flight of a key that has an older value, and lets nobody refresh that value before the deadline:
  /// ok; not_held; busy.
  Code rest(const LeaseId& lease, const HashedKey& key, std::uint64_t now, std::uint64_t deadline,
            std::chrono::milliseconds timeout) noexcept FORKLORE_UNLOCKED;
  /// Gives a lease another deadline: ok, not_held or busy.
  Code extend(const LeaseId& lease, std::uint64_t now, std::uint64_t deadline,
              std::chrono::milliseconds timeout) noexcept FORKLORE_UNLOCKED;
  /// Whether the caller still holds the lease.
  bool holds(const LeaseId& lease, const HashedKey& key, std::uint64_t now,
             std::chrono::milliseconds timeout) noexcept FORKLORE_UNLOCKED;
  /// Gives a lease back. The caller owns it, or knows that its owner is dead. Only for a placeholder is the lock taken.
  /// False if the lease was no longer held, or the lock could not be had.
  bool give_back(const LeaseId& lease, const HashedKey& key,
                 std::chrono::milliseconds timeout) noexcept FORKLORE_UNLOCKED;
  /// Gives back, of these leases, those whose owners are dead, and flights of owners that were killed and have yet to
  /// end. Answers how many. key: the one that was asked for.
  std::uint32_t give_back_of_dead(const Holders& holders, std::string_view key,
                                  std::chrono::milliseconds timeout) noexcept FORKLORE_UNLOCKED;
  [[nodiscard]] Leases& leases() noexcept { return leases_; }

  /// Checks every invariant, and appends a sentence for each fault, which begins with where. For diagnosis only. It is
  /// the only function that allocates under the lock.
  Code verify(const std::string& where, std::chrono::milliseconds timeout,
              std::vector<std::string>& faults) FORKLORE_UNLOCKED;

 private:
  /// Takes the lock. If its last owner died, recovers the stripe first. held() says whether the lock could be had. Ask
  /// it before anything that needs the lock: clang sees to that.
  class FORKLORE_SCOPED_CAPABILITY Guard {
   public:
    Guard(Stripe& stripe, std::chrono::milliseconds timeout) noexcept FORKLORE_UNLOCKED : stripe_(stripe),
                                                                                          held_(take(stripe, timeout)) {
    }
    ~Guard() FORKLORE_RELEASE {
      if (held_) base::release_lock(stripe_.header_->lock);
    }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    [[nodiscard]] bool held() const noexcept FORKLORE_TRY_ACQUIRE { return held_; }

   private:
    // Not analysed: here the lock is a word, and clang does not know which.
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

  /// An entry, and the slot that leads to it.
  struct Located {
    Word* slot = nullptr;
    std::uint64_t word = 0;
    Location place;
    EntryHead head;
    std::uint64_t hash = 0;
  };
  /// The entry that stands for a flight without a line.
  struct Placeholder {
    Located entry;
    std::uint64_t word = 0;  ///< pack_lease(); 0: there is none
    std::uint64_t owner = 0;
  };
  enum class Attempt : std::uint8_t {
    hit,
    miss,
    declined,
    changed,  ///< what was read has changed meanwhile: begin again
    unusual,  ///< only from attempt_plain(): the entry is not plain, or has expired. attempt() decides
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
  /// The second look. A verdict on an entry counts only if its slot is unchanged, and no slot has moved.
  [[nodiscard]] bool unchanged(const Index::Snapshot& index, const Word& slot, std::uint64_t word) const noexcept;
  /// The second look where no slot was found.
  [[nodiscard]] bool unmoved(const Index::Snapshot& index) const noexcept;
  bool prefetch_from(const Bucket& bucket, std::uint64_t fingerprint) const noexcept;
  [[nodiscard]] std::uint32_t scan_from(ScanPosition& place) const noexcept;
  [[nodiscard]] bool scan_chunk(std::uint32_t chunk, ScanPosition& place, std::uint64_t now, std::string_view prefix,
                                std::size_t enough, std::vector<std::string>& keys, Age age) const;
  void raise_frequency(Word& slot, std::uint64_t word) const noexcept;
  [[nodiscard]] std::uint64_t version_of(std::uint64_t word, std::int64_t integer) const noexcept;
  [[nodiscard]] std::int64_t integer_at(Location place) const noexcept;

  // stripe_update.cpp
  /// The entry of a key, expired or not.
  [[nodiscard]] bool find(const HashedKey& key, Located& found) const noexcept FORKLORE_LOCKED;
  [[nodiscard]] bool find_any(const HashedKey& key, Located& found) const noexcept FORKLORE_LOCKED;
  /// What a decision is shown of a key. An expired or stale entry is shown as absent; found has it all the same.
  [[nodiscard]] Present look(const HashedKey& key, std::uint64_t now, Located& found) const noexcept FORKLORE_LOCKED;
  /// What a write is going to do. It holds until anything in the stripe changes.
  struct Plan {
    const Located& old;  ///< the key's entry, expired or not
    const Decision& decision;
    EntryHead head = {};    ///< of the entry that is stored
    Kind log = {};          ///< where that goes
    Location end = {};      ///< where that log ends
    bool fits = true;       ///< the entry needs no further chunk
    bool in_order = false;  ///< it is written while the log is compacted in its order
  };
  struct Outcome {
    Code code = Code::ok;
    bool voided = false;  ///< flights of the key: wake() is due
  };
  /// Plans, makes room, applies. lease: the writer's own flight, or nullptr.
  Outcome change(const HashedKey& key, std::uint64_t now, const Decide& decide,
                 const LeaseId* lease) noexcept FORKLORE_LOCKED;
  Outcome change_with_room(const HashedKey& key, std::uint64_t now, const Decide& decide, const LeaseId* lease,
                           Kind log, EntryHead head, bool renews) noexcept FORKLORE_LOCKED;
  /// Finds the key's entry, and the decision on it. asked keeps the decision if it depends on the entry.
  const Decision& ask(const HashedKey& key, std::uint64_t now, const Decide& decide, Located& old,
                      std::optional<Decision>& asked) const noexcept FORKLORE_LOCKED;
  /// log: the log to use, or none to let make_plan() choose.
  Plan make_plan(const HashedKey& key, std::uint64_t now, const Located& old, const Decision& decision,
                 std::optional<Kind> log) noexcept FORKLORE_LOCKED;
  /// Whether an entry of this head would overwrite one of as many bytes or more, in a stripe that rejects. Such a write
  /// never fails (stripe_compact.cpp).
  [[nodiscard]] bool is_renewal(const Located& old, const EntryHead& head) const noexcept FORKLORE_LOCKED;
  Outcome apply(const HashedKey& key, std::uint64_t now, const Plan& plan,
                const LeaseId* lease) noexcept FORKLORE_LOCKED;
  /// A slot for a new entry: an empty one, an expired entry's, or the coldest. nullptr if all are live and the stripe
  /// rejects.
  [[nodiscard]] Word* choose_slot(const HashedKey& key, std::uint64_t now) noexcept FORKLORE_LOCKED;
  /// The log for an entry of a key; old: the one that it replaces.
  [[nodiscard]] Kind choose_log(const HashedKey& key, const Located& old, std::size_t bytes) noexcept FORKLORE_LOCKED;
  /// Does what the decision wants, unless that is to store.
  void carry_out(const Located& old, const Decision& decision) noexcept FORKLORE_LOCKED;
  template <class Append, class Forget>
  void supersede(Word& slot, const HashedKey& key, Location end, Append append, Forget forget) noexcept FORKLORE_LOCKED;
  bool overwrite_plain(const HashedKey& key, const Decision& decision) noexcept FORKLORE_LOCKED;
  /// Writes an entry to a log that ends at end, and answers its slot word.
  std::uint64_t append(Kind kind, Location end, const HashedKey& key, const Decision& decision,
                       const EntryHead& head) noexcept FORKLORE_LOCKED;
  Code store(const HashedKey& key, const Plan& plan, std::uint64_t now) noexcept FORKLORE_LOCKED;
  Code renew_in_order(const HashedKey& key, std::uint64_t now, const Plan& plan) noexcept FORKLORE_LOCKED;
  /// Overwrites an entry while its chunk is reclaimed. False if there is no room.
  struct Renewal;
  bool renew(const Located& entry, Renewal& renewal) noexcept FORKLORE_LOCKED;
  /// Counts an entry out whose slot another entry took.
  void drop(std::uint64_t word, std::uint64_t now) noexcept FORKLORE_LOCKED;
  void publish(Word& slot, std::uint64_t word) noexcept FORKLORE_LOCKED {
    // The commit. Partner: the acquire loads in attempt() and attempt_plain().
    slot.store(word, std::memory_order_release);
  }
  void remove(const Located& entry) noexcept FORKLORE_LOCKED;

  // stripe_recover.cpp
  /// Puts the stripe in order after an owner's death. The next owner calls it.
  void recover() noexcept FORKLORE_LOCKED;
  /// Frees the chunks that a death left with nothing but the tail of a value to which no slot leads.
  void free_orphans() noexcept FORKLORE_LOCKED;
  /// The answer to damage: empties the stripe.
  void reset() noexcept FORKLORE_LOCKED;
  void empty() noexcept FORKLORE_LOCKED;

  // stripe_leases.cpp
  /// The placeholder under a key, whoever owns it.
  [[nodiscard]] Placeholder find_placeholder(const HashedKey& key) const noexcept FORKLORE_LOCKED;
  /// Makes a placeholder. False if there is no room.
  bool make_placeholder(const HashedKey& key, const LeaseWish& wish, std::uint64_t now,
                        LeaseId& lease) noexcept FORKLORE_LOCKED;
  /// Whether an entry is a failure that still counts, and what it says.
  [[nodiscard]] bool recall(const Located& entry, std::uint64_t now, Failure& failure) const noexcept FORKLORE_LOCKED;
  /// Gives a lease back. Then wake() is due.
  bool leave(const LeaseId& lease, const HashedKey& key) noexcept FORKLORE_LOCKED;

  // stripe_index.cpp
  /// Lets the index grow or shrink towards its due size. The work is in proportion to the bytes of a new entry.
  void tend_index(std::size_t bytes, std::uint64_t now) noexcept FORKLORE_LOCKED;
  bool grow_index(std::uint64_t now) noexcept FORKLORE_LOCKED;
  bool shrink_index() noexcept FORKLORE_LOCKED;
  [[nodiscard]] bool index_reaches(std::uint32_t bucket) const noexcept;
  [[nodiscard]] bool extend_index(std::uint64_t now) noexcept FORKLORE_LOCKED;
  /// Empties a slot of a full bucket: moves it to the other bucket of its key. If that one is full, does the same there
  /// first, as often as further says. nullptr if no slot can be moved.
  Word* displace(const Index::Snapshot& index, const Bucket& bucket, unsigned further) noexcept FORKLORE_LOCKED;
  void move_slot(const Index::Snapshot& index, Word& from, Word& to) noexcept FORKLORE_LOCKED;
  void begin_move(std::uint32_t from, std::uint32_t to) noexcept FORKLORE_LOCKED;
  void end_move() noexcept FORKLORE_LOCKED;
  /// Finishes a move that a death cut short: clears the slot that stands twice.
  void settle() noexcept FORKLORE_LOCKED;
  /// The hash of the key that a slot leads to. False if it leads nowhere, which is damage.
  [[nodiscard]] bool hash_of(std::uint64_t word, std::uint64_t& hash) const noexcept FORKLORE_LOCKED;
  [[nodiscard]] std::uint64_t count_slots() const noexcept FORKLORE_LOCKED;

  [[nodiscard]] Policy policy() noexcept FORKLORE_LOCKED { return {*header_, log_, index_, ghost_, reject_}; }

  // stripe_reclaim.cpp
  enum class Reclaim : std::uint8_t { evict, compact };
  /// Makes room for an entry of this head in a log. no_larger: the entry overwrites one of as many bytes or more.
  [[nodiscard]] bool make_room(Kind kind, const EntryHead& head, bool no_larger,
                               std::uint64_t now) noexcept FORKLORE_LOCKED;
  /// Where room may be had without evicting.
  struct Survey {
    std::uint32_t dead = kNoChunk;  ///< a chunk that is wholly dead
    std::uint32_t best = kNoChunk;  ///< the one with the most garbage
    std::uint32_t due = kNoChunk;   ///< one in which enough may have expired
    std::uint32_t free = 0;         ///< how many are free
    std::uint64_t garbage = 0;      ///< bytes, outside the open chunks
    bool rich = false;              ///< best is worth collecting
  };
  [[nodiscard]] Survey survey(std::uint64_t now) const noexcept FORKLORE_LOCKED;
  /// Calls visit(entry, word) for each entry of a chunk that may be live, until visit answers false. The entry's place
  /// and head are set. word: the slot word of the straddler, else 0.
  enum class Walk : std::uint8_t { done, stopped, damaged };
  template <class Visit>
  Walk walk(std::uint32_t chunk, Visit visit) noexcept FORKLORE_LOCKED;
  /// Removes what has expired in a chunk, and sets when the chunk is due again.
  void sweep(std::uint32_t chunk, std::uint64_t now) noexcept FORKLORE_LOCKED;
  /// An entry that is overwritten when its chunk is reclaimed, rather than moved.
  struct Renewal {
    const HashedKey& key;
    const Decision& decision;
    const EntryHead& head;
    const Word* slot;
    bool done = false;
  };
  /// Takes every slot off a chunk, and frees the chunk. False if a live entry had to stay. budget: how many chunks the
  /// moved entries may take. An entry that needs more is evicted; in a stripe that rejects it stays.
  bool reclaim(std::uint32_t chunk, Reclaim how, std::uint32_t budget, std::uint64_t now,
               Renewal* renewal = nullptr) noexcept FORKLORE_LOCKED;
  /// The same, if its entries surely fit in the budget and the end of their log. Otherwise does nothing: false.
  bool reclaim_whole(std::uint32_t chunk, std::uint32_t budget, std::uint64_t now) noexcept FORKLORE_LOCKED;
  /// Whether a slot leads to this entry, whose place and head are set. Fills in slot, word and hash. word: the slot
  /// word, or 0 to derive it from the place.
  [[nodiscard]] bool locate_live(std::uint64_t word, Located& entry) const noexcept FORKLORE_LOCKED;
  /// Moves or evicts an entry. budget: see reclaim(). It falls by the chunks that the entry takes.
  bool relocate(const Located& entry, Reclaim how, std::uint32_t& budget, std::uint64_t now) noexcept FORKLORE_LOCKED;
  void evict(const Located& entry, Kind from) noexcept FORKLORE_LOCKED;

  // stripe_compact.cpp. Of a stripe that rejects.
  /// How many chunks stay free, so that each live entry can be moved and an overwrite never fails. needed: how many
  /// chunks a coming entry takes.
  [[nodiscard]] std::uint32_t kept_to_move(std::uint32_t needed) const noexcept FORKLORE_LOCKED;
  /// The same, and some more for overwrites to work in.
  [[nodiscard]] std::uint32_t kept_to_work(std::uint32_t needed) const noexcept FORKLORE_LOCKED;
  /// Moves the entries of a log in their order, from the oldest chunk on, until there is room for an entry of this
  /// head, or all were moved. True if there is room, or the renewal is done.
  bool compact_in_order(Kind kind, const EntryHead& head, Renewal* renewal, std::uint64_t now) noexcept FORKLORE_LOCKED;

  // Constant once made, but for private notes. What a read needs comes first, in one cache line: the index, and where
  // the chunks lie.
  Index index_;
  Log log_;
  StripeHeader* header_;
  Ghost ghost_;
  Leases leases_;
  std::uint32_t reserve_chunks_;
  bool reject_;

  bool writable_;  // read and written as an atomic: forbid_writing() may come while another thread asks
};

}  // namespace forklore::store
