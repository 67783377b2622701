#include "session/header.hpp"

#include <algorithm>
#include <cstddef>

namespace forklore::session {
namespace {

/// Whether this library may have died while it wrote the header. A maker writes into zeroes, and the magic word last.
bool may_be_unfinished(const store::SegmentHeader& header, std::uint64_t bytes) noexcept {
  const auto zero_or = [](auto is, auto made) { return is == 0 || is == made; };
  return header.magic.load(std::memory_order_relaxed) == 0 && zero_or(header.format_version, store::kFormatVersion) &&
         zero_or(header.layout_check, store::layout_check()) && zero_or(header.capacity, bytes);
}

}  // namespace

FileHeader read_header(const base::File& file) {
  alignas(store::SegmentHeader) std::byte head[sizeof(store::SegmentHeader)] = {};
  const auto& header = *reinterpret_cast<const store::SegmentHeader*>(head);
  const std::uint64_t bytes = file.size();
  const std::size_t known = std::min<std::uint64_t>(bytes, sizeof head);
  FileHeader is;
  if (!file.read_start(head, known)) return is;
  if (std::all_of(head, head + sizeof head, [](std::byte byte) { return byte == std::byte{0}; })) return is;
  is.description = store::describe(header, bytes, is.fault);
  if (is.description) {
    is.kind = FileHeader::Kind::segment;
  } else if (header.magic.load(std::memory_order_relaxed) == store::kMagic) {
    is.kind = FileHeader::Kind::refused;
  } else if (known < sizeof head || !may_be_unfinished(header, bytes)) {
    is.kind = FileHeader::Kind::foreign;
    is.fault = "it does not begin as a Forklore segment does";
  }
  return is;
}

}  // namespace forklore::session
