"""The one table from refusals to what an HTTP client gets.

Both generations of circuit clients show the body's text, or its `message`, to their user; the later
one also makes an exception of the status. So the statuses are its statuses, and every mistake of a
payload is in the message.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from labd.chip_files import JsonObject
from labd.core import errors
from labd.store.database import storage_sentence

_log = logging.getLogger(__name__)

SOURCE: Final = "labd"
MAX_MISTAKES: Final = 20
"""So many mistakes are told in the message; `errors` has them all."""

STATUS: Mapping[type[errors.Refusal], int] = {
    errors.InvalidPayload: 422,
    errors.InvalidCalibration: 422,
    errors.IncompleteCalibration: 409,
    errors.JobTypeNotSupported: 400,
    errors.InvalidArgument: 400,
    errors.NotFound: 404,
    errors.JobAlreadyFinal: 409,
    errors.JobDeleted: 404,
    errors.ServerStopping: 503,
    errors.Unavailable: 503,
    errors.Unauthenticated: 401,
    errors.PermissionDenied: 403,
    errors.QuotaExceeded: 429,
    errors.NoBookedTimeslots: 409,
    errors.TimeslotRequired: 409,
    errors.OutlastsTimeslot: 409,
    errors.Conflict: 409,
    errors.IdempotencyKeyReused: 409,
}


def refusal_answer(refusal: errors.Refusal) -> Response:
    """A refused call: status, sentence, the API's name of the reason, every mistake."""
    status = STATUS[type(refusal)]
    body: JsonObject = {
        "message": _message(refusal),
        "error_code": refusal.error_code,
        "source": SOURCE,
    }
    mistakes = _mistakes(refusal)
    if mistakes:
        body["errors"] = [*mistakes]
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return JSONResponse(body, status, headers)


def _mistakes(refusal: errors.Refusal) -> list[str]:
    match refusal:
        case errors.InvalidPayload(problems=problems):
            return [str(problem) for problem in problems]
        case _:
            return []


def _message(refusal: errors.Refusal) -> str:
    mistakes = _mistakes(refusal)
    if len(mistakes) < 2:
        return str(refusal)
    told = "; ".join(mistakes[:MAX_MISTAKES])
    more = f"; and {len(mistakes) - MAX_MISTAKES} more" if len(mistakes) > MAX_MISTAKES else ""
    return f"the payload is not executable here: {told}{more}"


async def on_refusal(request: Request, error: Exception) -> Response:
    """What the application answers to a refusal."""
    del request
    assert isinstance(error, errors.Refusal)
    return refusal_answer(error)


async def on_refusing_disk(request: Request, error: Exception) -> Response:
    """What the application answers where the disk cannot be read."""
    _log.error("%s: the disk refuses: %s", request.url.path, error)
    return refusal_answer(errors.Unavailable(storage_sentence(error)))


async def on_http_error(request: Request, error: Exception) -> Response:
    """What the application answers where there is no such page, or no such method on it."""
    del request
    assert isinstance(error, HTTPException)
    return JSONResponse({"message": error.detail}, error.status_code)
