"""The platform that a stream's state belongs to, compared with the platform of the run.

What is known without a request is compared before anything is requested: the configured host. A discovered host, and
the tenant, are compared when the run has its first token, before any other request. No token is requested for this
alone: a run with nothing new requests nothing.
"""

from __future__ import annotations

import concurrent.futures
import logging
import threading
from typing import TYPE_CHECKING

from tap_cxone.api.identity import PlatformIdentity, host_name
from tap_cxone.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_cxone.context import RunContext
    from tap_cxone.streams.state import StreamState

_CHECK_SECONDS = 0.2

logger = logging.getLogger("tap-cxone")


def check_platform(stream: str, stored: PlatformIdentity | None, context: RunContext) -> None:
    """Compare the platform of a stream's state with what is known of the run's; request nothing.

    Raises:
        UsageError: they differ, and the setting ``trust_state`` is not set.
    """
    current = context.known_platform
    if stored and current and stored.contradicts(current) and not context.settings.trust_state:
        msg = (
            f"The state of stream '{stream}' was written for {stored}, but this run reads {current}: use another state "
            "for this platform (--state-id-suffix, or another state file), read everything again (--full-refresh, or "
            "no state file), or set 'trust_state' to true for one run to keep the bookmark."
        )
        raise UsageError(msg)


class PlatformBinding:
    """Binds the state of one stream to the platform of the run, and labels the run's events. For the main thread.

    Args:
        stream: name of the stream.
        state: its state.
        context: what the streams of the run share.
    """

    def __init__(self, stream: str, state: StreamState, context: RunContext) -> None:
        self._stream = stream
        self._state = state
        self._context = context

    @property
    def _stored(self) -> PlatformIdentity | None:
        return self._state.platform()

    def check(self) -> None:
        """Label the run's events, and compare the state of every selected stream, by what is known; request nothing.

        Raises:
            UsageError: the state of a stream belongs to another platform or tenant.
        """
        self._label()
        self._context.check_states()

    def connect(self, check: Callable[[], None]) -> None:
        """Request the first token and compare again; from now on, each commit writes the platform into the state.

        Args:
            check: called while waiting; raises to end the run.

        Raises:
            CxoneError: as in ``check``; or the token endpoint, or the discovery of the API, failed.
        """
        _wait(self._context.client.identify, check)
        self.check()
        stored, current = self._stored, self._context.known_platform
        if not current:
            return
        if stored and self._context.settings.trust_state:
            self._warn_of_trust(stored, current, is_replaced=stored.contradicts(current))
        self._state.bind(current)

    def finish_without_requests(self) -> None:
        """Rewrite the platform of a trusted state in a run with nothing new.

        What such a run does not know, because it requests nothing, is removed: it may be what the user wants replaced.
        The next commit writes it.
        """
        stored, current = self._stored, self._context.known_platform
        if not stored or not self._context.settings.trust_state:
            return
        is_replaced = not stored.is_confirmed_by(current)
        self._warn_of_trust(stored, current, is_replaced=is_replaced)
        if is_replaced:
            self._state.replace_platform(current)

    def _label(self) -> None:
        """Set the labels: the tenant is that of the settings, else of the token, else of the state, else the host."""
        settings, known, stored = self._context.settings, self._context.known_platform, self._stored
        if known and stored and stored.contradicts(known):
            stored = None
        platform = known or stored or PlatformIdentity(host_name(settings.access.issuer))
        tenant = platform.tenant or (stored.tenant if stored else None)
        self._context.labels.set(settings.tenant or tenant or platform.host, platform.host)

    def _warn_of_trust(self, stored: PlatformIdentity, current: PlatformIdentity | None, *, is_replaced: bool) -> None:
        if is_replaced:
            logger.warning(
                "Stream '%s': its state was written for %s and is now used for %s (trust_state)",
                self._stream,
                stored,
                current or "a platform that a run with nothing new does not look up",
            )
        else:
            logger.warning(
                "Stream '%s': nothing in its state contradicts this platform: remove the setting 'trust_state'",
                self._stream,
            )


def _wait(action: Callable[[], object], check: Callable[[], None]) -> None:
    """Run an action in a thread, so that this one notices signals and the end of the target meanwhile."""
    future: concurrent.futures.Future[object] = concurrent.futures.Future()

    def run() -> None:
        try:
            future.set_result(action())
        except BaseException as err:  # noqa: BLE001 - raised again in the caller's thread
            future.set_exception(err)

    threading.Thread(target=run, name="token", daemon=True).start()
    while not future.done():
        check()
        concurrent.futures.wait([future], timeout=_CHECK_SECONDS)
    future.result()
