"""The goals that a release is held to: each with what was aimed at, what was measured, and one word.

`met` needs the whole: the size of the gain and an interval that excludes zero. `missed` stands as large
as `met`; a mean on the right side whose interval reaches zero is `not resolved`. What was not played, or
cannot be told, is `not measured`. A goal that is met on more passive fills than the other's, in a market
whose gate has not passed, is `met †`, and † is no claim.
"""

from collections.abc import Iterator
from typing import Any, Final

from research.validation.gate import doubtful
from research.validation.statistics import CLUSTERS_TOLD

MET, MISSED, UNKNOWN, DOUBTFUL = "met", "missed", "not measured", "met †"
OPEN: Final = "not resolved"
AGAINST: Final = (("best", 0.20), ("twap", 0.45), ("vwap", 0.35), ("almgren-chriss", 0.30))  # T1, of theirs
WON: Final = 0.90  # of regimes
IMPACT: Final = 0.50  # of the crossing TWAP's
THIN_BPS: Final = 0.25  # a cost below is too near to zero to take shares of
KEPT: Final = 0.60  # of the gain, in simulators that were not trained in
AA_BAND: Final = 0.015  # around 5 %
SEEDS: Final = 5
NAMED_MAX: Final = 8  # regimes; the tables have them all
LEARNT, ELSEWHERE, OTHERS = "T1", "T2", "T3"
Row = dict[str, str]


def goals(found: dict[str, Any]) -> list[Row]:
    """Return a row for each goal, in the order of a reader's interest."""
    tiers = found["tiers"]
    rows: list[Row] = []
    if LEARNT in tiers:
        rows += gains(found, tiers[LEARNT])
        rows += in_markets(found, tiers[LEARNT])
        rows += [seeds(found, tiers[LEARNT]), impact(found, tiers[LEARNT]), worst(found, tiers[LEARNT])]
        rows.append(deviation(found, tiers[LEARNT]))
    rows += [*regimes(found, tiers), not_worse(tiers, "twap-passive")]
    if LEARNT in tiers and OTHERS in tiers:
        rows += [kept(found, tiers, "twap"), kept(found, tiers, "best")]
    rows += learners(found)
    rows += [aa(found), interval_size(tiers)]
    return rows + tapes(found.get("tape") or {})


def row(goal: str, aim: str, measured: str, verdict: str) -> Row:
    """Return one line."""
    return {"goal": goal, "aim": aim, "measured": measured, "verdict": verdict}


def interval(one: dict[str, Any]) -> str:
    """Return a difference as it is read."""
    share = f" ({one['share']:+.1%})" if one.get("share") is not None else f" (theirs {one['cost']:+.3f})"
    return f"{one['mean']:+.3f} [{one['low']:+.3f}, {one['high']:+.3f}] bps{share}"


def word(good: bool, doubtful: bool = False) -> str:
    """Return met or missed."""
    return (DOUBTFUL if doubtful else MET) if good else MISSED


def lower(d: dict[str, Any], doubtful: bool = False) -> str:
    """Return whether a difference is below zero: met beyond its interval, not resolved within it."""
    if d["mean"] > 0.0:
        return MISSED
    told = d.get("clusters", CLUSTERS_TOLD) >= CLUSTERS_TOLD
    return word(True, doubtful) if told and d["high"] < 0.0 else OPEN


def gains(found: dict[str, Any], one: dict[str, Any]) -> list[Row]:
    """Return the headline and its companions, without hidden price improvement for crossing and with it."""
    rows = []
    for name, least in AGAINST:
        got = one["against"].get(name)
        if got is None:
            rows.append(row(f"shortfall against {name}", f"-{least:.0%}", "-", UNKNOWN))
            continue
        hidden = one["against_with_hidden"][name]
        good = all(reached(each, least) for each in (got, hidden))
        who = f"the best rule ({got['is']})" if name == "best" else name
        rows.append(
            row(
                f"{LEARNT}: shortfall against {who}",
                f"-{least:.0%}, interval below 0",
                f"{interval(got)}; with hidden price improvement {interval(hidden)}",
                word(good, doubtful(found, got)),
            )
        )
    return rows


def in_markets(found: dict[str, Any], one: dict[str, Any]) -> list[Row]:
    """Return the gain on each market's own best rule: one over all of them may be one market's alone."""
    rows = []
    for market, against in one.get("markets", {}).items():
        got = against.get("best")
        if got is not None and len(one["markets"]) > 1:
            goal = f"{LEARNT} in {market} alone: against its best rule ({got['is']})"
            rows.append(
                row(goal, "interval below 0", interval(got), word(got["high"] < 0.0, doubtful(found, got)))
            )
    return rows


