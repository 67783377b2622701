// What must hold in a stripe whenever its lock is free, and after it was recovered from a dead owner.
#include <set>
#include <string_view>

#include "base/racy_copy.hpp"
#include "store/stripe.hpp"

namespace forklore::store {

/// Gathers faults, up to some number.
class Stripe::Verifier {
 public:
  Verifier(const Stripe& stripe, const std::string& where, std::vector<std::string>& faults)
      : stripe_(stripe),
        log_(stripe.log_),
        where_(where),
        faults_(faults),
        index_(stripe.index_.snapshot()),
        covered_(log_.size()),
        unseen_(log_.size()) {}

  void run() FORKLORE_LOCKED {
    states();
    leases();
    index();
    for (std::uint32_t bucket = 0; bucket < index_.size(); ++bucket) {
      for (const Word& slot : index_.bucket(bucket).slot) {
        if (const std::uint64_t word = slot.load(std::memory_order_relaxed); word != 0) entry(bucket, slot, word);
      }
    }
    for (std::uint32_t chunk = 0; chunk < log_.size(); ++chunk) {
      if (!log_.in_log(chunk)) continue;
      walk(chunk);
      if (unseen_[chunk] > log_.chunk_bytes() / kUnseenShare) fault("chunk", chunk, "is due too late");
      if (log_.live(chunk) < covered_[chunk]) fault("chunk", chunk, "counts fewer live bytes than it has");
    }
  }

 private:
  void fault(const char* what, std::uint64_t number, const char* is) {
    constexpr std::size_t kMost = 100;
    if (faults_.size() < kMost) faults_.push_back(where_ + ": " + what + " " + std::to_string(number) + " " + is);
  }

  void states() FORKLORE_LOCKED {
    std::set<std::uint64_t> seen;
    std::uint64_t newest[kKinds] = {};
    for (std::uint32_t chunk = 0; chunk < log_.size(); ++chunk) {
      const std::uint64_t word = log_.state(chunk);
      if (kind_number(word) >= kKinds) {
        fault("chunk", chunk, "is of no kind");
        continue;
      }
      if (!seen.insert(sequence_of(word)).second) fault("chunk", chunk, "has a sequence that another has too");
      newest[kind_number(word)] = std::max(newest[kind_number(word)], sequence_of(word) + 1);
      if (log_.first(chunk) > log_.used(chunk) && log_.in_log(chunk)) {
        fault("chunk", chunk, "begins behind its end");
      }
    }
    for (Kind kind : kScanned) {
      const std::uint32_t open = log_.open_chunk(kind);
      const std::uint64_t want = newest[static_cast<unsigned>(kind)];
      if ((open != kNoChunk ? sequence_of(log_.state(open)) + 1 : 0) != want) {
        fault("log", static_cast<std::uint64_t>(kind), "appends to a chunk that is not its last");
      }
    }
    for (std::uint64_t sequence : seen) {
      if (sequence >= stripe_.header_->sequence.load(std::memory_order_relaxed)) {
        fault("sequence", sequence, "has been given but counts as not given");
      }
    }
  }

  void leases() FORKLORE_LOCKED {
    const Leases& leases = stripe_.leases_;
    std::set<std::uint64_t> tokens, computed;
    std::uint32_t flights = 0;
    for (std::uint32_t line = 0; line < leases.size(); ++line) {
      const std::uint64_t word = leases.word(line);
      if (!is_held(word)) continue;
      if (!is_lease(word, leases.kind_of(line))) fault("lease", line, "is of another kind than its line");
      if (token_of(word) > stripe_.header_->tokens.load(std::memory_order_relaxed)) {
        fault("lease", line, "has a token that was not given");
      }
      if (!tokens.insert(token_of(word)).second) fault("lease", line, "has a token that another has too");
      if (!is_lease(word, LeaseKind::flight)) continue;
      ++flights;
      if (!computed.insert(leases.hash(line)).second) fault("lease", line, "computes what another does too");
    }
    if (stripe_.header_->flights.load(std::memory_order_relaxed) < flights) {
      fault("leases", flights, "are flights, and fewer are counted");
    }
  }

