// The lock of a stripe: from one writer to the next, over a death too.
#include "model/stripe.hpp"

namespace forklore::model {
namespace {

using enum Order;

constexpr Number kOwnerDied = 9;

/// A writer that holds the lock and finds what the one before it left.
std::vector<Scene> handed_over(Orders& orders) {
  const Order lock = orders.at("acquire_lock(): acquire", acquire);
  const Order unlock = orders.at("release_lock(): release", release);
  std::vector<Scene> scenes;
  for (const bool contended : {false, true}) {
    Program p;
    const Location owner = p.word("lock"), sum = p.word("sum");
    const Answer one = p.answer("one"), other = p.answer("other");
    const auto adds = [=](Number me, Answer answer) {
      return [=](Thread& t) {
        t.require(t.compare_exchange(owner, 0, me, lock));
        const Value seen = t.load(sum);
        t.require(seen < 2);
        t.store(sum, seen + 1);
        t.tell(answer, seen);
        if (contended) {  // release_contended()
          t.require(t.load(owner) == me);
          t.exchange(owner, 0, unlock);
        } else {
          t.require(t.compare_exchange(owner, me, 0, unlock));
        }
      };
    };
    p.thread("one", adds(1, one));
    p.thread("other", adds(2, other));
    p.never([=](const Outcome& o) { return o.told(one) && o.told(other) && o[one] == o[other]; });
    scenes.push_back({contended ? "given to who waits: a store lost" : "a store lost", p});
  }

  // Entries: the next writer walks what this one appended, without an order of its own.
  StripeProgram s{0};
  const Location owner = s.word("lock", 1), used = s.word("used");
  const Answer walked = s.answer("walked");
  s.thread("writer", [=](Thread& t) {
    t.store(s.value(1), 1);
    t.store(s.head(1), kKey);
    t.store(used, 1);
    t.store(s.slot(0), 11);
    t.require(t.compare_exchange(owner, 1, 0, unlock));
  });
  s.thread("next", [=](Thread& t) {
    t.require(t.compare_exchange(owner, 0, 2, lock));
    const Value all = t.load(used);
    const Value head = t.load(s.head(1));
    const Value value = t.load(s.value(1));
    const Value slot = t.load(s.slot(0));
    t.tell(walked, all.number == 1 && head.number == kKey && value.number == 1 && slot.number == 11 ? 1 : 0);
  });
  s.never([=](const Outcome& o) { return o.is(walked, 0); });
  scenes.push_back({"the next writer misses what was appended", s});
  return scenes;
}

/// The owner dies. The kernel, or who has waited and finds that it is gone, says so in the lock word.
std::vector<Scene> owner_died(Orders& orders) {
  const Order lock = orders.at("acquire_lock(): acquire", acquire);
  const Order mark = orders.at("mark_dead(): release", release);
  std::vector<Scene> scenes;
  for (const bool by_kernel : {true, false}) {
    Program p;
    const Location owner = p.word("lock", 1), bytes = p.word("bytes"), gone = p.word("gone");
    const Answer seen = p.answer("seen");
    p.thread("owner", [=](Thread& t) {
      t.store(bytes, 1);
      t.fence(seq_cst);  // the kernel's, as the thread ends
      if (by_kernel) {
        t.require(t.compare_exchange(owner, 1, kOwnerDied, relaxed));
      } else {
        t.store(gone, 1, release);
      }
    });
    if (!by_kernel) {
      p.thread("waiter", [=](Thread& t) {
        t.require(t.load(gone, acquire) == 1);  // in the kernel: thread_alive()
        t.require(t.compare_exchange(owner, 1, kOwnerDied, mark));
      });
    }
    p.thread("next", [=](Thread& t) {
      t.require(t.compare_exchange(owner, kOwnerDied, 2, lock));
      t.tell(seen, t.load(bytes));
    });
    p.never([=](const Outcome& o) { return o.is(seen, 0); });
    scenes.push_back({by_kernel ? "the kernel says so: a store of the dead owner missed"
                                : "a waiter says so: a store of the dead owner missed",
                      p});
  }
  return scenes;
}

}  // namespace

std::vector<Protocol> lock_protocols() {
  const std::vector<Memory> everywhere(kMemories.begin(), kMemories.end());
  return {
      {"lock", "who has the lock sees all that its owners before stored, without another order", everywhere,
       handed_over},
      {"owner died", "who takes over sees all that the dead owner stored", everywhere, owner_died},
  };
}

}  // namespace forklore::model
