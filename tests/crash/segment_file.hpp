// segment_file.hpp - A segment's bytes outside of any process: taken from its file, put into a new one.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/mapping.hpp"
#include "store/segment.hpp"

namespace forklore::crash {

using Image = std::vector<std::byte>;

/// The file of a shared-memory segment of this user.
std::string path_of_segment(const std::string& name);

/// A segment's file, mapped writable beside whatever the library maps of it.
class SegmentFile {
 public:
  /// Throws std::runtime_error if there is no finished segment of that name.
  explicit SegmentFile(const std::string& name);

  [[nodiscard]] std::byte* data() const noexcept { return mapping_.data(); }
  [[nodiscard]] std::size_t size() const noexcept { return mapping_.size(); }
  [[nodiscard]] const store::Geometry& geometry() const noexcept { return geometry_; }
  [[nodiscard]] std::byte* stripe() const noexcept { return data() + geometry_.stripes_at; }
  [[nodiscard]] Image take() const { return {data(), data() + size()}; }
  /// Only while nobody is in a call.
  void put(const Image& image) noexcept;

 private:
  base::Mapping mapping_;
  store::Geometry geometry_;
};

/// The lock word of an image's first stripe.
std::uint32_t lock_word(const Image& image, const store::Geometry& geometry) noexcept;
void set_lock_word(Image& image, const store::Geometry& geometry, std::uint32_t word) noexcept;

/// Makes a file under name that holds the image and says of itself that it is the original, so that whoever opens it
/// attaches as to a segment that others use: locks are taken as they stand, not set anew.
void write_segment(const std::string& name, Image image);

}  // namespace forklore::crash
