// leases.hpp - A stripe's table of leases: who computes which value, and who holds which lock. Its first lines are for
// computations, the others for locks: neither takes the other's.
//
// Where no line is left for a computation, an entry under its key stands for it: a placeholder. Whatever writes to the
// key or erases it removes that by the very store that changes the slot, so it is a lease that is void with the write.
// It is looked at, taken and given back under the lock alone (stripe_leases.cpp). Making room may evict it; then its
// value is not stored, and the next caller computes.
//
// A lease is taken under the stripe lock and given back without it. Whoever finds it held looks, outside the lock,
// whether its owner still lives, and may then give it back in the owner's place: it names the very lease by its token,
// so what was taken meanwhile is never touched. Nothing is taken from a living owner, but what the owner itself has
// set a deadline to.
//
// A flight whose computation failed may rest: nobody has it, and until its deadline nobody gets it that has an older
// value. It gives way to any flight that finds no free line.
//
// Waiting is on a word of the table that a name shares with others of its hash's remainder. It is read before the lease
// is seen held, and changes after every give-back, so that who sleeps on the value read has missed no change. The wake
// itself may be lost with a death; who waits looks again after a while.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdint>

#include "base/hash.hpp"
#include "base/waiting.hpp"
#include "store/geometry.hpp"
#include "store/layout.hpp"

namespace forklore::store {

/// A lease as its holder keeps it: none if word is 0.
struct LeaseId {
  std::uint32_t line = 0;  ///< kNoLine: a placeholder keeps it
  std::uint64_t word = 0;  ///< pack_lease()

  [[nodiscard]] bool has_line() const noexcept { return line != kNoLine; }
};

/// What somebody wants a lease for.
struct LeaseWish {
  LeaseKind kind = LeaseKind::flight;
  std::uint64_t hash = 0;
  std::uint32_t limit = 1;          ///< how many may hold one of this name at once
  std::uint64_t owner = 0;          ///< base::own_process()
  std::uint64_t deadline = kNever;  ///< ms since birth; from then on others may have it though its owner lives
  bool or_placeholder = false;      ///< of a flight: where there is no line
  bool despite_rest = false;        ///< of a flight: also if it rests
};

inline constexpr std::uint64_t kNobody = 0;  // the owner of a flight that rests

/// Who is in the way of a wish: those that hold the name, or, where the table is full, all of that kind.
struct Holders {
  struct Held {
    LeaseId lease;
    std::uint64_t hash;
    std::uint64_t owner;
  };
  std::uint32_t events = 0;  ///< of the word to wait on, as it was before they were looked at
  std::uint32_t count = 0;
  std::array<Held, std::max(kMaxFlights, kMaxLocks)> held;
};

/// What is remembered of a computation that failed.
struct Failure {
  std::size_t size = 0;
  std::array<char, kMaxFailure> bytes;
};

/// A lock that is held, as who merely looks sees it. Times are in ms since birth.
struct SeenLock {
  LeaseId lease;
  std::uint64_t hash = 0;
  std::uint64_t owner = 0;
  std::uint64_t begun = 0;
  std::uint64_t deadline = kNever;
};

/// What is answered to who asks for a lease.
enum class Grant : std::uint8_t {
  granted,
  held,     ///< by those that holders names
  full,     ///< there is no line left, nor room for a placeholder; holders names all that have lines of the kind
  present,  ///< of a flight: there is a value by now. Of Stripe::acquire() alone
  failed,   ///< of a flight: there is none, and the last computation failed lately. Of Stripe::acquire() alone
  busy,     ///< the stripe's lock could not be had. Of Stripe::acquire() alone
};

class Leases {
 public:
  Leases(std::byte* stripe, const Geometry& g) noexcept
      : header_(reinterpret_cast<StripeHeader*>(stripe)),
        words_(reinterpret_cast<Word*>(stripe + g.leases_at)),
        hashes_(words_ + g.leases),
        owners_(hashes_ + g.leases),
        deadlines_(owners_ + g.leases),
        begun_(deadlines_ + g.leases),
        events_(reinterpret_cast<HalfWord*>(begun_ + g.leases)),
        count_(g.leases),
        flights_(g.flights),
        events_mask_(std::bit_floor(g.leases) - 1) {}

