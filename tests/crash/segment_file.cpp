#include "crash/segment_file.hpp"

#include <unistd.h>

#include <cstring>
#include <stdexcept>

#include "session/naming.hpp"

namespace forklore::crash {
namespace {

std::atomic<std::uint32_t>* lock_in(std::byte* bytes, const store::Geometry& geometry) noexcept {
  return &reinterpret_cast<store::StripeHeader*>(bytes + geometry.stripes_at)->lock;
}

}  // namespace

std::string path_of_segment(const std::string& name) { return session::path_of({.name = name}).string(); }

SegmentFile::SegmentFile(const std::string& name) {
  std::error_code error;
  const base::File file = base::File::open(path_of_segment(name), base::File::Access::read_write, 0600, error);
  if (!error) mapping_ = base::Mapping::map(file, false, error);
  if (error) throw std::runtime_error(name + ": cannot map its file: " + error.message());
  std::string why;
  const auto description = store::describe(*reinterpret_cast<const store::SegmentHeader*>(data()), size(), why);
  if (!description) throw std::runtime_error(name + ": is no segment: " + why);
  geometry_ = description->geometry;
}

void SegmentFile::put(const Image& image) noexcept { std::memcpy(data(), image.data(), image.size()); }

std::uint32_t lock_word(const Image& image, const store::Geometry& geometry) noexcept {
  return lock_in(const_cast<std::byte*>(image.data()), geometry)->load(std::memory_order_relaxed);
}

void set_lock_word(Image& image, const store::Geometry& geometry, std::uint32_t word) noexcept {
  lock_in(image.data(), geometry)->store(word, std::memory_order_relaxed);
}

void write_segment(const std::string& name, Image image) {
  std::error_code error;
  ::unlink(path_of_segment(name).c_str());
  const base::File file = base::File::open(path_of_segment(name), base::File::Access::create, 0600, error);
  if (error) throw std::runtime_error(name + ": cannot make its file: " + error.message());
  const base::FileIdentity identity = file.identity();
  auto* header = reinterpret_cast<store::SegmentHeader*>(image.data());
  header->device = identity.device;
  header->inode = identity.inode;
  if (::pwrite(file.descriptor(), image.data(), image.size(), 0) != static_cast<ssize_t>(image.size())) {
    throw std::runtime_error(name + ": cannot write its file");
  }
}

}  // namespace forklore::crash
