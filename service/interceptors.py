"""What surrounds every call: the key is checked first, errors become status last."""

import hmac
import logging
from collections.abc import Callable
from typing import Any, NoReturn

import grpc
from grpc_status import rpc_status

from gleann.index.errors import GleannError, ServiceError, UnauthenticatedError
from gleann.service.status import status_of

KEY_HEADER = "authorization"
OPEN_SERVICE = "/grpc.health.v1.Health/"
"""Whether the server lives is no secret, and probes carry no keys."""

_log = logging.getLogger(__name__)


class ErrorsAsStatus(grpc.ServerInterceptor):  # type: ignore[misc]  # grpc is untyped
    """Ends a call with the status of the exception it raised.

    What is not ours is a bug: it is logged whole, and the caller learns nothing of it.
    """

    def intercept_service(
        self, continuation: Callable[[Any], Any], handler_call_details: Any
    ) -> Any:
        """Wrap the handler of a unary call; streams (reflection) go as they are."""
        handler = continuation(handler_call_details)
        if handler is None or handler.unary_unary is None:
            return handler
        method = handler_call_details.method

        def answer(request: Any, context: Any) -> Any:
            try:
                return handler.unary_unary(request, context)
            except GleannError as error:
                failure = error
            except Exception:  # noqa: BLE001  the edge: nothing may leak out
                _log.exception("%s failed inside", method)
                failure = ServiceError("internal error")
            return _abort(context, failure)

        return grpc.unary_unary_rpc_method_handler(
            answer, handler.request_deserializer, handler.response_serializer
        )


class RequireKey(grpc.ServerInterceptor):  # type: ignore[misc]  # grpc is untyped
    """Refuses calls without the key, before anything they say is decoded."""

    def __init__(self, api_key: str) -> None:
        self._expected = bearer(api_key).encode()

    def intercept_service(
        self, continuation: Callable[[Any], Any], handler_call_details: Any
    ) -> Any:
        """Pass the call on if its key is right."""
        if handler_call_details.method.startswith(OPEN_SERVICE):
            return continuation(handler_call_details)
        given = dict(handler_call_details.invocation_metadata).get(KEY_HEADER, "")
        if hmac.compare_digest(str(given).encode(), self._expected):
            return continuation(handler_call_details)
        return grpc.unary_unary_rpc_method_handler(_refuse)


def bearer(api_key: str) -> str:
    """The value of the authorization header."""
    return f"Bearer {api_key}"


def _refuse(_: bytes, context: Any) -> NoReturn:
    _abort(context, UnauthenticatedError("the server wants a key: set api_key"))


def _abort(context: Any, error: GleannError) -> NoReturn:
    context.abort_with_status(rpc_status.to_status(status_of(error)))
    raise AssertionError("abort raises")
