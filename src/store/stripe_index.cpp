// Keeps the index in step with the entries. It grows and shrinks by a bucket at a time (linear hashing: Litwin, VLDB
// 1980). A key whose two buckets are full gets a slot by one or two steps of cuckoo hashing (Pagh, Rodler, ESA 2001).
// So buckets may be filled well.
//
// A slot moves in one way (protocol 13): note the two buckets, store the slot in its new place, change the index word,
// a release fence, clear the old place. Between any two of these steps a reader finds the slot, or finds the word
// changed. A death leaves the slot in both places at most, and settle() clears one.
#include "base/test_fault.hpp"
#include "store/stripe_read.hpp"

namespace forklore::store {
namespace {

// Entries in two buckets, which hold 16. From the first number on the index grows, below the second it shrinks.
constexpr std::uint64_t kCrowded = 13;
constexpr std::uint64_t kSparse = 11;
constexpr std::size_t kBytesPerStep = 128;  // a new entry allows a step of growth for each so many of its bytes

}  // namespace

void Stripe::tend_index(std::size_t bytes, std::uint64_t now) noexcept {
  for (std::size_t steps = 1 + bytes / kBytesPerStep; steps > 0; --steps) {
    const std::uint64_t used = 2 * header_->slots_used.load(std::memory_order_relaxed);
    const std::uint64_t buckets = index_.snapshot().size();
    if (used >= kCrowded * buckets) {
      if (!grow_index(now)) return;
    } else if (used >= kSparse * buckets || !shrink_index()) {
      return;
    }
  }
}

bool Stripe::hash_of(std::uint64_t word, std::uint64_t& hash) const noexcept {
  Location place;
  EntryHead head;
  if (!log_.locate(word, place) || !log_.read_head(place, head)) return false;
  hash = log_.key_hash(place, head);
  return true;
}

void Stripe::begin_move(std::uint32_t from, std::uint32_t to) noexcept {
  header_->moving.store(std::uint64_t{from + 1} << 32 | (to + 1), std::memory_order_release);
}

void Stripe::end_move() noexcept { header_->moving.store(0, std::memory_order_release); }

void Stripe::move_slot(const Index::Snapshot& index, Word& from, Word& to) noexcept {
  begin_move(index.bucket_number(from), index.bucket_number(to));
  const std::uint64_t word = from.load(std::memory_order_relaxed);
  if (base::broken("moved-by-clearing")) publish(from, 0);
  publish(to, word);
  index_.move_on();
  publish(from, 0);
  end_move();
}

Word* Stripe::displace(const Index::Snapshot& index, const Bucket& bucket, unsigned further) noexcept {
  for (const Word& slot : bucket.slot) {
    std::uint64_t hash = 0;
    if (!hash_of(slot.load(std::memory_order_relaxed), hash)) continue;
    Bucket& other = index.other(hash, bucket);
    if (&other == &bucket) continue;
    Word* const empty = further == 0 ? empty_slot(other) : displace(index, other, further - 1);
    if (empty == nullptr) continue;
    move_slot(index, const_cast<Word&>(slot), *empty);
    return const_cast<Word*>(&slot);
  }
  return nullptr;
}

bool Stripe::index_reaches(std::uint32_t bucket) const noexcept {
  return bucket < index_.least() || log_.is_index((bucket - index_.least()) / log_.buckets_per_chunk());
}

bool Stripe::extend_index(std::uint64_t now) noexcept {
  const std::uint32_t chunk = log_.count(Kind::index);
  if (chunk == log_.size()) return false;  // damaged
  // Emptying the chunk may take two others for a while. A stripe that rejects keeps what it must.
  const std::uint32_t kept = reject_ ? kept_to_work(1) : reserve_chunks_ - 1;
  if (log_.count(Kind::free) <= kept) return false;
  if (log_.in_log(chunk)) {
    const Kind kind = kind_of(log_.state(chunk));
    if (log_.open_chunk(kind) == chunk) log_.open_next(kind);
    if (reject_ ? !reclaim_whole(chunk, log_.count(Kind::free) - kept, now)
                : !reclaim(chunk, Reclaim::compact, log_.size(), now))
      return false;
  }
  // Emptying it may have found damage, and then has emptied the stripe.
  if (kind_of(log_.state(chunk)) != Kind::free || log_.count(Kind::index) != chunk) return false;
  log_.give_to_index(chunk);
  return true;
}

bool Stripe::grow_index(std::uint64_t now) noexcept {
  const std::uint32_t number = index_.snapshot().size();
  if (number == index_.most() || (!index_reaches(number) && !extend_index(now))) return false;
  const Index::Snapshot grown = index_.snapshot().resized(number + 1);
  Bucket& from = grown.bucket(Index::parent(number));
  Bucket& to = grown.bucket(number);
  begin_move(Index::parent(number), number);
  // Partner: the acquire fence of a reader that still takes these bytes for an entry's.
  std::atomic_thread_fence(std::memory_order_release);
  for (Word& slot : to.slot) publish(slot, 0);
  for (unsigned i = 0; i < kSlotsPerBucket; ++i) {
    const std::uint64_t word = from.slot[i].load(std::memory_order_relaxed);
    std::uint64_t hash = 0;
    if (word != 0 && hash_of(word, hash) && !grown.is_candidate(hash, from)) publish(to.slot[i], word);
  }
  const auto clear_moved = [&]() FORKLORE_LOCKED {
    for (unsigned i = 0; i < kSlotsPerBucket; ++i) {
      if (to.slot[i].load(std::memory_order_relaxed) != 0) publish(from.slot[i], 0);
    }
  };
  if (base::broken("split-unannounced")) end_move();
  if (base::broken("split-by-clearing")) clear_moved();
  index_.set_size(number + 1);
  clear_moved();
  end_move();
  return true;
}

bool Stripe::shrink_index() noexcept {
  const Index::Snapshot index = index_.snapshot();
  if (index.size() == index_.least()) return false;
  const std::uint32_t number = index.size() - 1;
  Bucket& from = index.bucket(number);
  Bucket& to = index.bucket(Index::parent(number));
  unsigned left = 0;
  for (Word& slot : from.slot) {
    const std::uint64_t word = slot.load(std::memory_order_relaxed);
    if (word == 0) continue;
    std::uint64_t hash = 0;
    Word* elsewhere = nullptr;
    if (hash_of(word, hash)) {
      Bucket& other = index.other(hash, from);
      if (&other != &from) elsewhere = empty_slot(other);
    }
    if (elsewhere != nullptr) {
      move_slot(index, slot, *elsewhere);
    } else {
      ++left;
    }
  }
  for (const Word& slot : to.slot) left += slot.load(std::memory_order_relaxed) != 0;
  if (left > kSlotsPerBucket) return false;

  begin_move(number, Index::parent(number));
  for (const Word& slot : from.slot) {
    const std::uint64_t word = slot.load(std::memory_order_relaxed);
    Word* const empty = empty_slot(to);
    if (word != 0 && empty != nullptr) publish(*empty, word);
  }
  if (base::broken("merged-by-clearing")) {
    for (Word& slot : from.slot) publish(slot, 0);
  }
  index_.set_size(number);
  for (Word& slot : from.slot) publish(slot, 0);
  end_move();
  const std::uint32_t last = log_.count(Kind::index) - 1;
  if (last < log_.size() && index_.least() + last * log_.buckets_per_chunk() == number) log_.free_chunk(last);
  return true;
}

void Stripe::settle() noexcept {
  const std::uint64_t moving = header_->moving.load(std::memory_order_relaxed);
  if (moving == 0) return;
  const auto from = static_cast<std::uint32_t>(moving >> 32) - 1;
  const auto to = static_cast<std::uint32_t>(moving) - 1;
  const Index::Snapshot index = index_.snapshot();
  // A bucket beyond the end was not yet part of the index, or is no longer: nothing stands in it.
  if (from < index.size() && to < index.size() && from != to) {
    index_.move_on();
    for (Word& slot : index.bucket(from).slot) {
      const std::uint64_t word = slot.load(std::memory_order_relaxed);
      if (word == 0) continue;
      for (Word& twin : index.bucket(to).slot) {
        if (without_frequency(twin.load(std::memory_order_relaxed) ^ word) != 0) continue;
        std::uint64_t hash = 0;
        const bool arrived = hash_of(word, hash) && index.is_candidate(hash, index.bucket(to));
        publish(arrived ? slot : twin, 0);
        break;
      }
    }
  }
  end_move();
}

std::uint64_t Stripe::count_slots() const noexcept {
  const Index::Snapshot index = index_.snapshot();
  std::uint64_t n = 0;
  for (std::uint32_t bucket = 0; bucket < index.size(); ++bucket) {
    for (const Word& slot : index.bucket(bucket).slot) n += slot.load(std::memory_order_relaxed) != 0;
  }
  return n;
}

}  // namespace forklore::store
