// leases.hpp - A stripe's table of leases: who computes which value, and who holds which lock. The first lines are for
// flights, which are computations, the others for locks. Neither kind takes a line of the other.
//
// Where no line is left for a flight, an entry under its key stands for it: a placeholder. Whatever writes or erases
// the key changes that slot, and so removes the placeholder by the same store. A placeholder is looked at, taken and
// given back with the lock held (stripe_leases.cpp). Making room may evict it. Then its value is not stored, and the
// next caller computes.
//
// A lease is taken with the stripe's lock held, and given back without it. A caller that finds a lease held looks, with
// no lock held, whether its owner lives. If the owner is dead, the finder gives the lease back in the owner's place. It
// names the lease by its token, so a lease that was taken meanwhile is not touched. From a living owner nothing is
// taken, unless the owner set a deadline and that has passed.
//
// A flight whose computation failed may rest. Nobody holds it then, and until its deadline no caller that has an older
// value gets it. It gives way to any flight that finds no free line.
//
// Waiters sleep on an event count, a word of the table. Names share it by their hash. A waiter reads it before it sees
// the lease held, and each give-back adds to it. So a waiter that sleeps on the value it read misses nothing. A wake
// may be lost with a death; so a waiter looks again after a while.
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

/// Names a lease within its stripe. word 0: no lease.
struct LeaseId {
  std::uint32_t line = 0;  ///< kNoLine: it is a placeholder
  std::uint64_t word = 0;  ///< pack_lease()

  [[nodiscard]] bool has_line() const noexcept { return line != kNoLine; }
};

/// A lease that somebody asks for.
struct LeaseWish {
  LeaseKind kind = LeaseKind::flight;
  std::uint64_t hash = 0;
  std::uint32_t limit = 1;          ///< how many may hold one of this name at once
  std::uint64_t owner = 0;          ///< base::own_process()
  std::uint64_t deadline = kNever;  ///< ms since birth. From then on others may have it, also while its owner lives
  bool or_placeholder = false;      ///< of a flight: a placeholder will do if there is no line
  bool despite_rest = false;        ///< take the flight even if it is resting
};

inline constexpr std::uint64_t kNobody = 0;  // the owner of a flight that rests

/// A lease that is held, and the process that holds it.
struct Holder {
  LeaseId lease;
  std::uint64_t hash;
  std::uint64_t owner;
};

/// The leases in the way of a wish: those of the name or, if the table is full, all of that kind.
struct Holders {
  std::uint32_t events = 0;  ///< the event count to wait on, read before the leases were
  std::uint32_t count = 0;
  std::array<Holder, std::max(kMaxFlights, kMaxLocks)> held;
};

/// What is remembered of a computation that failed.
struct Failure {
  std::size_t size = 0;
  std::array<char, kMaxFailure> bytes;
};

/// A held lock, for a caller that only looks. Times are in ms since birth.
struct SeenLock {
  LeaseId lease;
  std::uint64_t hash = 0;
  std::uint64_t owner = 0;
  std::uint64_t begun = 0;
  std::uint64_t deadline = kNever;
};

/// The answer to a caller that asks for a lease.
enum class Grant : std::uint8_t {
  granted,
  held,     ///< by those that holders names
  full,     ///< there is no line left, nor room for a placeholder; holders names all that have lines of the kind
  present,  ///< of a flight: there is a value by now. Only from Stripe::acquire()
  failed,   ///< of a flight: there is no value, and a failure is remembered. Only from Stripe::acquire()
  busy,     ///< the stripe's lock could not be had. Only from Stripe::acquire()
};

class Leases {
 public:
  Leases(std::byte* stripe, const Geometry& g) noexcept
      : header_(reinterpret_cast<StripeHeader*>(stripe)),
        words_(reinterpret_cast<Word*>(stripe + g.leases_at)),
        hashes_(words_ + g.leases),
        owners_(hashes_ + g.leases),
        deadlines_(owners_ + g.leases),
        begun_(reinterpret_cast<HalfWord*>(deadlines_ + g.leases)),
        events_(begun_ + g.leases),
        count_(g.leases),
        flights_(g.flights),
        events_mask_(std::bit_floor(g.leases) - 1) {}

  [[nodiscard]] std::uint32_t size() const noexcept { return count_; }
  /// For which kind of lease a line is.
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

  // These need no lock.

