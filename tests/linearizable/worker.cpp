#include "linearizable/worker.hpp"

#include <cstdio>
#include <cstring>

#include "process/checked_value.hpp"

namespace forklore::linearizable {

std::string key_name(unsigned key) { return "key-" + std::to_string(key); }

std::size_t Worker::any_size() {
  constexpr std::size_t kLeast = 24, kUsual = 300;
  return kLeast + below(below(16) == 0 ? scenario_.most - kLeast : std::min(kUsual, scenario_.most - kLeast));
}

/// Fills the segment with entries that nobody looks at, so that chunks are reclaimed under those that are recorded.
void Worker::churn() {
  const std::string name = "other-" + std::to_string(below(scenario_.others));
  const Code code = below(4) == 0 ? cache_.erase(name) : cache_.set(name, std::string(any_size(), 'x'));
  if (code == Code::busy) ++tape_.faults;
  ++tape_.churned;
}

Operation Worker::choose() {
  Operation o;
  o.key = static_cast<std::uint8_t>(below(kKeys));
  o.process = static_cast<std::uint8_t>(number_);
  o.stores = bytes(std::int64_t{number_} * kTape + tape_.count.load(std::memory_order_relaxed) + 1);
  const unsigned what = below(100);
  if (what < 40) {
    o.call = Call::get;
  } else if (what < 55) {
    o.call = Call::compare_and_set;
    if (below(2) == 0) o.key = static_cast<std::uint8_t>(last_read_);
    o.expected = read_.at(o.key).state;
    if (!o.expected.present()) o.call = Call::get;
  } else if (what < 67) {
    o.call = Call::set;
  } else if (what < 75) {
    o.call = Call::add;
  } else if (what < 79) {
    o.call = Call::replace;
  } else if (what < 91) {
    o.call = Call::increment;
    o.initial = below(4) != 0;
    o.stores = integer(std::int64_t{below(5)} - 1);
  } else {
    o.call = Call::erase;
  }
  return o;
}

State Worker::state_of(std::string_view key, std::string_view value, const Found& found) {
  std::int64_t number = 0;
  if (found.format == kInteger && value.size() == sizeof number) {
    std::memcpy(&number, value.data(), sizeof number);
    return integer(number);
  }
  if (const auto whole = tests::number_of(key, value)) return bytes(static_cast<std::int64_t>(*whole));
  ++tape_.faults;
  std::printf("FAULT: process %u read %zu bytes of %s that nobody stored\n", number_, value.size(),
              std::string(key).c_str());
  std::fflush(stdout);
  return kAbsent;
}

void Worker::perform(Operation& o) {
  const std::string key = key_name(o.key);
  const bool stores = o.call != Call::get && o.call != Call::erase && o.call != Call::increment;
  if (stores) value_ = tests::checked_value(key, static_cast<std::uint64_t>(o.stores.number), any_size());
  const std::uint32_t place = tape_.count.load(std::memory_order_relaxed);
  Line& line = tape_.lines[place];
  line.operation = o;
  tape_.count.store(place + 1, std::memory_order_release);
  line.begin.store(board_.now(), std::memory_order_release);

  Found found;
  std::int64_t sum = 0;
  switch (o.call) {
    case Call::get:
      o.code = store_.get(key, out_, found);
      break;
    case Call::set:
      o.code = store_.set(key, value_);
      break;
    case Call::add:
      o.code = store_.add(key, value_);
      break;
    case Call::replace:
      o.code = store_.replace(key, value_);
      break;
    case Call::increment:
      o.code =
          store_.increment(key, o.stores.number, sum, o.initial ? std::optional<std::int64_t>(kInitial) : std::nullopt);
      break;
    case Call::compare_and_set:
      o.code = store_.compare_and_set(key, read_.at(o.key).version, value_);
      break;
    case Call::erase:
      o.code = store_.erase(key);
      break;
  }
  const std::uint64_t end = board_.now();

  if (o.code == Code::ok && o.call == Call::increment) o.seen = integer(sum);
  if (o.code == Code::ok && o.call == Call::get) {
    o.seen = state_of(key, out_, found);
    read_.at(o.key) = {found.version, o.seen};
    last_read_ = o.key;
  }
  if (o.code == Code::busy) ++tape_.faults;  // nobody holds a lock for the half minute that is waited for it
  o.answered = true;
  line.operation = o;
  line.end.store(end, std::memory_order_release);
}

void Worker::run(std::uint32_t calls) {
  while (tape_.count.load(std::memory_order_relaxed) < calls) {
    for (unsigned i = 0; i < 3 && scenario_.others != 0; ++i) churn();
    Operation operation = choose();
    perform(operation);
  }
}

}  // namespace forklore::linearizable
