"""Why a request is not answered: a status, and an error in OpenAI's form."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

_TYPES = {401: "authentication_error", 429: "rate_limit_error"}


class RefusedError(Exception):
    """A request that is not answered.

    Args:
        status: of HTTP: 4xx where the client can mend it, 5xx where not.
        param: the field that is at fault, as in `messages[0].content`.
        code: a word for programs.
    """

    def __init__(
        self, status: int, message: str, *, param: str | None = None, code: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        """The error as OpenAI's API words it."""
        kind = _TYPES.get(self.status, "invalid_request_error" if self.status < 500 else "server_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}


def wrong(param: str, said: str, code: str = "invalid_value") -> RefusedError:
    """The refusal of a field: what is wrong with it."""
    return RefusedError(400, f"{param}: {said}", param=param, code=code)


def refused_fields(error: ValidationError, fields: frozenset[str]) -> RefusedError:
    """The refusal of a body that is not as it should be: its first fault, with the field.

    Args:
        fields: all names of fields; what else pydantic says of a place are its own words for alternatives.
    """
    # Of alternatives, as text or a list of parts, the fault that lies deepest is in the one that was meant.
    fault = max(error.errors(include_url=False), key=lambda one: len(_steps(one["loc"], fields)))
    unknown = fault["type"] == "extra_forbidden"
    param = ""
    for step in fault["loc"] if unknown else _steps(fault["loc"], fields):
        param += f"[{step}]" if isinstance(step, int) else f".{step}" if param else step
    if unknown:
        return RefusedError(400, f"{param}: no such field; leave it out", param=param, code="unknown_parameter")
    found = "" if fault["type"] == "missing" else f", found {_short(fault['input'])}"
    said = fault["msg"][:1].lower() + fault["msg"][1:]
    return RefusedError(400, f"{param or 'body'}: {said}{found}", param=param or None, code="invalid_value")


def _steps(place: Sequence[int | str], fields: frozenset[str]) -> list[int | str]:
    """The steps of a place that are fields or numbers."""
    return [step for step in place if isinstance(step, int) or step in fields]


def _short(value: Any) -> str:
    """A value in a few characters; of a text its length alone: an error is shown and noted in places where texts are not."""
    if isinstance(value, str):
        return f"a text of {len(value):,} characters"
    return repr(value)[:40] if isinstance(value, int | float) else f"a {type(value).__name__}"