  /// Whether a lease is still held.
  [[nodiscard]] bool holds(const LeaseId& lease) const noexcept {
    return is_held(lease.word) && lease.line < count_ &&
           words_[lease.line].load(std::memory_order_acquire) == lease.word;
  }
  /// The same, and its deadline has not passed.
  [[nodiscard]] bool holds(const LeaseId& lease, std::uint64_t now) const noexcept {
    if (!holds(lease)) return false;
    const std::uint64_t deadline = deadlines_[lease.line].load(std::memory_order_acquire);
    return now < deadline && holds(lease);  // still held, so the deadline was its own
  }
  /// Whether the flight of a name is held, and by which process, or rests. One whose deadline has passed does not
  /// count. For callers that have an older value: they need not wait for the lock.
  [[nodiscard]] bool find_flight(std::uint64_t hash, std::uint64_t now, Holders& holders) const noexcept;
  /// The holders of a name's locks, without those whose deadlines have passed.
  void find_locks(std::uint64_t hash, std::uint64_t now, Holders& holders) const noexcept;
  /// The lock in a line whose deadline has not passed. False if there is none.
  [[nodiscard]] bool see_lock(std::uint32_t line, std::uint64_t now, SeenLock& seen) const noexcept;
  /// The lines for locks are from here on.
  [[nodiscard]] std::uint32_t first_lock() const noexcept { return flights_; }
  /// Gives a lease back if it is still held. Then wake() is due. The caller owns it, or knows that its owner is dead. A
  /// flight may also be taken from an owner that SIGKILL is on its way to. break_lock() may also give back a living
  /// owner's lock.
  /// Release; partner: the acquire in acquire().
  bool give_back(const LeaseId& lease, std::uint64_t hash) noexcept;
  /// Wakes callers that wait for a name: all that wait for a flight, one that waits for a lock.
  void wake(std::uint64_t hash, LeaseKind kind) noexcept;
  /// Counts a call that waits, once, however often it sleeps.
  void count_wait() noexcept { header_->waits.fetch_add(1, std::memory_order_relaxed); }
  /// The event count of a name. Read it before the lease. Acquire; partner: the release in count_event().
  [[nodiscard]] std::uint32_t events(std::uint64_t hash, LeaseKind kind) const noexcept {
    return events_of(name(hash, kind)).load(std::memory_order_acquire);
  }
  /// Sleeps while the event count is what was read, or for at_most.
  void wait(std::uint64_t hash, LeaseKind kind, std::uint32_t events, std::chrono::nanoseconds at_most) noexcept;

  // These need the lock.

  /// Gives a lease if fewer than limit hold the name. Otherwise holders names the leases in the way. now: ms since
  /// birth.
  [[nodiscard]] Grant acquire(const LeaseWish& wish, std::uint64_t now, LeaseId& lease,
                              Holders& holders) noexcept FORKLORE_LOCKED;
  /// The word of a new lease, with the next token. Counts the lease.
  [[nodiscard]] std::uint64_t next_word(LeaseKind kind) noexcept FORKLORE_LOCKED;
  /// To be called when a placeholder is gone, or has become a value. Then wake() is due.
  void placeholder_gone(std::uint64_t hash) noexcept FORKLORE_LOCKED { count_event(name(hash, LeaseKind::flight)); }
  /// Gives a lease another deadline. False if it is no longer held, or its deadline has passed.
  [[nodiscard]] bool extend(const LeaseId& lease, std::uint64_t now, std::uint64_t deadline) noexcept FORKLORE_LOCKED;
  /// Makes a flight rest until a deadline: it is given back, and taken by nobody. False if it is no longer held. Then
  /// wake() is due.
  [[nodiscard]] bool rest(const LeaseId& lease, std::uint64_t hash, std::uint64_t now,
                          std::uint64_t deadline) noexcept FORKLORE_LOCKED;
  /// Whether anybody may hold a flight. If not, a write looks no further.
  [[nodiscard]] bool any_flight() const noexcept FORKLORE_LOCKED {
    return header_->flights.load(std::memory_order_relaxed) != 0;
  }
  /// Voids the flights of a name, whose value changes. True if there were any: then wake() is due.
  [[nodiscard]] bool void_flights(std::uint64_t hash) noexcept FORKLORE_LOCKED;
  /// Voids the flights of all names. Their waiters find out after a while.
  void void_all_flights() noexcept FORKLORE_LOCKED;
  /// Makes a sound table of any bytes. What is held stays held.
  void recover() noexcept FORKLORE_LOCKED;
  /// Frees all leases. Call it only when no other process is attached.
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
  /// Adds to the event count of a name. Release; partner: the acquire in events().
  void count_event(std::uint64_t name) noexcept { events_of(name).fetch_add(1, std::memory_order_release); }
  void free(std::uint32_t line, std::uint64_t word) noexcept FORKLORE_LOCKED;

  StripeHeader* header_;
  Word* words_;
  Word* hashes_;
  Word* owners_;
  Word* deadlines_;
  HalfWord* begun_;  // when the lease was taken, in units of kLeaseTick since birth
  HalfWord* events_;
  std::uint32_t count_;
  std::uint32_t flights_;  // of these
  std::uint32_t events_mask_;
};

}  // namespace forklore::store
