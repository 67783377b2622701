#include "forklore/compute.hpp"

#include <atomic>
#include <cmath>
#include <optional>
#include <utility>

#include "base/waiting.hpp"
#include "cache/lease_call.hpp"

namespace forklore {
namespace {

using cache::Call;
using cache::check;
using cache::is_held;
using cache::kLookAtOwner;
using cache::Lacking;
using cache::lease_in;
using cache::lease_of;
using cache::put;
using cache::say_lacking;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using store::Grant;

constexpr unsigned kRounds = 8;  // looks, each because another caller was faster

/// Draws a number from 0 to 1, never 0.
double draw() noexcept {
  constexpr std::uint64_t kStep = 0x9e3779b97f4a7c15u;
  // Relaxed: each call needs a step of its own, and no order. The process makes a fork's child draw other numbers.
  static constinit std::atomic<std::uint64_t> steps{0};
  const std::uint64_t drawn = base::mix(base::own_process()) + steps.fetch_add(kStep, std::memory_order_relaxed);
  return static_cast<double>((base::mix(drawn) >> 11) + 1) * 0x1p-53;
}

/// Whether to compute the next value while this one is still fresh. XFetch: include/forklore/compute.hpp names it.
bool is_due_early(const store::Reading& reading, std::uint64_t now, double early) noexcept {
  if (early <= 0 || reading.timing.cost == 0 || reading.expiry == store::kNever) return false;
  return static_cast<double>(reading.expiry - now) <= -std::log(draw()) * early * reading.timing.cost;
}

/// Whether the owner died, for callers that do not wait. An owner that lived within the last 10 ms is not looked at
/// again, whichever thread of this process saw it.
bool owner_died(store::Stripe& stripe, const store::Holders& holders, std::string_view key,
                milliseconds timeout) noexcept {
  // Relaxed: two threads may leave one owner with the time of another. Then a death is found out 10 ms later.
  static constinit std::atomic<std::uint64_t> known_alive{0};
  static constinit std::atomic<std::uint64_t> looked{0};
  const std::uint64_t now = base::boottime_ms();
  const std::uint64_t owner = holders.held[0].owner;
  if (holders.count == 1 && known_alive.load(std::memory_order_relaxed) == owner &&
      now - looked.load(std::memory_order_relaxed) < 10) {
    return false;
  }
  if (stripe.give_back_of_dead(holders, key, timeout) != 0) return true;
  looked.store(now, std::memory_order_relaxed);
  known_alive.store(owner, std::memory_order_relaxed);
  return false;
}

/// The end of a time that begins now, in ms since birth; of none kNever.
std::uint64_t after(std::uint64_t now, milliseconds time) noexcept {
  if (time <= milliseconds(0)) return store::kNever;
  return std::min(now + std::min<std::uint64_t>(static_cast<std::uint64_t>(time.count()), store::kNever),
                  store::kNever - 1);
}

std::uint32_t bounded(milliseconds time) noexcept {
  return static_cast<std::uint32_t>(std::clamp<milliseconds::rep>(time.count(), 0, ~std::uint32_t{0} - 1));
}

}  // namespace

ComputeFailed::ComputeFailed(const std::string& what) : std::runtime_error(what) {}

Computation::Computation(const Cache& cache, std::string_view key, const ComputeOptions& options) noexcept
    : cache_(&cache), key_(key), options_(options) {}

Turn Computation::begin(std::string& value) {
  const Sink sink{&value, [](void* context, std::size_t, const Found& found) -> Into {
                    auto& out = *static_cast<std::string*>(context);
                    out.resize(found.size);
                    return out.data();
                  }};
  Found found;
  return begin(sink, found);
}

/// One look for the value, and one request for the right to compute it.
class Computation::Round {
 public:
  explicit Round(Computation& computation)
      : my_(computation), call_(Internals::attachment(*my_.cache_)), hash_(base::hash(my_.key_)) {}

  /// Reads the value to where the sink wants it. Returns what the caller does if that is certain already: it needs no
  /// right, or can have none.
  std::optional<Turn> read(Sink sink, Found& found);
  /// Asks for the right. Returns none if the next round may tell more.
  std::optional<Turn> ask(bool& or_placeholder);