  [[nodiscard]] std::uint32_t size() const noexcept { return count_; }
  /// Of the leases that a line is for.
  [[nodiscard]] LeaseKind kind_of(std::uint32_t line) const noexcept {
    return line < flights_ ? LeaseKind::flight : LeaseKind::lock;
  }
  [[nodiscard]] std::uint64_t word(std::uint32_t line) const noexcept {
    return words_[line].load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t hash(std::uint32_t line) const noexcept {
    return hashes_[line].load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t owner(std::uint32_t line) const noexcept {
    return owners_[line].load(std::memory_order_relaxed);
  }

  // By anybody, with no lock held.

  /// Whether it is still held, and its holder's to use.
  [[nodiscard]] bool holds(const LeaseId& lease) const noexcept {
    return is_held(lease.word) && lease.line < count_ &&
           words_[lease.line].load(std::memory_order_acquire) == lease.word;
  }
  /// The same, and its deadline has not passed.
  [[nodiscard]] bool holds(const LeaseId& lease, std::uint64_t now) const noexcept {
    if (!holds(lease)) return false;
    const std::uint64_t deadline = deadlines_[lease.line].load(std::memory_order_acquire);
    return now < deadline && holds(lease);  // still its own: so was the deadline
  }
  /// Whether somebody computes the value of a name and may do so yet, and who; or whether its flight rests. Asked by
  /// those that have an older value, so that they need not wait for the lock.
  [[nodiscard]] bool find_flight(std::uint64_t hash, std::uint64_t now, Holders& holders) const noexcept;
  /// Who holds the locks of a name whose deadlines have not passed.
  void find_locks(std::uint64_t hash, std::uint64_t now, Holders& holders) const noexcept;
  /// The lock in a line whose deadline has not passed. False if there is none.
  [[nodiscard]] bool see_lock(std::uint32_t line, std::uint64_t now, SeenLock& seen) const noexcept;
  /// The lines for locks are from here on.
  [[nodiscard]] std::uint32_t first_lock() const noexcept { return flights_; }
  /// Gives a lease back, if it is still held. By its owner, or by who knows that its owner is dead, of a flight also
  /// killed; a lock also by who has been told to break it. wake() is due then.
  /// Release; partner: the acquire in acquire().
  bool give_back(const LeaseId& lease, std::uint64_t hash) noexcept;
  /// Lets those that wait for a name look again: all that wait for a flight, one that waits for a lock.
  void wake(std::uint64_t hash, LeaseKind kind) noexcept;
  /// Counts a call that is going to wait, however often it sleeps.
  void count_wait() noexcept { header_->waits.fetch_add(1, std::memory_order_relaxed); }
  /// What to wait on for a name, read before its lease is looked at.
  /// Acquire; partner: the release in count_event().
  [[nodiscard]] std::uint32_t events(std::uint64_t hash, LeaseKind kind) const noexcept {
    return events_of(name(hash, kind)).load(std::memory_order_acquire);
  }
  /// Sleeps until a lease of the name may have been given back since events was read, or for at_most.
  void wait(std::uint64_t hash, LeaseKind kind, std::uint32_t events, std::chrono::nanoseconds at_most) noexcept;

  // Under the lock.

  /// Gives a lease of a name that fewer than limit hold; else says who is in the way. now: ms since birth.
  [[nodiscard]] Grant acquire(const LeaseWish& wish, std::uint64_t now, LeaseId& lease,
                              Holders& holders) noexcept FORKLORE_LOCKED;
  /// The next token, for a lease of that kind, which is counted.
  [[nodiscard]] std::uint64_t next_word(LeaseKind kind) noexcept FORKLORE_LOCKED;
  /// A placeholder of a name is gone, or has become a value: wake() is due.
  void placeholder_gone(std::uint64_t hash) noexcept { count_event(name(hash, LeaseKind::flight)); }
  /// Gives it another deadline. False if it is no longer held or its deadline has passed.
  [[nodiscard]] bool extend(const LeaseId& lease, std::uint64_t now, std::uint64_t deadline) noexcept FORKLORE_LOCKED;
  /// Makes a flight rest until a deadline: it is given back, and taken by nobody. False if it is no longer held. wake()
  /// is due then.
  [[nodiscard]] bool rest(const LeaseId& lease, std::uint64_t hash, std::uint64_t now,
                          std::uint64_t deadline) noexcept FORKLORE_LOCKED;
  /// Whether anybody may be computing: a write looks no further if not.
  [[nodiscard]] bool any_flight() const noexcept FORKLORE_LOCKED {
    return header_->flights.load(std::memory_order_relaxed) != 0;
  }
  /// Takes the flights of a name from whoever has them, as its value changes. True if there were any: wake() is due.
  [[nodiscard]] bool void_flights(std::uint64_t hash) noexcept FORKLORE_LOCKED;
  /// The flights of all names. Those that wait find out after a while.
  void void_all_flights() noexcept FORKLORE_LOCKED;
  /// Makes of any bytes a sound table, in which what is held stays held.
  void recover() noexcept FORKLORE_LOCKED;
  /// Frees all. Only when no other process is attached.
  void disown() noexcept FORKLORE_ALONE;

 private:
  static std::uint64_t name(std::uint64_t hash, LeaseKind kind) noexcept {
    return base::mix(hash + static_cast<std::uint64_t>(kind));
  }
  struct Lines {
    std::uint32_t begin, end;
  };
  [[nodiscard]] Lines lines_of(LeaseKind kind) const noexcept {
    return kind == LeaseKind::lock ? Lines{flights_, count_} : Lines{0, flights_};
  }
  [[nodiscard]] HalfWord& events_of(std::uint64_t name) const noexcept { return events_[name & events_mask_]; }
  static std::uint32_t bit_of(std::uint64_t name) noexcept { return std::uint32_t{1} << (name >> 59); }
  /// Changes what those sleep on that wait for a name. Release; partner: the acquire in acquire().
  void count_event(std::uint64_t name) noexcept { events_of(name).fetch_add(1, std::memory_order_release); }
  void free(std::uint32_t line, std::uint64_t word) noexcept FORKLORE_LOCKED;

  StripeHeader* header_;
  Word* words_;
  Word* hashes_;
  Word* owners_;
  Word* deadlines_;
  Word* begun_;  // when it was taken, in ms since birth
  HalfWord* events_;
  std::uint32_t count_;
  std::uint32_t flights_;  // of these
  std::uint32_t events_mask_;
};

}  // namespace forklore::store
