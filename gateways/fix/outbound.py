"""The gate's side: D, G, F, H by a broker's profile, AF and q by the standard.

    encoder = Encoder(load("venue"))
    encoder.new(order, transact_ns)    # "35=D|11=..|...": body for `Engine.send`

The profile is compiled once, at start, into a tuple of writers a message. A writer raises
`Unencodable` for a value that is missing or not fit for a wire; nothing is ever left out silently.
"""

from collections.abc import Callable
from typing import Any, Final

from gateways.fix.profile import FieldSpec, Profile, Source, When
from gateways.fix.wire import SOH, Unencodable, echo_text, id_text, price_text, qty_text, utc_text
from market.orders import CancelOrder, MassCancel, MassStatus, NewOrder, ReplaceOrder, StatusRequest
from market.types import Side, Symbol

SHORT: Final = frozenset([Side.SELL_SHORT, Side.SELL_SHORT_EXEMPT])

# Of (terms, message, time text): `terms` holds what is traded, `message` the ids of its chain.
Getter = Callable[[Any, Any, str], str]
Condition = Callable[[Any, Any], bool]


class Encoder:
    """Bodies of the messages that the gate sends, as one profile wants them."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self._symbols = {Symbol(ours): theirs for ours, theirs in profile.symbols.items()}
        self._new = self._compile("D", profile.new)
        self._replace = self._compile("G", profile.replace)
        self._cancel = self._compile("F", profile.cancel)
        self._status = self._compile("H", profile.status)

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

    def theirs(self, symbol: Symbol) -> str:
        """Return the broker's name of a symbol."""
        mapped = self._symbols.get(symbol)
        return id_text(symbol) if mapped is None else mapped

    def _refuse_unsupported(self, order: NewOrder) -> None:
        supports = self.profile.supports
        if order.ord_type.value not in supports.ord_types:
            raise Unencodable(f"{self.profile.name} knows no OrdType {order.ord_type.value}")
        if order.time_in_force.value not in supports.times_in_force:
            raise Unencodable(f"{self.profile.name} knows no TimeInForce {order.time_in_force.value}")
        if order.post_only and not supports.post_only:
            raise Unencodable(f"{self.profile.name} knows no post-only")

    def _compile(self, msg_type: str, specs: tuple[FieldSpec, ...]) -> Callable[[Any, Any, int], str]:
        head = f"35={msg_type}{SOH}"
        writers = tuple(self._writer(spec) for spec in specs)
        digits = self.profile.time_digits

        def encode(terms: Any, message: Any, transact_ns: int) -> str:
            time = utc_text(transact_ns, digits)
            return head + "".join([write(terms, message, time) for write in writers])

        return encode

    def _writer(self, spec: FieldSpec) -> Getter:
        prefix = f"{spec.tag}="
        if spec.constant is not None:
            whole = f"{prefix}{spec.constant}{SOH}"
            get: Getter = lambda terms, message, time: whole  # noqa: E731  (a leaf of a table)
        else:
            assert spec.source is not None, "the profile was validated"
            value = self._getter(spec.source)
            get = lambda terms, message, time: f"{prefix}{value(terms, message, time)}{SOH}"  # noqa: E731
        if spec.when is When.ALWAYS:
            return get
        due = self._condition(spec)
        return lambda terms, message, time: get(terms, message, time) if due(terms, message) else ""

    def _getter(self, source: Source) -> Getter:
        def locate(terms: NewOrder, message: Any, time: str) -> str:
            if terms.locate_id is None:
                raise Unencodable("a short sale without locate id")
            return id_text(terms.locate_id)

        def price(terms: NewOrder, message: Any, time: str) -> str:
            if terms.price_e4 is None:
                raise Unencodable("a limit order without price")
            return price_text(terms.price_e4)

        table: dict[Source, Getter] = {
            Source.CL_ORD_ID: lambda terms, message, time: id_text(message.cl_ord_id),
            Source.ORIG_CL_ORD_ID: lambda terms, message, time: id_text(message.orig_cl_ord_id),
            Source.ORDER_ID: lambda terms, message, time: echo_text(message.order_id),
            Source.PARENT_ID: lambda terms, message, time: id_text(terms.parent_id),
            Source.ACCOUNT: lambda terms, message, time: id_text(terms.account),
            Source.SYMBOL: lambda terms, message, time: self.theirs(terms.symbol),
            Source.MIC: lambda terms, message, time: id_text(terms.mic),
            Source.SIDE: lambda terms, message, time: terms.side.value,
            Source.QTY: lambda terms, message, time: qty_text(terms.qty),
            Source.ORD_TYPE: lambda terms, message, time: terms.ord_type.value,
            Source.PRICE: price,
            Source.TIME_IN_FORCE: lambda terms, message, time: terms.time_in_force.value,
            Source.TRANSACT_TIME: lambda terms, message, time: time,
            Source.LOCATE_ID: locate,
        }
        return table[source]

    def _condition(self, spec: FieldSpec) -> Condition:
        if spec.when is When.POST_ONLY:
            return lambda terms, message: terms.post_only
        if spec.when is When.SHORT:
            return lambda terms, message: terms.side in SHORT
        if spec.when is When.LIMIT:
            return lambda terms, message: terms.ord_type.value == "2"
        source = spec.source
        assert source is not None, "`known` asks for a source"
        name = source.value
        owner_is_terms = source in (Source.MIC, Source.LOCATE_ID, Source.PARENT_ID, Source.ACCOUNT)
        if owner_is_terms:
            return lambda terms, message: bool(getattr(terms, name))
        return lambda terms, message: bool(getattr(message, name))
