"""What the engine is told at start: quickfix's settings as text, and the ports of an acceptor."""

import errno
import os
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from gateways.fix.sessions import EngineError, Role, SessionSpec, UnknownHostError

DICTIONARIES: Final = {
    version: Path(__file__).parent / "dictionary" / f"{version.replace('.', '')}.xml"
    for version in ("FIX.4.2", "FIX.4.4")
}
MAX_LATENCY_S: Final = 120  # of SendingTime(52), the FIX default
LOGON_WAIT_S: Final = 10  # a counterparty that needs longer is down
LOGOUT_WAIT_S: Final = 2  # stopping has 10 s for everything


def connector_settings(specs: Iterable[SessionSpec]) -> dict[str, str]:
    """Return quickfix's settings of all sessions together: a client looks for these nowhere else."""
    return {
        "SocketNodelay": "Y",  # an order that waits for the answer to the one before is 45 ms late
        "ReconnectInterval": str(min((spec.reconnect_s for spec in specs), default=1)),
    }


def session_settings(role: Role, spec: SessionSpec, port: int, state_dir: Path) -> dict[str, str]:
    """Return quickfix's settings of one session."""
    values = {
        "ConnectionType": role.value,
        "StartTime": "00:00:00",
        "EndTime": "00:00:00",
        "NonStopSession": "Y",  # equal times alone would reset the numbers at midnight
        "ResetOnLogon": "N",  # would throw away reports that we missed
        "ResetOnLogout": "N",
        "ResetOnDisconnect": "N",
        # A strict dictionary answers a surprise with Reject(3) and loses the fill in it; none at all
        # takes groups for tags that come twice.
        "UseDataDictionary": "Y",
        "DataDictionary": str(DICTIONARIES[spec.version]),
        "AllowUnknownMsgFields": "Y",
        "ValidateUserDefinedFields": "N",
        "ValidateFieldsHaveValues": "N",
        "ValidateFieldsOutOfOrder": "N",
        "CheckLatency": "Y",
        "MaxLatency": str(MAX_LATENCY_S),
        "PersistMessages": "Y" if spec.persist and role is Role.ACCEPTOR else "N",
        "FileStorePath": str(state_dir),
        "LogonTimeout": str(LOGON_WAIT_S),
        "LogoutTimeout": str(LOGOUT_WAIT_S),
    }
    if role is Role.ACCEPTOR:
        return values | {"SocketAcceptPort": str(port), "SocketReuseAddress": "Y"}
    return values | {
        "HeartBtInt": str(spec.heartbeat_s),
        "SocketConnectHost": address_of(spec.host),
        "SocketConnectPort": str(port),
    }


def address_of(host: str) -> str:
    """Return a host's IPv4 address: asked once, for a name that is looked up late stops whoever waits for it.

    Raises:
        UnknownHostError: nobody knows it, or nobody who does was reached.

    """
    try:
        return socket.gethostbyname(host)
    except OSError as error:
        raise UnknownHostError(f"FIX host {host!r}: {error.strerror}; give its IPv4 address") from None


def listening_port(port: int) -> int:
    """Return a configured port that can be listened on, or a free one for 0.

    Raises:
        EngineError: it is busy or not permitted.

    """
    if port:
        refuse_busy(port)
        return port
    return free_port()


def free_port() -> int:
    """Return a port that was free just now; quickfix binds it a moment later."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


def refuse_busy(port: int) -> None:
    """Look whether a port can be listened on, for an error that says more than quickfix's.

    Raises:
        EngineError: it is busy or not permitted.

    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
            probe.listen(1)
        except OSError as error:
            what = "is in use" if error.errno == errno.EADDRINUSE else os.strerror(error.errno or 0)
            raise EngineError(
                f"FIX port {port}: {what}; stop what holds it or choose another (0 = any)"
            ) from None
