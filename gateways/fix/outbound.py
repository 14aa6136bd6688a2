"""The gate's side: D, G, F, H by a broker's profile, AF and q by the standard.

    encoder = Encoder(load("venue"))
    encoder.new(order, transact_ns)    # "35=D|11=..|...": body for `Engine.send`

The profile is compiled once, at start, into a tuple of steps a message. A step raises
`Unencodable` for a value that is missing or not fit for a wire; nothing is ever left out silently.
"""

from collections.abc import Callable
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final, NamedTuple

from gateways.fix.profile import FieldSpec, Profile, Source, When
from gateways.fix.wire import (
    SOH,
    Unencodable,
    echo_text,
    id_text,
    price_text,
    qty_text,
    read_text,
    utc_text,
)
from market.orders import (
    CancelOrder,
    DontKnow,
    MassCancel,
    MassStatus,
    NewOrder,
    PositionsRequest,
    ReplaceOrder,
    StatusRequest,
)
from market.types import OrdType, Side, Symbol

SHORT: Final = frozenset([Side.SELL_SHORT, Side.SELL_SHORT_EXEMPT])


class Encoder:
    """Bodies of the messages that the gate sends, as one profile wants them."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self._symbols = {Symbol(ours): theirs for ours, theirs in profile.symbols.items()}
        self._names = Names(self._symbols, profile.security_ids, profile.suffixes, profile.accounts)
        self._new = self._compiled("D", profile.new)
        self._replace = self._compiled("G", profile.replace)
        self._cancel = self._compiled("F", profile.cancel)
        self._status = self._compiled("H", profile.status)

    def new(self, order: NewOrder, transact_ns: int) -> str:
        """Return NewOrderSingle(D)."""
        self._refuse_unsupported(order)
        return self._new(order, order, transact_ns)

    def replace(self, order: ReplaceOrder, transact_ns: int) -> str:
        """Return OrderCancelReplaceRequest(G)."""
        self._refuse_unsupported(order.terms)
        if not self.profile.supports.replace:
            raise Unencodable(f"{self.profile.name} knows no replace")
        return self._replace(order.terms, order, transact_ns)

    def cancel(self, order: CancelOrder, transact_ns: int) -> str:
        """Return OrderCancelRequest(F)."""
        return self._cancel(order, order, transact_ns)

    def status(self, request: StatusRequest, transact_ns: int) -> str:
        """Return OrderStatusRequest(H)."""
        return self._status(request, request, transact_ns)

    def mass_status(self, request: MassStatus) -> str:
        """Return OrderMassStatusRequest(AF) for all orders (585=7)."""
        return f"35=AF{SOH}584={id_text(request.req_id)}{SOH}585=7{SOH}"

    def mass_cancel(self, request: MassCancel, transact_ns: int) -> str:
        """Return OrderMassCancelRequest(q) for all orders (530=7)."""
        time = utc_text(transact_ns, self.profile.time_digits)
        return f"35=q{SOH}11={id_text(request.cl_ord_id)}{SOH}530=7{SOH}60={time}{SOH}"

    def positions(self, request: PositionsRequest, transact_ns: int) -> str:
        """Return RequestForPositions(AN) for one account, as of now (724=0)."""
        time = utc_text(transact_ns, self.profile.time_digits)
        account = id_text(self.profile.accounts.get(request.account, request.account))
        more = "".join(f"{field.tag}={field.value}{SOH}" for field in self.profile.positions)
        return (
            f"35=AN{SOH}710={id_text(request.req_id)}{SOH}724=0{SOH}1={account}{SOH}"
            f"715={time[:8]}{SOH}60={time}{SOH}{more}"
        )

    def dont_know(self, order: DontKnow) -> str:
        """Return DontKnowTrade(Q): the broker's own words about the execution, and why it is not ours."""
        quantity = f"38={qty_text(order.qty)}{SOH}" if order.qty > 0 else ""
        return (
            f"35=Q{SOH}37={echo_text(order.order_id or 'NONE')}{SOH}17={echo_text(order.exec_id)}{SOH}"
            f"127={order.reason.value}{SOH}55={self.theirs(order.symbol)}{SOH}54={order.side.value}{SOH}"
            f"{quantity}32={qty_text(order.last_qty)}{SOH}31={price_text(order.last_price_e4)}{SOH}"
            f"58={read_text(order.text)}{SOH}"
        )

    def theirs(self, symbol: Symbol) -> str:
        """Return the broker's name of a symbol."""
        return self._symbols.get(symbol) or id_text(symbol)

    def _compiled(self, msg_type: str, specs: tuple[FieldSpec, ...]) -> Callable[[Any, Any, int], str]:
        return compile_message(msg_type, specs, self._names, self.profile.time_digits)

    def _refuse_unsupported(self, order: NewOrder) -> None:
        supports = self.profile.supports
        if order.ord_type not in supports.ord_types:
            raise Unencodable(f"{self.profile.name} knows no OrdType {order.ord_type.value}")
        if order.time_in_force not in supports.times_in_force:
            raise Unencodable(f"{self.profile.name} knows no TimeInForce {order.time_in_force.value}")
        if order.post_only and not supports.post_only:
            raise Unencodable(f"{self.profile.name} knows no post-only")


