// The axioms, in the words of herd's cat files, and what compilers make of C++'s orders.
//
//                  x86                 ARMv8
//   load           mov                 ldr
//   load acquire   mov                 ldapr, the weaker of the two that compilers choose from; marked Q below
//   load seq_cst   mov                 ldar, marked A
//   store release  mov                 stlr, marked L
//   fence acquire  nothing             dmb ishld
//   fence release  nothing             dmb ish
//   fence seq_cst  mfence              dmb ish
//   compare-exchange, exchange
//                  lock cmpxchg, xchg  ldxr and stxr, or cas and swp: acquire makes the load A, release the store L
//
// x86: x86tso.cat (Sewell, Sarkar, Owens, Zappa Nardelli, Myreen, CACM 2010).
// ARMv8: aarch64.cat by Deacon and Alglave, the Arm Architecture Reference Manual's own (Alglave, Deacon,
// Grisenthwaite, Hacquard, Maranget, TOPLAS 2021; Pulte, Flur, Deacon, French, Sarkar, Sewell, POPL 2018). Left out is
// what no program here has: isb, dmb st, mixed sizes, tags; and [A];amo;[L], which makes a swap a full barrier.
// C++: rc11.cat (Lahav, Vafeiadis, Kang, Hur, Dreyer, PLDI 2017), with C++20's shorter release sequences.
#include "model/memory_model.hpp"

namespace forklore::model {
namespace {

bool is_seq_cst(Order order) { return order == Order::seq_cst; }

struct Parts {
  explicit Parts(const Execution& x)
      : external(x.same_word - x.same_thread), po_loc(x.po & x.same_word), coherence(x.co | x.fr) {}
  Relation external;
  Relation po_loc;
  Relation coherence;  // cat's ca
};

/// No write came between the two halves of a read-modify-write.
bool is_atomic(const Execution& x) { return (x.rmw & (x.fr - x.same_thread).then(x.co - x.same_thread)).empty(); }

/// Each word by itself behaves.
bool is_coherent(const Execution& x, const Parts& parts) {
  return (parts.po_loc | x.rmw | parts.coherence | x.rf).acyclic();
}

Relation x86_effects(const Execution& x) {
  const Relation po_writes = x.po.after(x.writes).before(x.writes);
  const Relation po_reads = x.po.after(x.reads).before(x.reads | x.writes);
  const Events full = x.having(x.fences, is_seq_cst);
  const Relation fenced = x.po.before(full).then(x.po.after(full));
  const Relation store_load = x.po.after(x.writes).before(x.reads);
  const Events locked = x.exclusive();
  const Relation implied = store_load.after(locked) | store_load.before(locked);
  return po_writes | po_reads | fenced | implied | (x.rf - x.same_thread) | x.fr | x.co;
}

Relation armv8_effects(const Execution& x) {
  const Parts parts(x);
  const Events amo = x.exclusive();
  const Events loads = x.having(x.reads, acquires);
  const Events A = x.having(x.reads, is_seq_cst) | (loads & amo);
  const Events Q = loads & ~A;
  const Events L = x.having(x.writes, releases);
  const Events dmb_full = x.having(x.fences, releases);
  const Events dmb_ld = x.having(x.fences, acquires) & ~dmb_full;

  const Relation obs = (x.rf | x.fr | x.co) - x.same_thread;
  const Relation lws = parts.po_loc.before(x.writes);
  // lrs: from a write to the reads of its word behind it, up to the next write.
  const Relation lrs = parts.po_loc.after(x.writes).before(x.reads) - parts.po_loc.before(x.writes).then(parts.po_loc);
  const Relation dob = x.address | x.data | x.control.before(x.writes) | x.address.then(x.po).before(x.writes) |
                       (x.address | x.data).then(lrs);
  const Relation aob = x.rmw | x.rmw.then(lrs).before(A | Q);
  const Relation bob = x.po.before(dmb_full).then(x.po.after(dmb_full)) | x.po.after(L).before(A) |
                       x.po.after(x.reads).before(dmb_ld).then(x.po.after(dmb_ld)) | x.po.after(A | Q) | x.po.before(L);
  return obs | lws | dob | aob | bob;
}

Relation happens_before(const Execution& x) {
  const Events acquire = x.having(x.reads | x.fences, acquires);
  const Events release = x.having(x.writes | x.fences, releases);
  const Relation fence_before = x.po.after(x.fences).optional();
  const Relation fence_behind = x.po.before(x.fences).optional();
  const Relation sequence = x.rf.then(x.rmw).closure().optional();  // C++20: of read-modify-writes alone
  const Relation synchronizes =
      fence_before.after(release).then(sequence.after(x.writes)).then(x.rf).then(fence_behind.before(acquire));
  return (x.po | synchronizes).closure();
}

bool cpp_can_happen(const Execution& x) {
  const Relation hb = happens_before(x);
  const Relation eco = (x.rf | x.co | x.fr).closure();
  if (!hb.then(eco.optional()).irreflexive()) return false;
  if (!(x.po | x.rf).acyclic()) return false;

  const Events sc_fences = x.having(x.fences, is_seq_cst);
  const Events sc = sc_fences | x.having(x.reads | x.writes, is_seq_cst);
  if (sc == 0) return true;
  const Relation elsewhere = x.po - x.same_word;
  const Relation scb = x.po | elsewhere.then(hb).then(elsewhere) | (hb & x.same_word) | x.co | x.fr;
  Relation none(static_cast<unsigned>(x.events.size()));
  const Relation itself = none.optional();
  const Relation from = itself.after(sc) | hb.optional().after(sc_fences);
  const Relation to = itself.before(sc) | hb.optional().before(sc_fences);
  const Relation between_fences = (hb | hb.then(eco).then(hb)).after(sc_fences).before(sc_fences);
  return (from.then(scb).then(to) | between_fences).acyclic();
}

}  // namespace

std::string_view to_string(Memory memory) noexcept {
  switch (memory) {
    case Memory::x86:
      return "x86";
    case Memory::armv8:
      return "ARMv8";
    case Memory::cpp:
      return "C++";
  }
  return "";
}

Relation effects(const Execution& execution, Memory memory) {
  switch (memory) {
    case Memory::x86:
      return x86_effects(execution);
    case Memory::armv8:
      return armv8_effects(execution);
    case Memory::cpp:
      return happens_before(execution);
  }
  return execution.po;
}

bool can_happen(const Execution& execution, Memory memory) {
  if (!is_atomic(execution) || !is_coherent(execution, Parts(execution))) return false;
  return memory == Memory::cpp ? cpp_can_happen(execution) : effects(execution, memory).acyclic();
}

}  // namespace forklore::model
