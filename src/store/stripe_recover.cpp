// The beginnings of a stripe: new, adopted, emptied, and in order again after a death.
//
// recover() runs while readers read. So it stores nothing that they follow (protocol 3). It may itself be killed at any
// instruction; then the next locker runs it again.
#include "base/test_fault.hpp"
#include "store/stripe.hpp"

namespace forklore::store {

Stripe::Stripe(std::byte* bytes, const Geometry& g, bool writable) noexcept
    : index_(bytes, g),
      log_(bytes, g),
      header_(reinterpret_cast<StripeHeader*>(bytes)),
      ghost_(bytes, g),
      leases_(bytes, g),
      reserve_chunks_(g.reserve_chunks),
      reject_(g.shape.reject),
      writable_(writable) {}

void Stripe::create(std::uint64_t random, std::uint64_t tokens) noexcept {
  log_.create(random);
  header_->tokens.store(tokens, std::memory_order_relaxed);
  index_.set_size(index_.least());
}

void Stripe::adopt() noexcept {
  header_->lock.store(0, std::memory_order_relaxed);
  leases_.disown();
  recover();
}

void Stripe::recover() noexcept {
  if (base::broken("recovery-left-out")) return;
  count(header_->recoveries);
  const std::uint32_t buckets = index_.snapshot().size();
  if (!log_.derive() || !index_reaches(buckets - 1)) return reset();
  settle();
  free_orphans();
  header_->slots_used.store(count_slots(), std::memory_order_relaxed);
  leases_.recover();
}

void Stripe::reset() noexcept {
  count(header_->resets);
  leases_.recover();
  leases_.void_all_flights();
  empty();
}

void Stripe::free_orphans() noexcept {
  bool freed = false;
  for (std::uint32_t chunk = 0; chunk < log_.size(); ++chunk) {
    if (!log_.in_log(chunk) || log_.straddler(chunk) == 0 || log_.first(chunk) < log_.used(chunk)) continue;
    const std::uint64_t word = log_.straddler(chunk);
    Located entry;
    const bool live = log_.locate(word, entry.place) && log_.is_entry_place(entry.place, word) &&
                      log_.read_head(entry.place, entry.head) && locate_live(word, entry);
    if (live && !base::broken("orphans-unlooked")) continue;
    log_.free_chunk(chunk);
    freed = true;
  }
  if (freed) static_cast<void>(log_.derive());
}

Code Stripe::clear(std::chrono::milliseconds timeout) noexcept {
  Guard guard(*this, timeout);
  if (!guard.held()) return Code::busy;
  leases_.recover();
  leases_.void_all_flights();
  empty();
  return Code::ok;
}

void Stripe::empty() noexcept {
  const Index::Snapshot index = index_.snapshot();
  for (std::uint32_t bucket = 0; bucket < index.size(); ++bucket) {
    for (Word& slot : index.bucket(bucket).slot) {
      if (slot.load(std::memory_order_relaxed) != 0) publish(slot, 0);
    }
  }
  header_->slots_used.store(0, std::memory_order_relaxed);
  index_.set_size(index_.least());
  end_move();
  log_.free_all();
}

}  // namespace forklore::store
