#include "store/log.hpp"

#include <array>

#include "base/hash.hpp"
#include "base/test_fault.hpp"

namespace forklore::store {

std::uint64_t Log::key_hash(Location place, const EntryHead& head) const noexcept {
  const std::byte* key = at(place) + head.key_at();
#ifdef FORKLORE_TSAN
  // Nobody writes here now. But raise_frequency() may try a compare-exchange on what was a slot when the chunk was part
  // of the index. To ThreadSanitizer one that fails has written too.
  std::array<char, kMaxKeyBytes> copy;
  base::racy_copy(copy.data(), key, head.key_size);
  return base::hash({copy.data(), head.key_size});
#else
  return base::hash({reinterpret_cast<const char*>(key), head.key_size});
#endif
}

bool Log::copy_spilled(Location place, std::size_t skip, const Into& to, std::size_t n) const noexcept {
  place.offset += static_cast<std::uint32_t>(skip);
  bool ascii = true;
  for (Into rest = to;;) {
    const std::size_t part = std::min<std::size_t>(n, chunk_bytes_ - place.offset);
    copy_part(rest, at(place), part);
    if (to.ascii != nullptr) ascii = *to.ascii &= ascii;
    rest.data += part;
    n -= part;
    if (n == 0) return true;
    const std::uint32_t next = next_[place.chunk].load(std::memory_order_relaxed) - 1;
    if (next >= count_) return false;
    place = {next, 0};
  }
}

std::uint32_t Log::count(Kind kind) const noexcept {
  std::uint32_t n = 0;
  for (std::uint32_t chunk = 0; chunk < count_; ++chunk) n += kind_of(state(chunk)) == kind;
  return n;
}

std::uint32_t Log::oldest(Kind kind) const noexcept {
  const std::uint32_t open = open_chunk(kind);
  std::uint32_t best = kNoChunk;
  std::uint64_t least = ~std::uint64_t{0};
  for (std::uint32_t chunk = 0; chunk < count_; ++chunk) {
    const std::uint64_t word = state(chunk);
    if (kind_of(word) == kind && chunk != open && sequence_of(word) < least) {
      least = sequence_of(word);
      best = chunk;
    }
  }
  return best;
}

std::uint32_t Log::newest_free() const noexcept {
  std::uint32_t best = kNoChunk;
  std::uint64_t most = 0;
  for (std::uint32_t chunk = 0; chunk < count_; ++chunk) {
    const std::uint64_t word = state(chunk);
    if (kind_of(word) == Kind::free && word >= most) {
      most = word;
      best = chunk;
    }
  }
  return best;
}

std::uint32_t Log::count_free() noexcept {
  if (!known_.knows_free(sequence())) known_.counted(count(Kind::free), sequence());
  return known_.count_free();
}

std::uint32_t Log::lately_dead() noexcept {
  for (; known_.lately_dead() != kNoChunk; known_.forget_lately_dead()) {
    const std::uint32_t chunk = known_.lately_dead();
    if (chunk >= count_ || !in_log(chunk) || live(chunk) != 0) continue;
    return open_chunk(kind_of(state(chunk))) == chunk ? kNoChunk : chunk;
  }
  return kNoChunk;
}

void Log::create(std::uint64_t random) noexcept {
  for (std::uint32_t chunk = 0; chunk < count_; ++chunk) {
    generations_[chunk].store(static_cast<std::uint32_t>(base::mix(random + chunk)), std::memory_order_relaxed);
    // The last chunk will be taken first, because the index will want the first ones.
    states_[chunk].store(pack_state(Kind::free, chunk), std::memory_order_relaxed);
  }
  derive();
}

std::uint64_t Log::next_sequence() noexcept {
  const std::uint64_t given = sequence();
  header_->sequence.store(given + 1, std::memory_order_relaxed);
  return given;
}

std::uint32_t Log::take(Kind kind, std::uint64_t straddler, std::uint32_t first) noexcept {
  const bool known = known_.knows_free(sequence());
  std::uint32_t chunk = known ? known_.newest_free() : kNoChunk;
  if (chunk >= count_ || kind_of(state(chunk)) != Kind::free) chunk = newest_free();
  if (chunk == kNoChunk) chunk = 0;  // only in a damaged stripe: the caller has seen enough free chunks
  std::atomic_thread_fence(std::memory_order_release);
  if (base::broken("state-before-fields")) states_[chunk].store(pack_state(kind, next_sequence()));
  const std::uint32_t raise = base::broken("generation-not-raised") ? 0 : 1;
  generations_[chunk].store(generations_[chunk].load(std::memory_order_relaxed) + raise, std::memory_order_release);
  used_[chunk].store(first, std::memory_order_release);
  first_[chunk].store(first, std::memory_order_release);
  straddlers_[chunk].store(without_frequency(straddler), std::memory_order_release);
  next_[chunk].store(0, std::memory_order_release);
  live_[chunk].store(0, std::memory_order_release);
  due_[chunk].store(kNever, std::memory_order_release);
  states_[chunk].store(pack_state(kind, next_sequence()), std::memory_order_release);
  header_->open[static_cast<unsigned>(kind)].store(chunk + 1, std::memory_order_relaxed);
  if (known) known_.took_newest(sequence());
  return chunk;
}

void Log::take_further(Kind kind, std::uint32_t chunk, std::uint64_t word, std::size_t left) noexcept {
  while (left > 0) {
    const auto part = static_cast<std::uint32_t>(std::min<std::size_t>(left, chunk_bytes_));
    const std::uint32_t next = take(kind, word, part);
    next_[chunk].store(next + 1, std::memory_order_relaxed);
    chunk = next;
    left -= part;
  }
}

void Log::bring_forward(Location place, const EntryHead& head, std::uint64_t expiry) noexcept {
  for_each_chunk(place, head.total(), [&](std::uint32_t chunk, std::uint32_t) FORKLORE_LOCKED {
    if (expiry < due(chunk)) set_due(chunk, expiry);
  });
}

void Log::free_chunk(std::uint32_t chunk) noexcept {
  const bool known = known_.knows_free(sequence());
  std::atomic_thread_fence(std::memory_order_release);
  states_[chunk].store(pack_state(Kind::free, next_sequence()), std::memory_order_release);
  if (known) known_.freed(chunk, sequence());
}

void Log::give_to_main(std::uint32_t chunk) noexcept {
  const std::uint64_t sequence = sequence_of(state(chunk));
  const std::uint32_t open = open_chunk(Kind::main);
  first_[chunk].store(first(chunk) | kFilled, std::memory_order_relaxed);
  states_[chunk].store(pack_state(Kind::main, sequence), std::memory_order_release);
  if (open != kNoChunk && sequence_of(state(open)) > sequence) return;
  header_->open[static_cast<unsigned>(Kind::main)].store(chunk + 1, std::memory_order_relaxed);
}

void Log::give_to_index(std::uint32_t chunk) noexcept {
  states_[chunk].store(pack_state(Kind::index, next_sequence()), std::memory_order_release);
}

void Log::free_all() noexcept {
  // Sequences go on, so that no state comes back. In a damaged stripe they may be used up: then they start from 0
  // again.
  if (!derive()) header_->sequence.store(0, std::memory_order_relaxed);
  for (std::uint32_t chunk = count_; chunk-- > 0;) {
    if (kind_of(state(chunk)) != Kind::free) free_chunk(chunk);
  }
  // As in a new stripe, the last chunk is taken first.
  for (std::uint32_t chunk = 0; chunk < count_; ++chunk) free_chunk(chunk);
  derive();
  known_.forget_free();
}

bool Log::derive() noexcept {
  bool sound = true;
  std::uint64_t highest = 0;
  std::uint32_t index = 0;
  std::uint32_t open[kKinds] = {};
  std::uint64_t newest[kKinds] = {};
  for (std::uint32_t chunk = 0; chunk < count_; ++chunk) {
    const std::uint64_t word = state(chunk);
    const unsigned kind = kind_number(word);
    if (base::broken("recovery-rewrites-next")) next_[chunk].store(0);
    if (kind >= kKinds) {
      sound = false;
      continue;
    }
    highest = std::max(highest, sequence_of(word));
    if (kind_of(word) == Kind::index && chunk != index++) sound = false;
    if (in_log(chunk) && sequence_of(word) >= newest[kind]) {
      newest[kind] = sequence_of(word);
      open[kind] = chunk + 1;
    }
  }
  const auto put = [](auto& word, auto value) {
    if (word.load(std::memory_order_relaxed) != value) word.store(value, std::memory_order_relaxed);
  };
  if (highest > kSequenceMask / 2) sound = false;  // no stripe lives long enough to give so many
  put(header_->sequence, highest + 1);
  for (unsigned kind = 0; kind < kKinds; ++kind) put(header_->open[kind], open[kind]);
  return sound;
}

}  // namespace forklore::store
