"""Plays a case of a conformance list over a line: what the notation says, done and checked."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from tests.conformance.cases import Case, Step
from tests.conformance.wire import Line, LineClosedError, Pairs, Slip

QUIET: Final = frozenset({"0"})  # heartbeats are no news
SILENCE_S: Final = 0.3
PASSED_MAX: Final = 50  # messages passed over by <~

Connect = Callable[[Line, Pairs, Slip], Line]  # after this line: another one, logged on with these fields too
Do = Callable[[str], None]


class Play:
    """One case on one connection."""

    def __init__(
        self,
        case: Case,
        unique: str,
        connect: Connect,
        line: Line,
        do: Do | None = None,
        asides: frozenset[str] = frozenset(),
    ) -> None:
        """`asides`: messages that may come at any time, and are no answer."""
        self.case = case
        self.line = line
        self._unique = unique
        self._connect = connect
        self._do = do
        self._asides = asides
        self._kept: dict[str, str] = {}
        self._tests = 0
        self._seen: list[str] = []
        self._deaf = "deaf" in case.options

    def run(self) -> None:
        """Play every line.

        Raises:
            AssertionError: the other side did something else; case line and what was seen are told.

        """
        for step in self.case.steps:
            try:
                self._step(step)
            except (AssertionError, LineClosedError, TimeoutError) as e:
                seen = "\n    ".join(self._seen[-12:])
                kind = type(e).__name__
                raise AssertionError(f"{step.where} {self.case.name!r}: {kind} {e}\n    {seen}") from e

    def _step(self, step: Step) -> None:
        match step.verb:
            case ">":
                fields = [(tag, self._filled(value)) for tag, value in step.fields]
                data = self.line.frame(step.msg_type, fields, step.slip)
                self._seen.append(f"> {data.decode().replace(chr(1), '|')}")
                if not step.slip.held:
                    self.line.send(data, halves=step.slip.halves)
            case ">>":
                self.line.send(self._filled(step.raw).replace("|", "\x01").encode())
            case "<":
                self._match(step, self._answer(step.msg_type))
            case "<~":
                self._within(step)
            case ".":
                self._alive()
            case "x":
                self._closes()
            case "none":
                self._silence()
            case "drop":
                self.line.close()
            case "!":
                assert self._do is not None, "nobody to do it"
                self._do(self._filled(step.raw))
            case "jump":
                self.line.seq = int(self._filled(step.raw))
            case _:
                fields = [(tag, self._filled(value)) for tag, value in step.fields]
                self.line = self._connect(self.line, fields, step.slip)

    def _filled(self, text: str) -> str:
        def value(match: re.Match[str]) -> str:
            name = match[1]
            if name == "now":
                return f"{datetime.now(UTC):%Y%m%d-%H:%M:%S.%f}"[:-3]
            if name in ("seq", "heard"):
                return str(getattr(self.line, name) + int(match[2] or 0))
            if name in self._kept:
                return self._kept[name]
            assert re.fullmatch("[A-Z][0-9]?", name), f"nothing was kept as {name}"
            return f"{self._unique}{name}"

        return re.sub(r"\{(\w+?)([+-]\d+)?\}", value, text)

    def _next(self) -> Pairs:
        while True:
            pairs = self.line.receive()
            self._seen.append("< " + "|".join(f"{tag}={value}" for tag, value in pairs))
            fields = dict(pairs)
            if self._deaf:
                return pairs
            if fields[35] == "1" and not fields[112].startswith("QUIET"):
                self.line.send(self.line.frame("0", [(112, fields[112])]))
            elif fields[35] not in QUIET or 112 in fields:
                return pairs

    def _answer(self, msg_types: str) -> Pairs:
        while True:
            pairs = self._next()
            if dict(pairs)[35] not in self._asides - set(msg_types.split(";")):
                return pairs

    def _match(self, step: Step, pairs: Pairs) -> None:
        fault = self._difference(step, pairs)
        assert not fault, fault

    def _difference(self, step: Step, pairs: Pairs) -> str:
        fields = dict(reversed(pairs))  # of a repeated tag the first
        if fields[35] not in step.msg_type.split(";"):
            return f"35={fields[35]}, not {step.msg_type}"
        for tag, text in step.fields:
            got = fields.get(tag)
            if got is None:
                return f"{tag} is missing"
            if text.startswith(">"):
                self._kept[text[1:]] = got
            elif text.startswith("~"):
                if not re.search(self._filled(text[1:]), got):
                    return f"{tag}={got}, not like {text[1:]}"
            elif not {got, "*"} & set(self._filled(text).split(";")):
                return f"{tag}={got}, not {self._filled(text)}"
        present = [tag for tag in step.without if tag in fields]
        return f"{present} should not be there" if present else ""

    def _within(self, step: Step) -> None:
        fault = ""
        for _ in range(PASSED_MAX):
            fault = self._difference(step, self._next())
            if not fault:
                return
        raise AssertionError(fault)

    def _alive(self) -> None:
        self._tests += 1
        name = f"QUIET{self._tests}"
        self.line.send(self.line.frame("1", [(112, name)]))
        pairs = self._answer("0")
        assert (dict(pairs)[35], dict(pairs).get(112)) == ("0", name), pairs

    def _silence(self) -> None:
        try:
            pairs = self.line.receive(SILENCE_S)
        except TimeoutError:
            return
        raise AssertionError(f"something came: {pairs}")

    def _closes(self) -> None:
        try:
            while True:
                self._next()
        except LineClosedError:
            return
