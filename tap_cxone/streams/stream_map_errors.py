"""Errors of the setting ``stream_maps``: they name stream, field and expression, and never hold a record value.

The SDK's own errors name neither stream nor field, and those of Python quote values. Which expression failed is read
from the frames of the traceback. Checked with singer-sdk 0.54.9.
"""

from __future__ import annotations

import contextlib
import traceback
from typing import TYPE_CHECKING

import simpleeval
from singer_sdk.exceptions import StreamMapConfigError
from singer_sdk.mapper import StreamMap

from tap_cxone.errors import CxoneError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def stream_map_errors() -> Iterator[None]:
    """Raise SettingsError, without a record value, where the setting ``stream_maps`` does not work."""
    try:
        yield
    except CxoneError:
        raise
    except StreamMapConfigError as err:
        msg = f"Setting 'stream_maps': {err}"
        raise SettingsError(msg) from None
    except Exception as err:
        if expression := _failed_expression(err):
            msg = f"Setting 'stream_maps': {expression} {_failure(err)}."
            raise SettingsError(msg) from None
        raise


def _failed_expression(err: Exception) -> str | None:
    """Return which expression of the stream maps an error comes from; None if it comes from elsewhere."""
    for frame, _ in traceback.walk_tb(err.__traceback__):
        names = frame.f_locals
        if not isinstance(names.get("self"), StreamMap):
            continue
        stream = names["self"].stream_name
        match frame.f_code.co_name:
            case "_eval":
                return _describe(stream, names["property_name"], names["expr"])
            case "_init_functions_and_schema":
                return _describe(stream, names.get("prop_key"), names.get("prop_def") or names.get("filter_rule"))
    return None


def _describe(stream: str, field: str | None, expression: object) -> str:
    return f"stream '{stream}', {f'field {field!r}' if field else 'the filter'}: the expression {expression!r}"


def _failure(err: Exception) -> str:
    cause = err.__cause__ or err
    if isinstance(cause, simpleeval.NameNotDefined):
        return f"uses '{cause.name}', which is not a field"
    if isinstance(cause, simpleeval.FunctionNotDefined):
        return f"uses '{cause.func_name}', which is not a function that is available"
    if isinstance(cause, SyntaxError):
        return "is not valid Python"
    return f"fails for a record ({type(cause).__name__})"
