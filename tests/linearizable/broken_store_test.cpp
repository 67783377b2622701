// Each store that is broken on purpose is found out by its histories, and the honest one is not accused.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include "linearizable/round.hpp"
#include "seed.hpp"

using namespace forklore;
using namespace forklore::linearizable;

TEST_CASE("the checker reports every broken store, and not the honest one") {
  const std::uint64_t seed = tests::seed();
  MESSAGE("seed " << seed);
  REQUIRE(store_names().size() == 8);
  REQUIRE(store_names().front() == "honest");
  constexpr unsigned kRounds = 40;  // one or two do, as a rule
  for (const std::string& store : store_names()) {
    CAPTURE(store);
    const bool honest = store == "honest";
    Tally tally;
    while (tally.rounds < (honest ? 4 : kRounds) && tally.faults.empty()) {
      tally.add(run_round({.scenario = scenarios().front(), .store = store, .kills = 10, .seed = seed + tally.rounds}));
    }
    MESSAGE(store << ": " << tally.rounds << " rounds, " << tally.calls << " calls, "
                  << (tally.faults.empty() ? std::string("nothing found") : tally.faults.front()));
    CHECK(tally.faults.empty() == honest);
    for (const std::string& fault : tally.faults) CHECK(fault.find("no order explains") != std::string::npos);
  }
}