class Names(NamedTuple):
    """What a broker calls our symbols."""

    symbols: dict[Symbol, str]
    security_ids: dict[str, str]
    suffixes: dict[str, str]
    accounts: dict[str, str]


def compile_message(
    msg_type: str, specs: tuple[FieldSpec, ...], names: Names, time_digits: int
) -> Callable[[Any, Any, int], str]:
    """Return an encoder of (terms, message, transact_ns): what is traded, and the ids of its chain."""
    head = f"35={msg_type}{SOH}"
    steps = tuple(_step(spec, names) for spec in specs)

    def encode(terms: Any, message: Any, transact_ns: int) -> str:
        parts = [head]
        for prefix, get, of_message, due in steps:
            subject = message if of_message else terms
            if due is None or due(subject):
                parts.append(prefix if get is None else f"{prefix}{get(subject)}{SOH}")
        return "".join(parts).replace(TIME_MARK, utc_text(transact_ns, time_digits))

    return encode


Get = Callable[[Any], str]
Due = Callable[[Any], bool]
TIME_MARK: Final = "\x00"  # stands for TransactTime while a body is put together; no value can hold it
OF_MESSAGE: Final = frozenset([Source.CL_ORD_ID, Source.ORIG_CL_ORD_ID, Source.ORDER_ID])


def _step(spec: FieldSpec, names: Names) -> tuple[str, Get | None, bool, Due | None]:
    prefix, of_message = f"{spec.tag}=", spec.source in OF_MESSAGE
    due = _due(spec, names)
    if spec.constant is not None:
        return f"{prefix}{spec.constant}{SOH}", None, of_message, due
    if spec.source is Source.TRANSACT_TIME:
        return f"{prefix}{TIME_MARK}{SOH}", None, of_message, due
    assert spec.source is not None, "the profile was validated"
    if spec.source is Source.SYMBOL:
        return prefix, lambda terms: names.symbols.get(terms.symbol) or _often(terms.symbol), False, due
    if spec.source is Source.ACCOUNT:
        return prefix, lambda terms: names.accounts.get(terms.account) or _often(terms.account), False, due
    if spec.source in MAPS:
        return prefix, _of_symbol(MAPS[spec.source](names), spec.source.value), False, due
    return prefix, GETTERS[spec.source], of_message, due


# Account, parent, symbol and venue come again with every order; a ClOrdID never does.
_often = lru_cache(256)(id_text)


MAPS: Final[dict[Source, Callable[[Names], dict[str, str]]]] = {
    Source.SECURITY_ID: lambda names: names.security_ids,
    Source.SYMBOL_SFX: lambda names: names.suffixes,
}


def _of_symbol(names: dict[str, str], what: str) -> Get:
    def get(terms: Any) -> str:
        if terms.symbol not in names:
            raise Unencodable(f"the profile has no {what} for {terms.symbol}")
        return names[terms.symbol]

    return get


def _locate(terms: NewOrder) -> str:
    if terms.locate_id is None:
        raise Unencodable("a short sale without locate id")
    return id_text(terms.locate_id)


def _price(terms: NewOrder) -> str:
    if terms.price_e4 is None:
        raise Unencodable("a limit order without price")
    return price_text(terms.price_e4)


GETTERS: Final[dict[Source, Get]] = {
    Source.CL_ORD_ID: lambda message: id_text(message.cl_ord_id),
    Source.ORIG_CL_ORD_ID: lambda message: id_text(message.orig_cl_ord_id),
    Source.ORDER_ID: lambda message: echo_text(message.order_id),
    Source.PARENT_ID: lambda terms: _often(terms.parent_id),
    Source.MIC: lambda terms: _often(terms.mic),
    Source.SIDE: lambda terms: str(terms.side),
    Source.QTY: lambda terms: qty_text(terms.qty),
    Source.ORD_TYPE: lambda terms: str(terms.ord_type),
    Source.PRICE: _price,
    Source.TIME_IN_FORCE: lambda terms: str(terms.time_in_force),
    Source.LOCATE_ID: _locate,
}


def _due(spec: FieldSpec, names: Names) -> Due | None:
    if spec.when is When.ALWAYS:
        return None
    if spec.when is When.IDENTIFIED:
        return lambda terms: terms.symbol in names.security_ids
    if spec.when is When.KNOWN and spec.source in MAPS:
        known = MAPS[spec.source](names)
        return lambda terms: terms.symbol in known
    if spec.when is When.POST_ONLY:
        return lambda terms: bool(terms.post_only)
    if spec.when is When.SHORT:
        return lambda terms: terms.side in SHORT
    if spec.when is When.LIMIT:
        return lambda terms: terms.ord_type is OrdType.LIMIT
    assert spec.source is not None, "the profile was validated: `known` has a source"
    return attrgetter(spec.source.value)