def reached(one: dict[str, Any], least: float) -> bool:
    """Say whether a gain is as large as was aimed at, and no chance.

    Of a cost near zero a share means nothing: there the gain must be that share of THIN_BPS.
    """
    return bool(one["high"] < 0.0 and one["mean"] <= -least * max(one["cost"], THIN_BPS))


def seeds(found: dict[str, Any], one: dict[str, Any]) -> Row:
    """Return how many training seeds beat the best rule."""
    names = [s["name"] for s in found["subjects"]]
    rows = [one["subjects"].get(name, {}).get("best") for name in names]
    good = [r for r in rows if r is not None and r["high"] < 0.0]
    said = f"{len(good)} of {len(names)}"
    verdict = UNKNOWN if len(names) < SEEDS else word(len(good) == len(names), doubtful(found, *good))
    return row(
        f"{LEARNT}: training seeds significant against the best rule", f"{SEEDS} of {SEEDS}", said, verdict
    )


def impact(found: dict[str, Any], one: dict[str, Any]) -> Row:
    """Return the twin-measured impact against the crossing TWAP's."""
    got, twap = one["impact_against"].get("twap"), one["contenders"].get("twap")
    goal, aim = f"{LEARNT}: impact measured by the twin, against twap", f"-{IMPACT:.0%}, interval below 0"
    if got is None or twap is None or twap["impact"] <= 0.0:
        return row(goal, aim, "-", UNKNOWN)
    share = got["mean"] / twap["impact"]
    said = f"{got['mean']:+.3f} [{got['low']:+.3f}, {got['high']:+.3f}] bps ({share:+.1%})"
    good = got["high"] < 0.0 and share <= -IMPACT
    return row(goal, aim, said, word(good, doubtful(found, one["against"]["twap"])))


def worst(found: dict[str, Any], one: dict[str, Any]) -> Row:
    """Return the worst twentieth of orders against the best rule's."""
    best = one["against"].get("best", {}).get("is", "")
    got = one["risk_against"].get(best)
    goal, aim = f"{LEARNT}: CVaR95 against the best rule ({best or '-'})", "no higher"
    if got is None:
        return row(goal, aim, "-", UNKNOWN)
    d = got["cvar95"]
    said = f"{d['mean']:+.2f} [{d['low']:+.2f}, {d['high']:+.2f}] bps"
    return row(goal, aim, said, lower(d, doubtful(found, one["against"]["best"])))


def deviation(found: dict[str, Any], one: dict[str, Any]) -> Row:
    """Return the deviation less the twin's exogenous move against the crossing TWAP's."""
    got = one["risk_against"].get("twap")
    goal, aim = f"{LEARNT}: deviation without the twin's move, against twap", "below"
    if got is None:
        return row(goal, aim, "-", UNKNOWN)
    d = got["sd_without_exogenous"]
    return row(
        goal,
        aim,
        f"{d['mean']:+.2f} [{d['low']:+.2f}, {d['high']:+.2f}] bps",
        lower(d, doubtful(found, one["against"]["twap"])),
    )


def regimes(found: dict[str, Any], tiers: dict[str, Any]) -> list[Row]:
    """Return how many regimes were won and lost, against the crossing TWAP and each tier's best rule."""
    played = [tiers[name] for name in (LEARNT, ELSEWHERE) if name in tiers]
    count = sum(one["regimes"] for one in played)
    if not count:
        return []
    rows = []
    for who, suffix in (("twap", ""), ("the best rule", "_best")):
        won, lost = (sum(one[f"{what}{suffix}"] for one in played) for what in ("won", "lost"))
        said = f"{won} of {count} ({won / count:.0%})"
        unproven = doubtful(found, *won_rows(played, suffix))
        rows.append(row(f"regimes won against {who}", f"{WON:.0%}", said, word(won >= WON * count, unproven)))
        named = ", ".join(lost_names(played, suffix)[:NAMED_MAX])
        said = f"{lost}: {named}" if lost else "0"
        rows.append(row(f"regimes worse than {who} by more than 0.1 bps", "none", said, word(lost == 0)))
    return rows


def not_worse(tiers: dict[str, Any], name: str) -> Row:
    """Return the regimes of every simulated tier in which it is worse than a rule, and no chance."""
    cells = [cell for tier in (LEARNT, ELSEWHERE, OTHERS) for cell in tiers.get(tier, {}).get("cells", [])]
    lost = [c["scenario"] for c in cells if name in c["against"] and c["against"][name]["low"] > 0.0]
    said = f"{len(lost)} of {len(cells)}" + (f": {', '.join(lost[:NAMED_MAX])}" if lost else "")
    verdict = word(not lost) if any(name in c["against"] for c in cells) else UNKNOWN
    return row(f"T1 to T3: regimes significantly worse than {name}", "none", said, verdict)


