"""Lets nothing out of a callback of quickfix's: an exception there would leave a zombie, its heartbeats dead.

@guarded
def fromApp(self, message, session_id): ...     # `self.engine` is told of what goes wrong
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])


def guarded(callback: F) -> F:
    """Record, halt, and return normally (or refuse to send); what quickfix is to hear is let through."""

    def call(self: Any, *args: Any) -> Any:
        try:
            return callback(self, *args)
        except self.engine.WORDS:
            raise
        except BaseException as error:  # whatever it is, it must not reach C++
            self.engine.failed(callback.__name__, error)
        if callback.__name__ == "toApp":
            raise self.engine.REFUSAL
        return None

    call.__name__ = callback.__name__
    return cast(F, call)
