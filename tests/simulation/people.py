"""A desk and an operator at the control socket: parents in and out, kill, rearm with two keys, status."""

import json
import random
from collections.abc import Callable
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from daemon.people.keys import PrivateKey, keyring_entry
from risk import commands as co
from tests.simulation.gate import Lives, Transport
from tests.simulation.loop import SECOND, Loop

KEYS: Final = [PrivateKey(Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32), True) for n in (1, 2)]
KEYRING: Final = 'mode = "paper"\n\n' + "\n".join(
    keyring_entry(key, name, "risk") for key, name in zip(KEYS, ("alice", "bob"), strict=True)
)
Then = Callable[[dict[str, Any]], None]
KEPT: Final = 200


class People:
    """Whoever types commands."""

    def __init__(self, loop: Loop, rng: random.Random, lives: Lives, market_ns: Callable[[], int]) -> None:
        self.loop, self.rng, self.lives, self.market_ns = loop, rng, lives, market_ns
        self.line: Transport | None = None
        self.asked = 0
        self.parents = 0
        self.nonces = 0
        self.waiting: dict[int, Then] = {}
        self.admitted: dict[str, tuple[str, int]] = {}  # parent: side, most shares that it may be
        self.killed_ns = 0
        self.rearmed = 0
        self._rest = b""
        self._life = 0

    def ask(self, then: Then | None = None, **request: Any) -> bool:
        """Send one command; `then` hears the answer, if one comes."""
        if self.line is None or self.line.closed or self._life != self.lives.number:
            self._rest, self._life = b"", self.lives.number
            self.waiting.clear()
            self.line = self.lives.connect("control.sock", self._heard)
            if self.line is None:
                return False
        self.asked += 1
        if then is not None:
            self.waiting[self.asked] = then
        self.line.send(json.dumps(request | {"id": self.asked}).encode() + b"\n")
        return True

    def _heard(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            body = json.loads(line)
            then = self.waiting.pop(body.get("id", -1), None)
            if then is not None:
                then(body)

    def submit(self) -> None:
        """One more parent."""
        rng = self.rng
        self.parents += 1
        name = f"P{self.parents}"
        side, qty = rng.choice("12"), rng.choice((100, 500, 2_000))
        start = self.market_ns() + rng.choice((0, 0, SECOND))
        parent = {
            "parent_id": name, "account": "PAPER", "side": side, "qty": qty, "symbol": "SYN", "mic": "XNAS",
            "start_ns": start, "end_ns": start + rng.choice((4, 10, 600)) * SECOND,
        }  # fmt: skip
        self.admitted[name] = (side, qty)  # from now on it may be worked, whether we hear of it or not
        self.ask(cmd="submit", parent=parent)

    def fiddle(self) -> None:
        """Change something about a parent."""
        rng = self.rng
        if not self.admitted:
            return
        name = rng.choice(list(self.admitted)[-3:])
        what = rng.choice(("pause", "resume", "resume", "cancel", "amend"))
        if what == "amend":
            side, most = self.admitted[name]
            qty = rng.choice((100, 700, 2_500))
            self.admitted[name] = (side, max(most, qty))

            def amended(body: dict[str, Any]) -> None:
                if body.get("ok"):
                    self.admitted[name] = (side, qty)

            self.ask(amended, cmd="amend", parent_id=name, qty=qty)
        else:
            self.ask(cmd=what, parent_id=name)

    def kill(self) -> None:
        """R70."""

        def killed(body: dict[str, Any]) -> None:
            if body.get("ok"):
                self.killed_ns = self.loop.now_ns

        self.ask(killed, cmd="kill", reason="a simulated person")

    def status(self, then: Then) -> bool:
        return self.ask(then, cmd="status")

    # --- R72 --------------------------------------------------------------------------------------

    def rearm(self) -> None:
        """Two persons, eleven seconds apart."""
        self.ask(self._asked_who, cmd="ping")

    def _sign(self, who: int, gate: str, mono_ns: int, body: Any, then: Then) -> None:
        self.nonces += 1
        text = co.write(gate, f"{self.nonces:032x}", mono_ns + 60 * SECOND, body)
        key = KEYS[who]
        self.ask(then, cmd="signed", key=key.key_id, text=text, signature=key.sign(text))

    def _asked_who(self, body: dict[str, Any]) -> None:
        gate = body["gate"]

        def asked(answer: dict[str, Any]) -> None:
            if answer.get("ok"):
                self.loop.after(11 * SECOND, self._confirm, gate, answer["digest"])

        self._sign(0, gate, body["mono_ns"], co.RearmAsk(reason="simulated: looked into it"), asked)

    def _confirm(self, gate: str, digest: str) -> None:
        def confirmed(answer: dict[str, Any]) -> None:
            if answer.get("ok"):
                self.rearmed += 1
                self.killed_ns = 0

        self._sign(1, gate, self.loop.now_ns, co.RearmConfirm(digest=digest), confirmed)