def lost_names(played: list[dict[str, Any]], suffix: str) -> list[str]:
    """Return the regimes that were lost."""
    return [cell["scenario"] for cell, against in judged(played, suffix, "lost")]


def won_rows(played: list[dict[str, Any]], suffix: str) -> list[dict[str, Any]]:
    """Return the comparisons of the regimes that were won."""
    return [cell["against"][against] for cell, against in judged(played, suffix, "won")]


def judged(played: list[dict[str, Any]], suffix: str, verdict: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield the regimes of one verdict and whom they were held against: TWAP, or the tier's best."""
    for one in played:
        best = one["against"].get("best", {}).get("is")
        for cell in one.get("cells", []):
            against = best if suffix else cell["against_what"]
            if cell["verdicts"].get(against) == verdict:
                yield cell, against


def kept(found: dict[str, Any], tiers: dict[str, Any], name: str) -> Row:
    """Return how much of the gain is kept in simulators that nothing was trained in."""
    here, there = (tiers[tier]["against"].get(name) for tier in (LEARNT, OTHERS))
    goal = f"gain against {'the best rule' if name == 'best' else name} kept in unseen simulators"
    aim = f"{KEPT:.0%} or more"
    if here is None or there is None or here["high"] >= 0.0:
        return row(goal, aim, "no gain to keep", UNKNOWN)
    shares = [one.get("share") for one in (here, there)]
    if None in shares:
        share = there["mean"] / here["mean"]
        said = f"{share:.0%} of the gain in bps ({there['mean']:+.3f} of {here['mean']:+.3f})"
    else:
        share = shares[1] / shares[0]
        said = f"{share:.0%} ({shares[1]:+.1%} there, {shares[0]:+.1%} in {LEARNT})"
    said += f", [{there['low']:+.3f}, {there['high']:+.3f}] bps there"
    if share >= KEPT and there["high"] >= 0.0:  # so much of it may be luck there
        return row(goal, aim, said, OPEN)
    return row(goal, aim, said, word(share >= KEPT, doubtful(found, here, there)))


def learners(found: dict[str, Any]) -> list[Row]:
    """Return whether other learners beat the crossing TWAP too."""
    rows = []
    for one in found["also"]:
        got = found["tiers"].get(LEARNT, {}).get("subjects", {}).get(one["name"], {}).get("twap")
        said, verdict = "-", UNKNOWN
        if got is not None:
            said, verdict = interval(got), word(got["high"] < 0.0, doubtful(found, got))
        rows.append(row(f"{LEARNT}: {one['about']} against twap", "interval below 0", said, verdict))
    return rows


def aa(found: dict[str, Any]) -> Row:
    """Return how often TWAP differs from itself."""
    rejects = (found.get("aa") or {}).get("rejects")
    said = "-" if rejects is None else f"{rejects:.2%} of {found['aa']['repetitions']:,} pairs"
    verdict = UNKNOWN if rejects is None else word(abs(rejects - 0.05) <= AA_BAND)
    return row("A/A: TWAP against TWAP on disjoint seeds rejects", "5 ± 1.5 %", said, verdict)


def interval_size(tiers: dict[str, Any]) -> Row:
    """Return how often the interval of a claim misses a difference that is not there."""
    one = tiers.get(LEARNT, {}).get("rejects_nothing") or {}
    goal = f"{LEARNT}: the claim's own interval on real differences with their mean taken away misses zero"
    if not one:
        return row(goal, "5 ± 1.5 %", "-", UNKNOWN)
    said = f"{one['rejects']:.2%} of {one['repetitions']:,}, against {one['against']}"
    return row(goal, "5 ± 1.5 %", said, word(abs(one["rejects"] - 0.05) <= AA_BAND))


def tapes(tape: dict[str, Any]) -> list[Row]:
    """Return what recorded tapes say against resting and against the best: lower, and not worse."""
    rows = []
    for one in tape.get("rows", []):
        if one["hidden_improvement"] or one["against"] not in ("twap-passive", "best"):
            continue
        who = f"the best rule ({one['is']})" if "is" in one else one["against"]
        said = f"{interval(one)}, {one['detectable']:.2f} detectable"
        rows.append(
            row(
                f"T4: tapes against {who}, propagator x{one['propagator']:g}",
                "lower, and not worse",
                said,
                lower(one),
            )
        )
    return rows or [row("T4: recorded tapes", "lower, and not worse", "-", UNKNOWN)]
