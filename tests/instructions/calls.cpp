// calls.cpp - Makes so many calls of one kind, for scripts/instruction_counts.sh to count their instructions.
//
// What is counted is what runs inside measured(). Nothing in it depends on the machine or the moment: the segment is
// private and of a fixed shape, the keys are always the same, and everything has been called before.
#include <cstdio>
#include <cstdlib>
#include <forklore/forklore.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr std::size_t kKeys = 1000;
constexpr std::size_t kBatch = 100;

std::vector<std::string> names(const char* prefix) {
  std::vector<std::string> all;
  for (std::size_t i = 0; i < kKeys; ++i) {
    char text[25];
    std::snprintf(text, sizeof text, "%.3s:%020zu", prefix, i);
    all.emplace_back(text);
  }
  return all;
}

class Calls {
 public:
  explicit Calls(std::string_view what)
      : what_(what),
        cache_(forklore::Cache::open({.name = "instructions",
                                      .place = forklore::Place::anonymous,
                                      .capacity_bytes = 32 * forklore::MiB,
                                      .stripes = 16})),
        keys_(names(what == "miss"        ? "not"
                    : what == "increment" ? "cnt"
                                          : "key")),
        views_(keys_.begin(), keys_.end()),
        results_(kBatch) {
    for (const std::string& key : names("key")) failed_ += cache_.set(key, value_) != forklore::Code::ok;
    for (const std::string& key : names("cnt")) failed_ += cache_.increment(key, 1, now_, 0) != forklore::Code::ok;
  }

  /// Calls for every key; how many they are. 0: there is no such kind.
  [[gnu::noinline]] std::size_t measured() {
    if (what_ == "get") return each([&](const std::string& key) { return cache_.get(key, out_); });
    if (what_ == "set") return each([&](const std::string& key) { return cache_.set(key, value_); });
    if (what_ == "increment") return each([&](const std::string& key) { return cache_.increment(key, 1, now_); });
    if (what_ == "miss") {
      return each([&](const std::string& key) {
        return cache_.get(key, out_) == forklore::Code::not_found ? forklore::Code::ok : forklore::Code::exists;
      });
    }
    if (what_ == "get_many") {
      for (std::size_t i = 0; i < kKeys; i += kBatch) {
        failed_ += kBatch - cache_.get_many(std::span(views_).subspan(i, kBatch), results_);
      }
      return kKeys;
    }
    return 0;
  }
  [[nodiscard]] std::size_t failed() const { return failed_; }

 private:
  template <class Call>
  std::size_t each(Call call) {
    for (const std::string& key : keys_) failed_ += call(key) != forklore::Code::ok;
    return kKeys;
  }

  std::string_view what_;
  forklore::Cache cache_;
  std::vector<std::string> keys_;
  std::vector<std::string_view> views_;
  std::vector<forklore::Result> results_;
  std::string value_ = std::string(100, 'v');
  std::string out_;
  std::int64_t now_ = 0;
  std::size_t failed_ = 0;
};

}  // namespace

/// Counted from here on. Not inlined, and known by its name.
extern "C" [[gnu::noinline]] std::size_t counted_calls(void* calls, std::size_t times) {
  std::size_t made = 0;
  for (std::size_t i = 0; i < times; ++i) made += static_cast<Calls*>(calls)->measured();
  return made;
}

int main(int argc, char** argv) {
  constexpr std::size_t kTimes = 20;
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s get|set|increment|miss|get_many\n", argv[0]);
    return 2;
  }
  Calls calls(argv[1]);
  for (int i = 0; i < 5; ++i) {
    if (calls.measured() == 0) {
      std::fprintf(stderr, "there is no %s\n", argv[1]);
      return 2;
    }
  }
  const std::size_t made = counted_calls(&calls, kTimes);
  std::printf("%zu\n", made);
  return calls.failed() == 0 ? 0 : 1;
}