  void index() FORKLORE_LOCKED {
    const std::uint32_t chunks = log_.count(Kind::index);
    for (std::uint32_t chunk = 0; chunk < chunks; ++chunk) {
      if (!log_.is_index(chunk)) fault("chunk", chunk, "holds entries before the last chunk of the index");
    }
    const StripeHeader& header = *stripe_.header_;
    if (index_size_of(header.index.load(std::memory_order_relaxed)) != index_.size() ||
        !stripe_.index_reaches(index_.size() - 1)) {
      fault("bucket", index_.size() - 1, "lies outside the index");
    }
    if (header.moving.load(std::memory_order_relaxed) != 0) fault("index", 0, "has slots on the move");
    if (header.slots_used.load(std::memory_order_relaxed) != stripe_.count_slots()) {
      fault("index", 0, "counts other slots in use than it has");
    }
  }

  void entry(std::uint32_t bucket, const Word& slot, std::uint64_t word) FORKLORE_LOCKED {
    Location place;
    EntryHead head;
    if (!log_.locate(word, place) || !log_.is_entry_place(place, word) || !log_.read_head(place, head)) {
      fault("bucket", bucket, "has a slot that leads to no entry");
      return;
    }
    if (head.expiry == kDead) fault("bucket", bucket, "has a slot that leads to a dead entry");
    std::string key(head.key_size, '\0');
    base::racy_copy(key.data(), log_.at(place) + head.key_at(), key.size());
    const std::uint64_t hash = base::hash(key);
    if (fingerprint_of(word) != Index::fingerprint(hash))
      fault("bucket", bucket, "has a slot whose fingerprint is not its key's");
    bool at_home = false;
    for (const Bucket* home : index_.candidates(hash)) {
      at_home |= home == &index_.bucket(bucket);
      for (const Word& other : home->slot) {
        if (&other > &slot && same_key(other.load(std::memory_order_relaxed), key)) {
          fault("bucket", bucket, "has a key that stands twice");
        }
      }
    }
    if (!at_home) fault("bucket", bucket, "has a key that belongs elsewhere");

    std::size_t covered = 0;
    log_.for_each_chunk(place, head.total(), [&](std::uint32_t chunk, std::uint32_t bytes) {
      if (!log_.in_log(chunk)) fault("chunk", chunk, "is in no log and holds a live value");
      if (covered != 0 && log_.straddler(chunk) != without_frequency(word)) {
        fault("chunk", chunk, "does not know the entry that goes on in it");
      }
      if (covered != 0 && log_.first(chunk) != bytes) fault("chunk", chunk, "begins elsewhere than its value ends");
      if (head.expiry < log_.due(chunk)) unseen_[chunk] += bytes;
      covered += bytes;
      covered_[chunk] += bytes;
    });
    if (covered != head.total()) fault("bucket", bucket, "has an entry that ends nowhere");
  }

  bool same_key(std::uint64_t word, std::string_view key) const {
    Location place;
    EntryHead head;
    return word != 0 && log_.locate(word, place) && log_.read_head(place, head) && head.key_size == key.size() &&
           base::racy_equal(key.data(), log_.at(place) + head.key_at(), key.size());
  }

  void walk(std::uint32_t chunk) {
    Location place{chunk, log_.first(chunk)};
    EntryHead head;
    while (place.offset < log_.used(chunk)) {
      if (place.offset + kEntryHeader > log_.chunk_bytes() || !log_.read_head(place, head)) {
        fault("chunk", chunk, "has bytes in use that are no entry");
        return;
      }
      place.offset = static_cast<std::uint32_t>(std::min<std::size_t>(place.offset + head.total(), log_.chunk_bytes()));
    }
    if (place.offset > log_.used(chunk)) fault("chunk", chunk, "ends inside an entry");
  }

  const Stripe& stripe_;
  const Log& log_;
  const std::string& where_;
  std::vector<std::string>& faults_;
  const Index::Snapshot index_;
  std::vector<std::uint64_t> covered_;
  std::vector<std::uint64_t> unseen_;
};

Code Stripe::verify(const std::string& where, std::chrono::milliseconds timeout, std::vector<std::string>& faults) {
  Guard guard(*this, timeout);
  if (!guard.held()) return Code::busy;
  Verifier(*this, where, faults).run();
  return Code::ok;
}

}  // namespace forklore::store
