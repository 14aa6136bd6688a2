"""R75: what signals may do to a limit. The type says it all: a `Tightening` can lower, and nothing else.

    Tightening(2_500).of(1_000) == 250        # a share of the static limit, never more than it
    Tightening(20_000)                        # ValueError: nothing above 1 can be made

The effective limit is floor(static x the least of all signals). Tighter at once; back by `relax_bp` of the
static limit in each window. A signal that is bad, old or missing counts as `multiplier_stale_bp`.
"""

from typing import Final, final

import msgspec

from market.types import MS
from risk import checks
from risk.limit_tables_desk import Dynamic

SIGNALS_MAX: Final = 64  # scopes times signals of a desk


@final
class Tightening:
    """A share in [0, 1] of a static limit, as basis points."""

    __slots__ = ("_bp",)

    def __init__(self, bp: int) -> None:
        if type(bp) is not int or not 0 <= bp <= checks.BP:
            raise ValueError(f"a tightening is 0 to {checks.BP} bp, got {bp!r}")
        self._bp = bp

    @property
    def bp(self) -> int:
        """Basis points of the static limit that stay."""
        return self._bp

    def of(self, static: int) -> int:
        """Return the limit that holds: never above the static one."""
        return static if self._bp == checks.BP else checks.share_of(static, self._bp)


NONE: Final = Tightening(checks.BP)


class Multiplier(msgspec.Struct):
    """One signal's multiplier for one scope."""

    wanted_bp: int
    now_bp: int
    relaxed_mono_ns: int


class Multipliers:
    """All of them; a restart keeps the lower."""

    def __init__(self) -> None:
        self._held: dict[str, Multiplier] = {}  # "scope signal"
        self._found: dict[str, Tightening] = {}

    def signal(self, scope: str, name: str, bp: int | None, limits: Dynamic, mono_ns: int) -> bool:
        """Take a signal; None: it is bad or old. True where a limit became tighter."""
        wanted = limits.multiplier_stale_bp if bp is None else bp
        wanted = min(checks.BP, max(limits.multiplier_min_bp, wanted))
        key = f"{scope} {name}"
        held = self._held.get(key)
        if held is None:
            if len(self._held) >= SIGNALS_MAX:
                return False
            held = self._held[key] = Multiplier(checks.BP, checks.BP, mono_ns)
        held.wanted_bp = wanted
        tighter = wanted < held.now_bp
        if tighter:
            held.now_bp, held.relaxed_mono_ns = wanted, mono_ns
        self._found.clear()
        return tighter

    def relax(self, limits: Dynamic, mono_ns: int) -> None:
        """Give back a little of what signals no longer ask for."""
        for held in self._held.values():
            since_ns = mono_ns - held.relaxed_mono_ns
            if held.now_bp < held.wanted_bp and since_ns >= limits.relax_window_ms * MS:
                held.now_bp = min(held.wanted_bp, held.now_bp + limits.relax_bp)
                held.relaxed_mono_ns = mono_ns
                self._found.clear()

    def restart(self, mono_ns: int) -> None:
        """Another boot's clock says nothing of this one's: the wait begins anew."""
        for held in self._held.values():
            held.relaxed_mono_ns = mono_ns

    def of(self, account: str, strategy: str, symbol: str) -> Tightening:
        """Return what holds for an order: the tightest of firm, account, strategy and symbol."""
        if not self._held:
            return NONE
        key = f"{account} {strategy} {symbol}"
        found = self._found.get(key)
        if found is None:
            scopes = ("F", f"A/{account}", f"T/{strategy}", f"S/{symbol}")
            held = [m.now_bp for k, m in self._held.items() if k.partition(" ")[0] in scopes]
            found = self._found[key] = Tightening(min(held, default=checks.BP))
        return found

    def by_signal(self) -> dict[str, int]:
        """Return what holds now, by scope and signal, in basis points."""
        return {key: held.now_bp for key, held in sorted(self._held.items())}

    def state(self) -> list[object]:
        """Return everything, for the state hash."""
        return [[key, held] for key, held in sorted(self._held.items())]