 private:
  [[nodiscard]] store::HashedKey key() const noexcept { return {my_.key_, hash_}; }
  [[nodiscard]] milliseconds timeout() const noexcept { return Internals::lock_timeout(*my_.cache_); }
  [[nodiscard]] store::Stripe& stripe() const noexcept { return call_.segment().stripe_of(hash_); }
  Turn wait_for(const store::Holders& holders);
  Turn refused(Code code) noexcept {
    my_.refusal_ = code;
    return otherwise_;
  }

  Computation& my_;
  Call call_;
  std::uint64_t hash_;
  bool present_ = false;          // there is a value, perhaps a stale one
  Version version_;               // of that value
  Turn otherwise_ = Turn::alone;  // what the caller does if it does not get the right
};

std::optional<Turn> Computation::Round::read(Sink sink, Found& found) {
  const std::uint64_t now = call_.now();
  const auto room = [&](const Found& is) { return sink.room(sink.context, 0, is); };
  store::Reading reading;
  std::uint64_t rereads = 0;
  const Code code = stripe().read<store::Age::stale>(key(), now, room, reading, timeout(), rereads);
  if (code == Code::buffer_too_small) return Turn::no_room;
  present_ = code == Code::ok;
  version_ = reading.found.version;
  const bool fresh = present_ && reading.expiry > now;
  if (present_) {
    found = reading.found;
    otherwise_ = fresh ? Turn::fresh : Turn::stale;
  }
  if (!std::exchange(my_.counted_, true)) {
    call_.count(present_ ? &store::CounterLine::hits : &store::CounterLine::misses);
    if (rereads != 0) call_.count(&store::CounterLine::rereads, rereads);
  }
  const bool needs_none = fresh && !is_due_early(reading, now, my_.options_.early);
  const bool waited_enough = !present_ && my_.until_ != Clock::time_point{} && Clock::now() >= my_.until_;
  if (needs_none || waited_enough) return otherwise_;
  if (!call_.may_write()) return refused(Code::read_only);
  return std::nullopt;
}

std::optional<Turn> Computation::Round::ask(bool& or_placeholder) {
  store::LeaseId lease;
  store::Holders holders;
  const auto died = [&] { return owner_died(stripe(), holders, my_.key_, timeout()); };
  const auto any_died = [&] { return stripe().give_back_of_dead(holders, my_.key_, timeout()) != 0; };
  if (present_ && stripe().leases().find_flight(hash_, call_.now(), holders) && !died()) return otherwise_;

  const store::LeaseWish wish{.kind = store::LeaseKind::flight,
                              .hash = hash_,
                              .owner = base::own_process(),
                              .deadline = after(call_.now(), my_.options_.compute_timeout),
                              .or_placeholder = or_placeholder,
                              .despite_rest = !present_};
  // A caller that has an older value does not sleep for the stripe's lock. A later call may refresh.
  const milliseconds patience = present_ ? milliseconds(0) : timeout();
  const std::uint64_t version = present_ ? version_.word : 0;
  store::Failure failure;
  switch (stripe().acquire(key(), wish, version, call_.now(), patience, lease, holders, &failure)) {
    case Grant::granted:
      my_.refreshes_ = present_;
      my_.lease_ = lease_of(call_.view(), wish, lease);
      my_.begun_ = Clock::now();
      return present_ ? Turn::refresh : Turn::compute;
    case Grant::present:
      return std::nullopt;
    case Grant::failed:
      if (present_) return otherwise_;
      my_.failure_.assign(failure.bytes.data(), failure.size);
      return Turn::failed;
    case Grant::busy:
      if (!present_) call_.count(&store::CounterLine::busy);
      return refused(Code::busy);
    case Grant::full:
      if (any_died()) return std::nullopt;
      if (present_) return otherwise_;
      if (!std::exchange(or_placeholder, true)) return std::nullopt;
      say_lacking(*my_.cache_, call_.view(), Lacking::computation);
      return refused(Code::full);
    case Grant::held:
      if (present_ ? died() : any_died()) return std::nullopt;
      return present_ ? otherwise_ : wait_for(holders);
  }
  return otherwise_;
}

/// Notes whom the caller waits for. The bound on its waiting begins with the first time.
Turn Computation::Round::wait_for(const store::Holders& holders) {
  if (my_.until_ == Clock::time_point{}) {
    my_.until_ = Clock::now() + std::clamp(my_.options_.wait, milliseconds(0), milliseconds(std::chrono::hours(24)));
    stripe().leases().count_wait();
  }
  my_.lease_ = {.segment = call_.view().id, .hash = hash_};
  my_.events_ = holders.events;
  return Turn::wait;
}

Turn Computation::begin(Sink sink, Found& found) {
  abandon();
  refusal_ = is_key(key_) ? Code::ok : Code::invalid_key;
  if (refusal_ != Code::ok) return Turn::alone;
  bool or_placeholder = false;
  for (unsigned n = 0; n < kRounds; ++n) {
    Round round(*this);
    if (const std::optional<Turn> turn = round.read(sink, found)) return *turn;
    if (const std::optional<Turn> turn = round.ask(or_placeholder)) return *turn;
  }
  return Turn::alone;
}

void Computation::wait(milliseconds at_most) noexcept {
  session::View& view = Internals::attachment(*cache_).view();
  if (lease_.word != 0 || lease_.segment != view.id) return;
  const auto left = std::chrono::duration_cast<milliseconds>(until_ - Clock::now()) + milliseconds(1);
  at_most = std::min({at_most, kLookAtOwner, left});
  if (at_most <= milliseconds(0)) return;
  const base::Waiting waiting;
  view.segment.stripe_of(lease_.hash).leases().wait(lease_.hash, store::LeaseKind::flight, events_, at_most);
}

Code Computation::store(std::string_view value, Ttl ttl, std::uint16_t format) noexcept {
  if (!is_key(key_)) return Code::invalid_key;
  const Call call(Internals::attachment(*cache_));
  const auto known = lease_in(call.view(), lease_);
  Code code = known ? check(call, key_, value, format) : Code::not_held;
  if (known && !call.may_write()) code = Code::read_only;
  if (code == Code::ok) {
    store::Decision decision = put(value, format, call.expiry(ttl, Internals::default_ttl(*cache_)));
    const bool wanted = options_.stale_for > Ttl::zero() || options_.early > 0;
    if (wanted && decision.action == store::Decision::Action::store && decision.expiry != store::kNever) {
      decision.timed = true;
      const auto cost = std::chrono::duration_cast<milliseconds>(Clock::now() - begun_);
      decision.timing = {bounded(options_.stale_for), std::max(bounded(cost), 1u)};
      decision.expiry = decision.timing.expiry_of(decision.expiry);
    }
    code = call.counted(
        call.segment()
            .stripe_of(lease_.hash)
            .update_with(*known, {key_, lease_.hash}, call.now(), Internals::lock_timeout(*cache_), decision));
    if (code != Code::busy) lease_ = {};  // it is given back
  }
  abandon();
  until_ = {};
  return code;
}

void Computation::fail(std::string_view what) noexcept {
  const Call call(Internals::attachment(*cache_));
  const auto known = lease_in(call.view(), lease_);
  if (known && call.may_write() && options_.error_ttl > milliseconds(0)) {
    store::Stripe& stripe = call.segment().stripe_of(lease_.hash);
    const store::HashedKey key{key_, lease_.hash};
    const std::uint64_t now = call.now();
    const milliseconds timeout = Internals::lock_timeout(*cache_);
    const std::uint64_t deadline = after(now, options_.error_ttl);
    Code code = Code::busy;
    if (refreshes_) {
      code = stripe.rest(*known, key, now, deadline, timeout);
    } else {
      const store::Decision remembered{.action = store::Decision::Action::store,
                                       .code = Code::not_found,  // of a value, so it counts as none
                                       .value = what.substr(0, store::kMaxFailure),
                                       .format = store::kFailureFormat,
                                       .expiry = deadline,
                                       .timed = true,
                                       .timing = store::Timing::of_placeholder()};
      code = stripe.update_with(*known, key, now, timeout, remembered);
    }
    if (code != Code::busy) lease_ = {};  // it is given back
  }
  abandon();
  until_ = {};
}

void Computation::give_back() noexcept { cache::give_back(*cache_, lease_, key_); }

bool Computation::held() const noexcept { return is_held(*cache_, lease_, key_); }

}  // namespace forklore
