"""Options that ``cxone-notify`` and ``cxone-report`` have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from typing_extensions import override

from tap_cxone.observability.audit_files import PATHS_HELP, split_audit_log_paths

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    _F = TypeVar("_F", bound=Callable[..., Any])


class OptionMaker:
    """Makes options that can be given by an environment variable, too.

    Args:
        prefix: what the names of the variables begin with.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def __call__(self, name: str, text: str, *, as_name: str | None = None, **attributes: Any) -> Callable[[_F], _F]:  # noqa: ANN401 - arguments of click.option
        """Return a decorator that adds an option to a command.

        Args:
            name: name of the setting, with underscores.
            text: help text.
            as_name: name of the function's parameter; default: ``name``.
            **attributes: further arguments of ``click.option``.
        """
        return click.option(
            f"--{name.replace('_', '-')}",
            as_name or name,
            envvar=self._prefix + name.upper(),
            help=text,
            show_envvar=True,
            show_default=True,
            **attributes,
        )


class Texts(click.ParamType["str"]):
    """Texts of an option that may be given several times.

    Args:
        split: splits the environment variable, which may hold several. (click itself would split it at blanks.)
    """

    name = "text"

    def __init__(self, split: Callable[[str], list[str]]) -> None:
        self._split = split

    @override
    def split_envvar_value(self, rv: str) -> list[str]:
        return self._split(rv)


def audit_log_option(make: OptionMaker) -> Callable[[_F], _F]:
    """Return a decorator that adds the option ``--audit-log-path``.

    Args:
        make: makes the options of the command.
    """
    return make("audit_log_path", PATHS_HELP, metavar="PATH", multiple=True, type=Texts(split_audit_log_paths))
