"""What makes a header or a session message of an OMS wrong, whatever its number. Pure."""

from typing import Final

from gateways.fix.wire import SOH, read_int, read_text, read_utc_ns

REQUIRED, EMPTY, TIME, TWICE = "1", "4", "10", "13"  # SessionRejectReason(373)
ADMIN_TYPES: Final = frozenset(["0", "1", "2", "3", "4", "5", "A"])
NEEDED: Final = {"2": "7", "4": "36"}  # without it there is nothing to be done
HEADER: Final = frozenset(["8", "9", "34", "35", "43", "49", "52", "56", "97", "122"])


def malformed(raw: str, tags: dict[str, str], kind: str) -> tuple[str, str, str] | None:
    """Return SessionRejectReason(373), a line and the tag where something is wrong, None where nothing is."""
    once = HEADER if kind not in ADMIN_TYPES else None
    if len(tags) != raw.count(SOH):
        seen: set[str] = set()
        for tag in (f.partition("=")[0] for f in raw.split(SOH)[:-1]):
            if tag in seen and (once is None or tag in once):
                return TWICE, f"{tag} comes twice", tag
            seen.add(tag)
    empty = next((tag for tag, value in tags.items() if not value), None)
    if empty is not None:  # is it an instruction that got lost, or none? Nobody here may choose
        return EMPTY, f"{read_text(empty[:20])} has no value", empty if read_int(empty, 9) else ""
    if tags.get("43") == "Y":
        first_ns, sent_ns = read_utc_ns(tags.get("122", "")), read_utc_ns(tags.get("52", ""))
        if first_ns is None:
            return REQUIRED, "43=Y needs OrigSendingTime(122)", "122"
        if sent_ns is not None and first_ns > sent_ns:
            return TIME, "OrigSendingTime(122) is after SendingTime(52)", "122"
    if kind in NEEDED and NEEDED[kind] not in tags:
        return REQUIRED, f"{NEEDED[kind]} is missing", NEEDED[kind]
    return None
