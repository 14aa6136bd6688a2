"""What the overlay says of an order. A gateway accepts `Approved` and nothing else."""

from typing import Final, final

from market.orders import NewOrder, ReplaceOrder

_SEAL: Final = object()


class Failure:
    """One control that said no."""

    __slots__ = ("control", "limit", "text", "value")

    def __init__(self, control: str, value: int | str, limit: int | str, text: str) -> None:
        self.control = control  # R01 ... R70
        self.value = value
        self.limit = limit
        self.text = text

    def __repr__(self) -> str:
        numbers = f": {self.value} against {self.limit}" if (self.value, self.limit) != ("", "") else ""
        return f"{self.control} {self.text}{numbers}"


@final
class Approved:
    """Proof that the overlay passed this order, good for one send. Only `risk.overlay` holds the seal."""

    __slots__ = ("_spent", "order")

    def __init__(self, order: NewOrder | ReplaceOrder, *, seal: object) -> None:
        if seal is not _SEAL:
            raise TypeError("only risk.overlay approves orders")
        self.order = order
        self._spent = False

    def spend(self) -> NewOrder | ReplaceOrder:
        """Return the order, once.

        Raises:
            RuntimeError: it was spent before; one approval is one message.

        """
        if self._spent:
            raise RuntimeError("an approval is good for one message")
        self._spent = True
        return self.order


@final
class Refused:
    """Every control that failed, not only the first."""

    __slots__ = ("failures", "order")

    def __init__(self, order: NewOrder | ReplaceOrder, failures: tuple[Failure, ...]) -> None:
        assert failures, "a refusal has a reason"
        self.order = order
        self.failures = failures

    @property
    def controls(self) -> tuple[str, ...]:
        """Ids of the controls that failed, in table order."""
        return tuple(f.control for f in self.failures)


Verdict = Approved | Refused
