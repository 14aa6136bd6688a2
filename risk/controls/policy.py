"""R50 who decided and when; R61, R65 orders without an answer; R18, R70 and other postures."""

from market.types import MS
from risk import checks
from risk.case import Case
from risk.controls.exposure import reduce_only
from risk.limits import is_listed
from risk.posture import Posture, posture_in

ACTIVE = Posture.ACTIVE


def decision(case: Case) -> None:
    """R50: made by a listed policy, not in the future, and not long ago."""
    made, limits = case.decision, case.limits
    if made is None:
        case.fail("R50", "", "", "no decision stands behind this order")
        return
    if not policy_listed(made.policy, made.artefact, case):
        case.fail("R50", made.artefact or made.policy, "allowed", "policy is not listed")
    age_ns = case.stamp.mono_ns - made.decided_mono_ns
    cap_ns = limits.policy.decision_age_max_ms * MS
    if made.decided_mono_ns <= 0 or age_ns < 0 or not checks.within(age_ns, cap_ns):
        case.fail("R50", age_ns, cap_ns, "age of the decision, ns")


def policy_listed(policy: str, artefact: str, case: Case) -> bool:
    """Return whether the limits list this policy: a frozen one by its hash, others by name."""
    allowed = case.limits.allowed
    return is_listed(artefact, allowed.artefacts) if artefact else is_listed(policy, allowed.policies)


def unanswered(case: Case) -> None:
    """R61: an order of this symbol has had no answer for too long."""
    if case.overdue:
        case.fail("R61", case.overdue, 0, "orders of this symbol without an answer")


def in_flight(case: Case) -> None:
    """R65: orders without an answer; more of them than the engine's buffers hold could be late."""
    value, cap = len(case.ledger.unanswered) + 1, case.limits.sessions.in_flight_max
    if not checks.within(value, cap):
        case.fail("R65", value, cap, "orders without an answer")


def posture(case: Case) -> None:
    """R70 and every other cause that stops this order."""
    terms, table = case.terms, case.posture
    worst = table.of(case.terms.account, strategy_of(case), terms.parent_id, terms.symbol)
    if worst is ACTIVE:
        return
    if worst is Posture.REDUCE_ONLY:
        reduce_only(case)
        return
    for key in table.holding(terms.account, strategy_of(case), terms.parent_id, terms.symbol):
        cause = key.partition("@")[0]
        held = posture_in(cause, table.life(key))
        if held >= Posture.HALTED:
            case.fail(cause, held.name, Posture.ACTIVE.name, table.causes[key])


def strategy_of(case: Case) -> str:
    """Return who decided: limits and postures of strategies go by this name."""
    return case.decision.policy if case.decision is not None else ""
