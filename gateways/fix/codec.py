"""FIX, pure both ways: the one place to import the codec from.

The gate:   `Encoder(profile).new/replace/cancel/status/mass_status/mass_cancel(...) -> body`,
            `decode(raw) -> event | MarketData | Malformed | None`.
The venue:  `decode_request(raw) -> request | Malformed | None`,
            `encode_report`, `encode_cancel_reject`, `encode_mass_cancel_report`,
            `encode_business_reject`, `encode_market_data`, `encode_market_data_reject`,
            `encode_security_status`.
A body is `35=..` and the body's fields; `Engine.send` adds header, number and checksum. Decoders
never raise; encoders raise `Unencodable` for what must not be put on a wire.
"""

from gateways.fix.counterparty import (
    Requests,
    decode_request,
    encode_business_reject,
    encode_cancel_reject,
    encode_mass_cancel_report,
    encode_report,
)
from gateways.fix.inbound import Decoded, decode
from gateways.fix.market_data import (
    MarketData,
    MarketDataEntry,
    MarketDataReject,
    encode_market_data,
    encode_market_data_reject,
    encode_market_data_request,
    encode_security_status,
    encode_security_status_request,
)
from gateways.fix.outbound import Encoder
from gateways.fix.wire import Malformed, Unencodable, average_text

__all__ = [
    "Decoded",
    "Encoder",
    "Malformed",
    "MarketData",
    "MarketDataEntry",
    "MarketDataReject",
    "Requests",
    "Unencodable",
    "average_text",
    "decode",
    "decode_request",
    "encode_business_reject",
    "encode_cancel_reject",
    "encode_market_data",
    "encode_market_data_reject",
    "encode_market_data_request",
    "encode_mass_cancel_report",
    "encode_report",
    "encode_security_status",
    "encode_security_status_request",
]
