#include "crash/opening_run.hpp"

#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>

#include "crash/workshop.hpp"

namespace forklore::crash {
namespace {

constexpr std::size_t kOther = kMinCapacityBytes + (64 << 10);

Options wish(const std::string& name, std::size_t capacity) {
  return {.name = name, .capacity_bytes = capacity, .stripes = 1};
}

/// Opens with this capacity, as the next to come would; what is found must be of it and work.
std::string open_and_write(const std::string& name, std::size_t capacity, bool empty) {
  Cache cache = Cache::open(wish(name, capacity));
  const Stats stats = cache.stats();
  if (stats.capacity_bytes != capacity) return "is of another capacity";
  if (empty && stats.entries != 0) return "a new segment is not empty";
  if (const auto faults = cache.verify(); !faults.empty()) return "verify: " + faults.front();
  return write_on(cache);
}

std::string left_over(const std::string& name) {
  const std::string next = path_of_segment(name) + ".next";
  return std::filesystem::exists(next) ? next + " is left over" : std::string();
}

void open(const std::string& name, std::size_t capacity) { static_cast<void>(Cache::open(wish(name, capacity))); }

}  // namespace

std::vector<Opening> openings(std::uint64_t seed) {
  Workshop shop(seed);
  shop.work(120, 600);
  const Image image = shop.file().take();
  std::string fault;
  const Contents contents = read_all(shop.cache(), fault);
  Image copy = image;  // of a file whose lock somebody held
  set_lock_word(copy, shop.file().geometry(), 12345);

  std::vector<Opening> all;
  all.push_back({"opening, new", [](const std::string&) {},
                 [](const std::string& name) { open(name, kMinCapacityBytes); },
                 [](const std::string& name) { return open_and_write(name, kMinCapacityBytes, true); }});
  all.push_back({"opening, empty file",
                 [](const std::string& name) {
                   std::ofstream(path_of_segment(name)).flush();
                   std::filesystem::permissions(path_of_segment(name), std::filesystem::perms(0600));
                 },
                 [](const std::string& name) { open(name, kMinCapacityBytes); },
                 [](const std::string& name) { return open_and_write(name, kMinCapacityBytes, true); }});
  all.push_back({"attaching", [image](const std::string& name) { write_segment(name, image); },
                 [](const std::string& name) { static_cast<void>(Cache::attach(name).contains("nothing")); },
                 [contents](const std::string& name) { return examine(name, contents, contents); }});
  all.push_back({"adopting a copy",
                 [copy](const std::string& name) {
                   write_segment(name, copy);
                   std::filesystem::copy_file(path_of_segment(name), path_of_segment(name) + ".copy");
                   std::filesystem::rename(path_of_segment(name) + ".copy", path_of_segment(name));
                 },
                 [](const std::string& name) { static_cast<void>(Cache::attach(name)); },
                 [contents](const std::string& name) { return examine(name, contents, contents); }});
  all.push_back({"replacing by another capacity", [image](const std::string& name) { write_segment(name, image); },
                 [](const std::string& name) { open(name, kOther); },
                 [contents](const std::string& name) {
                   std::string wrong;
                   {
                     Cache found = Cache::attach(name);  // all of the old one, or the new one
                     const bool old = found.stats().capacity_bytes == kMinCapacityBytes;
                     const Contents expected = old ? contents : Contents{};
                     const Contents now = read_all(found, wrong);
                     if (wrong.empty()) wrong = compare(now, expected, expected);
                   }
                   if (wrong.empty()) wrong = open_and_write(name, kOther, true);
                   return wrong.empty() ? left_over(name) : wrong;
                 }});
  return all;
}

bool OpeningRun::maps_segment(const Stepper& child) const {
  std::ifstream maps("/proc/" + std::to_string(child.pid()) + "/maps");
  const std::string path = path_of_segment(name_);
  for (std::string line; std::getline(maps, line);) {
    if (line.find(path) != std::string::npos) return true;
  }
  return false;
}

void OpeningRun::clean() {
  ::unlink(path_of_segment(name_).c_str());
  ::unlink((path_of_segment(name_) + ".next").c_str());
}

void OpeningRun::record() {
  clean();
  opening_.lay_out(name_);
  Stepper child([] {}, [&] { opening_.open(name_); });
  Way way{{0, 0}};
  moments_.push_back(way);
  for (;;) {
    if (way.back().second != 0) way.emplace_back(0, 0);
    if (!child.run_to_system_call()) return;
    ++way.back().first;
    moments_.push_back(way);
    if (!maps_segment(child)) continue;

    // The file under the name, or the one that is to replace it: whichever is being made.
    const std::string next = path_of_segment(name_) + ".next";
    std::error_code error;
    const base::File file = base::File::open(std::filesystem::exists(next) ? next : path_of_segment(name_),
                                             base::File::Access::read, 0600, error);
    const base::Mapping mapping = base::Mapping::map(file, true, error);
    if (error) throw std::runtime_error("cannot look at " + path_of_segment(name_));
    Image seen(mapping.data(), mapping.data() + mapping.size());
    for (bool mapped = true; mapped;) {
      const bool system_call = child.at_system_call();
      if (!child.step()) return;
      ++way.back().second;
      ++row_.instructions;
      const bool changed = std::memcmp(seen.data(), mapping.data(), seen.size()) != 0;
      if (changed) {
        std::memcpy(seen.data(), mapping.data(), seen.size());
        ++row_.images;
      }
      if (changed || system_call) moments_.push_back(way);
      if (system_call) mapped = maps_segment(child);
    }
  }
}

bool OpeningRun::go(Stepper& child, const Way& way) {
  for (const auto& [stops, steps] : way) {
    for (unsigned i = 0; i < stops; ++i) {
      if (!child.run_to_system_call()) return false;
    }
    for (unsigned i = 0; i < steps; ++i) {
      if (!child.step()) return false;
    }
  }
  return true;
}

Row OpeningRun::run() {
  record();
  Checker checker(opening_.examine);
  const auto chosen = choose(moments_.size(), options_.sample, random_);
  for (const std::size_t i : chosen) {
    clean();
    opening_.lay_out(name_);
    {
      Stepper child([] {}, [&] { opening_.open(name_); });
      if (!go(child, moments_[i])) ++row_.astray;
      child.kill();
    }
    ++row_.kills;
    const auto fault = checker.check(name_);
    if (!fault.empty()) {
      report_fault(row_, "killed at moment " + std::to_string(i) + " of " + std::to_string(moments_.size()), fault);
    }
  }
  clean();
  row_.slowest = checker.slowest();
  return row_;
}

}  // namespace forklore::crash
