#include "model/execution.hpp"

#include <stdexcept>

namespace forklore::model {
namespace {

unsigned sum_of_sizes(const std::vector<const Way*>& ways) {
  std::size_t sum = 0;
  for (const Way* way : ways) sum += way->size();
  if (sum > kMostEvents) throw std::logic_error("a program of too many events");
  return static_cast<unsigned>(sum);
}

}  // namespace

Execution::Execution(const std::vector<const Way*>& ways)
    : po(sum_of_sizes(ways)),
      address(po),
      data(po),
      control(po),
      rmw(po),
      same_word(po),
      same_thread(po),
      rf(po),
      co(po),
      fr(po) {
  for (unsigned thread = 0; thread < ways.size(); ++thread) {
    const auto begin = static_cast<unsigned>(events.size());
    for (const Event& event : *ways[thread]) {
      const auto i = static_cast<unsigned>(events.size());
      events.push_back({&event, thread, i - begin + 1});
      for (unsigned earlier = begin; earlier < i; ++earlier) po.add(earlier, i);
      for_each(event.address << begin, [&](unsigned source) { address.add(source, i); });
      for_each(event.data << begin, [&](unsigned source) { data.add(source, i); });
      for_each(event.control << begin, [&](unsigned source) { control.add(source, i); });
      (event.kind == Event::Kind::read ? reads : event.kind == Event::Kind::write ? writes : fences) |= only(i);
      if (event.exclusive && event.kind == Event::Kind::write) rmw.add(i - 1, i);
    }
  }
  for (unsigned a = 0; a < events.size(); ++a) {
    for (unsigned b = 0; b < events.size(); ++b) {
      if (events[a].thread == events[b].thread) same_thread.add(a, b);
      if (((only(a) | only(b)) & fences) == 0 && events[a].event->location == events[b].event->location) {
        same_word.add(a, b);
      }
    }
  }
}

void Execution::derive() {
  fr = rf.inverse().then(co);
  // A read that no write leads to found what was there initially, which every write comes after.
  Events read_a_write = 0;
  for_each(writes, [&](unsigned write) { read_a_write |= rf.from(write); });
  for_each(reads & ~read_a_write, [&](unsigned read) { fr.add(read, same_word.from(read) & writes); });
}

}  // namespace forklore::model
