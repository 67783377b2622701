#include "records.hpp"

#include <string>

namespace forklore::python {
namespace py = pybind11;

namespace {

py::object text(const std::string& bytes) {
  return py::reinterpret_steal<py::object>(
      PyUnicode_DecodeFSDefaultAndSize(bytes.data(), static_cast<Py_ssize_t>(bytes.size())));
}

}  // namespace

py::object to_python(const Stats& stats) {
  py::tuple processes(stats.processes.size());
  for (std::size_t i = 0; i < stats.processes.size(); ++i) processes[i] = py::int_(stats.processes[i]);
  using py::literals::operator""_a;
  return py::module_::import("forklore.stats")
      .attr("Stats")(
          "capacity_bytes"_a = stats.capacity_bytes, "max_value_bytes"_a = stats.max_value_bytes,
          "stripes"_a = stats.stripes, "chunk_bytes"_a = stats.chunk_bytes, "chunks"_a = stats.chunks,
          "free_chunks"_a = stats.free_chunks, "when_full"_a = stats.when_full == WhenFull::evict ? "evict" : "reject",
          "age_seconds"_a = stats.age_seconds, "entries"_a = stats.entries, "slots"_a = stats.slots,
          "live_bytes"_a = stats.live_bytes, "index_bytes"_a = stats.index_bytes, "hits"_a = stats.hits,
          "misses"_a = stats.misses, "writes"_a = stats.writes, "erases"_a = stats.erases, "refused"_a = stats.refused,
          "busy"_a = stats.busy, "rereads"_a = stats.rereads, "evictions"_a = stats.evictions,
          "bucket_evictions"_a = stats.bucket_evictions, "expirations"_a = stats.expirations, "moves"_a = stats.moves,
          "reclaims"_a = stats.reclaims, "recoveries"_a = stats.recoveries, "resets"_a = stats.resets,
          "reattachments"_a = stats.reattachments, "processes"_a = processes);
}

py::object to_python(const SegmentInfo& info) {
  using py::literals::operator""_a;
  return py::module_::import("forklore.stats")
      .attr("SegmentInfo")("name"_a = text(info.name), "path"_a = text(info.path), "owner"_a = info.owner,
                           "capacity_bytes"_a = info.capacity_bytes, "attached"_a = info.attached);
}

}  // namespace forklore::python
