"""The picture: every request by when its view asked the cache, seen from the expiry nearest to that, and how long its
answer took."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import numpy as np
from contenders import Contender
from matplotlib import pyplot
from trial import Computation, Plan, Records, overtaken

SERVED, OVERTAKEN, COMPUTED = "#4477aa", "#ee9944", "#cc3311"  # told apart by the colour-blind too
MOST_DOTS = 12_000  # of a panel


def draw(drawn: list[tuple[Contender, dict[str, Any], Records]], plan: Plan, file: Path) -> None:
    figure, panels = pyplot.subplots(len(drawn), 1, figsize=(9, 2.3 * len(drawn) + 0.9), sharex=True, sharey=True,
                                     squeeze=False, layout="constrained")  # fmt: skip
    for panel, (contender, result, records) in zip(panels[:, 0], drawn, strict=True):
        draw_one(panel, result, records, plan)
        mean = float(np.mean(result["computations"]))
        panel.set_title(f"{contender.title}: computed {mean:.4g} times for each expiry", loc="left", fontsize=10)
        panel.set_ylabel("answered after, s")
    panels[-1, 0].set_xlabel("asked the cache, seconds from the expiry")
    for colour, words in ((SERVED, "served from the cache"), (OVERTAKEN, "got what was computed meanwhile"),
                          (COMPUTED, "computed")):  # fmt: skip
        panels[0, 0].scatter([], [], s=14, color=colour, label=words)
    figure.legend(loc="outside lower center", ncols=3, fontsize=9)
    figure.suptitle(f"{plan.clients} requests in flight at 8 workers of 8 threads, {plan.expiries} expiries laid over "
                    "one another", fontsize=11)  # fmt: skip
    figure.savefig(file, dpi=130)
    pyplot.close(figure)


def draw_one(panel: Any, result: dict[str, Any], records: Records, plan: Plan) -> None:
    begins = np.array(result["begins"])
    asked, latency = records.asked, records.latency
    since = asked - begins[np.abs(asked[:, None] - begins).argmin(axis=1)]
    near = (records.answered == 1) & (since > -plan.ttl / 2) & (since < plan.ttl / 2 + plan.cost)
    copies = [[[Computation(**one) for one in part] for part in parts] for parts in result["copies"]]
    late, computed = overtaken(records, copies, plan), records.computed == 1
    kinds = ((SERVED, ~computed & ~late, 2), (OVERTAKEN, late, 4), (COMPUTED, computed, 12))
    for colour, chosen, size in kinds:
        places = np.flatnonzero(chosen & near)
        if len(places) > MOST_DOTS:
            places = np.random.default_rng(1).choice(places, MOST_DOTS, replace=False)
        panel.scatter(since[places], latency[places], s=size, color=colour, alpha=0.5, linewidths=0, rasterized=True)
    panel.axvline(0, color="black", linewidth=0.8)
    panel.set_yscale("log")
    panel.grid(alpha=0.3)
