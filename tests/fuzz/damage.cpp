// A segment whose bytes somebody has written over, attached and used: whatever they are, a call answers what it may
// answer, reads and writes nothing outside, and ends. Afterwards clear() makes the segment sound again.
//
// An input says which segment, how it is attached, then what to do, in any order: write a word over, or call.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/mapping.hpp"
#include "base/process.hpp"
#include "bytes.hpp"
#include "caller.hpp"
#include "overwriter.hpp"
#include "sample.hpp"
#include "store/layout.hpp"
#include "surroundings.hpp"

using namespace forklore;
using fuzz::Bytes;
using fuzz::must;
using fuzz::Sample;

namespace {

/// A sample and what may be written over in it.
struct Victim {
  Victim(Options options, tests::Room room, tests::Mix mix, unsigned calls)
      : sample(std::move(options), room, mix, calls), over(sample) {}
  Sample sample;
  fuzz::Overwriter over;
};

Options anonymous(const char* name, std::size_t capacity) {
  Options options;
  options.name = fuzz::own_name(name);
  options.place = Place::anonymous;
  options.capacity_bytes = capacity;
  options.lock_timeout = std::chrono::milliseconds(0);
  return options;
}

/// A full cache, full state, a cache of two stripes with room to spare, and one of many small entries, whose index has
/// taken chunks.
std::deque<Victim>& victims() {
  static std::deque<Victim> all;
  if (!all.empty()) return all;
  all.emplace_back(anonymous("cache", kMinCapacityBytes), tests::Room::evicting, tests::Mix{160}, 4000);
  Options state = anonymous("state", kMinCapacityBytes);
  state.when_full = WhenFull::reject;
  all.emplace_back(state, tests::Room::rejecting, tests::Mix{160}, 4000);
  Options two = anonymous("two", 2 * kMinCapacityBytes);
  two.stripes = 2;
  all.emplace_back(two, tests::Room::evicting, tests::Mix{160}, 300);
  all.emplace_back(anonymous("small", kMinCapacityBytes), tests::Room::evicting, tests::Mix{4000, 9}, 3000);
  return all;
}

/// Whatever has happened: with nobody in the locks, clear() leaves a sound segment that can be used.
void must_heal(const store::Geometry& g, Cache& cache, std::span<std::byte> segment) {
  for (std::uint32_t i = 0; i < g.shape.stripes; ++i) {
    std::memset(segment.data() + g.stripes_at + i * g.stripe_bytes, 0, sizeof(store::HalfWord));
  }
  must(cache.clear() == Code::ok, "clear() of a damaged segment");
  for (const std::string& fault : cache.verify()) must(false, fault.c_str());
  must(cache.stats().entries == 0, "entries after clear()");
  for (std::size_t i = 0; i < 40; ++i) {
    must(cache.set(tests::numbered_key(i), std::string(1000, 'a')) == Code::ok, "set after clear()");
    must(cache.get(tests::numbered_key(i)) == std::string(1000, 'a'), "get after clear()");
  }
  for (const std::string& fault : cache.verify()) must(false, fault.c_str());
}

void use(const Victim& victim, Cache& cache, std::span<std::byte> segment, bool may_write, Bytes& input) {
  constexpr unsigned kMost = 200;
  const bool heal = may_write && input.below(4) == 0;
  fuzz::Caller caller(cache, victim.sample.mix(), input, true);
  for (unsigned i = 0; i < kMost && input.more(); ++i) {
    if (may_write && input.below(4) == 0) {
      victim.over.write_over(segment, input);
    } else {
      caller.call();
    }
  }
  if (heal) must_heal(victim.sample.geometry(), cache, segment);
}

/// A file with a sample's bytes, for one attempt to attach.
class Copy {
 public:
  explicit Copy(const Sample& sample)
      : name_(fuzz::own_name("copy")),
        path_("/dev/shm/forklore-" + std::to_string(::geteuid()) + "-" + name_ + "-v" +
              std::to_string(store::kFormatVersion)),
        file_(::open(path_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)),
        bytes_(sample.image().begin(), sample.image().end()) {
    must(file_ >= 0, "the copy can be made");
    const auto identity = base::identity_of(path_);
    auto& header = *reinterpret_cast<store::SegmentHeader*>(bytes_.data());
    header.device = identity.device;
    header.inode = identity.inode;
    header.domain = base::lock_domain().domain;
  }
  ~Copy() {
    ::close(file_);
    ::unlink(path_.c_str());
  }
  Copy(const Copy&) = delete;
  Copy& operator=(const Copy&) = delete;

  std::span<std::byte> bytes() { return bytes_; }
  void write(std::size_t bytes) {
    must(::pwrite(file_, bytes_.data(), bytes, 0) == static_cast<::ssize_t>(bytes), "the copy can be written");
  }
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  std::string name_, path_;
  int file_;
  std::vector<std::byte> bytes_;
};

void attach_and_use(const Victim& victim, Bytes& input) {
  Copy copy(victim.sample);
  const std::size_t how = input.below(4);
  for (std::size_t writes = input.below(8); writes > 0; --writes) victim.over.write_over(copy.bytes(), input);
  // The file may be shorter than its header says.
  const std::size_t cut = input.below(8) == 0 ? input.below(1 << 16) : 0;
  copy.write(copy.bytes().size() - std::min(copy.bytes().size(), cut));
  Options options = victim.sample.options();
  options.place = Place::shm;
  options.name = copy.name();
  options.read_only = how == 1;
  std::optional<Cache> cache;
  try {
    cache.emplace(how == 2 ? Cache::open(options) : Cache::attach(options));
  } catch (const OpenError&) {
    return;
  }
  const auto mapped = fuzz::last_mapping();
  must(mapped.size() == victim.sample.image().size(), "what is attached is as large as its header says");
  const fuzz::PoisonedGaps gaps(mapped, victim.sample.geometry());
  use(victim, *cache, mapped, !options.read_only, input);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Bytes input({data, size});
  Victim& victim = victims()[input.below(victims().size())];
  victim.sample.restore();
  if (input.below(16) == 0) {
    attach_and_use(victim, input);
  } else {
    use(victim, victim.sample.cache(), victim.sample.mapped(), true, input);
  }
  return 0;
}
