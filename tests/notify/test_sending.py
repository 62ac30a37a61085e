"""``cxone-notify send`` as a process, with a real receiver."""

from __future__ import annotations

import json
import signal
import time
from typing import TYPE_CHECKING

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from tap_cxone.notify.payload import MAX_BODY_BYTES
from tests.notify.conftest import SECRET, TOKEN, VALUE

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from tests.notify.conftest import Listener, Log, Notify, Request

    Listen = Callable[..., Listener]


def test_windows_are_announced_once_and_in_order(notify: Notify, log: Log, listener: Listener) -> None:
    code, out, err = notify("send", webhook_url=listener.url)
    assert (code, out) == (0, "")
    first, second = listener.messages
    assert first.pop("timestamp").endswith("Z")
    assert first == {
        "source": "cxone_analytics_export",
        "job_id": "job-1",
        "record_count": 10,
        "data_sample": [{"id": VALUE, "duration": 1.5}],
        "stream": "bot_conversations",
        "dateFrom": "2024-01-01T00:00:00.000Z",
        "dateTo": "2024-01-11T00:00:00.000Z",
        "duplicates": 1,
        "schema_errors": 2,
        "tenant": None,
        "host": None,
        "surface": "analytics",
    }
    assert second["job_id"] == "job-2"
    assert second["data_sample"] == []
    assert "windows=2 delivered=2 failed=0 not_tried=0 records=30 success_rate=1.0" in err

    success, _ = log.events("webhook_sync_success")
    assert success.pop("latency_ms") >= 0
    assert success.pop("logged_at") <= log.lines[-1]["logged_at"]
    assert len(success.pop("receiver")) == 16
    assert success == {
        "event": "webhook_sync_success",
        "stream": "bot_conversations",
        "job_id": "job-1",
        "dateFrom": "2024-01-01T00:00:00.000Z",
        "dateTo": "2024-01-11T00:00:00.000Z",
        "host": "127.0.0.1",
        "webhook_id": listener.requests[0].webhook_id,
        "records_sent": 10,
        "attempts": 1,
    }
    assert TOKEN not in log.path.read_text()

    assert notify("send", webhook_url=listener.url)[0] == 0
    assert len(listener.requests) == 2
    log.extract("job-3", 21, 31)
    notify("send", webhook_url=listener.url)
    assert listener.jobs == ["job-1", "job-2", "job-3"]


def test_new_token_or_moved_name_is_the_same_receiver(notify: Notify, listener: Listener, listen: Listen) -> None:
    notify("send", webhook_url=listener.url)
    other_token = listener.url.replace(TOKEN, "another").replace("user:", "other:")
    notify("send", webhook_url=other_token)
    assert len(listener.requests) == 2
    notify("send", webhook_url=f"bi={listener.url}")
    assert len(listener.requests) == 4
    elsewhere = listen()
    notify("send", webhook_url=f"bi={elsewhere.url}")
    assert elsewhere.requests == []


@pytest.mark.parametrize("form", ["options", "white space", "json"])
def test_several_receivers_each_get_every_message(notify: Notify, listen: Listen, form: str) -> None:
    down, up = listen(always=503), listen()
    if form == "options":
        code, _, err = notify("send", "--webhook-url", down.url, "--webhook-url", up.url, max_attempts="1")
    else:
        urls = f" {down.url}\n{up.url} " if form == "white space" else json.dumps([down.url, up.url])
        code, _, err = notify("send", webhook_url=urls, max_attempts="1")
    assert code == 0
    assert "2 of 4 messages were not delivered: they stay due" in err
    assert up.jobs == ["job-1", "job-2"]


def test_messages_are_signed_by_the_standard(notify: Notify, listener: Listener) -> None:
    notify("send", webhook_url=listener.url, webhook_secret=SECRET)
    for request in listener.requests:
        assert Webhook(SECRET).verify(request.body, request.headers) == request.message
        assert request.headers["content-type"] == "application/json"
        with pytest.raises(WebhookVerificationError):
            Webhook("whsec_YW5vdGhlcg==").verify(request.body, request.headers)


def test_unsigned_messages_have_an_id_and_a_timestamp(notify: Notify, listener: Listener) -> None:
    notify("send", webhook_url=listener.url)
    headers = listener.requests[0].headers
    assert headers["webhook-id"].startswith("msg_")
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60
    assert "webhook-signature" not in headers


def test_failed_message_is_retried_with_the_same_id(notify: Notify, log: Log, listen: Listen) -> None:
    listener = listen(answers=[500, 404])
    code, _, err = notify("send", webhook_url=listener.url, webhook_secret=SECRET)
    assert code == 0
    assert listener.jobs == ["job-1", "job-1", "job-1", "job-2"]
    assert len({request.webhook_id for request in listener.requests[:3]}) == 1
    assert "it answered 500; attempt 1, trying again in" in err
    assert log.events("webhook_sync_success")[0]["attempts"] == 3
    assert not log.events("webhook_sync_failure")
    for request in listener.requests:
        Webhook(SECRET).verify(request.body, request.headers)


def test_retry_after_is_honoured(notify: Notify, listen: Listen) -> None:
    at: list[float] = []
    listener = listen(answers=[(429, {"Retry-After": "2"})], on_request=lambda _: at.append(time.monotonic()))
    notify("send", webhook_url=listener.url)
    assert at[1] - at[0] >= 2


def test_receiver_that_was_down_gets_everything_next_time(notify: Notify, log: Log, listen: Listen) -> None:
    listener = listen(always=503)
    code, _, err = notify("send", webhook_url=listener.url, max_attempts="2")
    assert code == 0
    assert "WARNING" in err
    assert listener.jobs == ["job-1", "job-1", "job-2"], "after a failure the next window is tried once"
    failure = log.events("webhook_sync_failure")[0]
    assert failure["attempts"] == 2
    assert failure["reason"] == "it answered 503"
    assert failure["job_id"] == "job-1"
    assert failure["host"] == "127.0.0.1"
    metrics = log.events("webhook_metrics")[0]
    assert (metrics["windows"], metrics["delivered"], metrics["success_rate"]) == (2, 0, 0.0)
    assert metrics["latency_median_ms"] is None

    listener.always = 200
    listener.clear()
    assert notify("send", "--strict", webhook_url=listener.url)[0] == 0
    assert listener.jobs == ["job-1", "job-2"]


def test_receiver_gets_nothing_more_after_two_failures(notify: Notify, log: Log, listen: Listen) -> None:
    log.extract("job-3", 21, 31)
    listener = listen(always=500)
    _, _, err = notify("send", webhook_url=listener.url, max_attempts="1")
    assert listener.jobs == ["job-1", "job-2"]
    assert "gets nothing more in this run: 1 more windows stay due" in err
    assert log.events("webhook_metrics")[0]["not_tried"] == 1


def test_one_rejected_message_does_not_stop_the_others(notify: Notify, log: Log, listen: Listen) -> None:
    log.extract("job-3", 21, 31)
    listener = listen(answers=[400])
    notify("send", webhook_url=listener.url, max_attempts="1")
    assert listener.jobs == ["job-1", "job-2", "job-3"]
    notify("send", webhook_url=listener.url)
    assert listener.jobs == ["job-1", "job-2", "job-3", "job-1"]


def test_gone_is_not_retried(notify: Notify, log: Log, listen: Listen) -> None:
    listener = listen(always=410)
    code, _, err = notify("send", webhook_url=listener.url)
    assert code == 0
    assert len(listener.requests) == 1
    assert "it answered 410: this URL is gone for good; correct or remove it in 'webhook_url'" in err
    assert log.events("webhook_sync_failure")[0]["attempts"] == 1


def test_redirects_are_not_followed(notify: Notify, listener: Listener, listen: Listen) -> None:
    moved = listen(always=307, answers=[(307, {"Location": listener.url})] * 2)
    _, _, err = notify("send", webhook_url=moved.url, max_attempts="2")
    assert "it answered 307, a redirect, which is not followed" in err
    assert len(moved.requests) == 3
    assert not listener.requests


@pytest.mark.parametrize("how", [{"seconds": 20}, {"drip": True}])
def test_attempt_takes_no_longer_than_the_timeout(
    notify: Notify, log: Log, listen: Listen, how: dict[str, object]
) -> None:
    listener = listen(**how)
    began = time.monotonic()
    notify("send", webhook_url=listener.url, timeout="1", max_attempts="1")
    assert time.monotonic() - began < 10
    assert log.events("webhook_sync_failure")[0]["reason"] == "it did not answer within 1 s"


def test_refused_connection_is_a_failed_delivery(notify: Notify, log: Log, listener: Listener) -> None:
    listener.stop()
    code, _, err = notify("send", "--strict", webhook_url=listener.url, max_attempts="1")
    assert code == 1
    assert "2 of 2 messages were not delivered: they stay due" in err
    assert log.events("webhook_sync_failure")[0]["reason"] == "the connection failed"


def test_tls_failure_is_named(notify: Notify, log: Log, listener: Listener) -> None:
    notify("send", webhook_url=listener.url.replace("http:", "https:"), max_attempts="1")
    assert "TLS failed" in log.events("webhook_sync_failure")[0]["reason"]


def test_missing_certificate_bundle_is_named(notify: Notify, log: Log, listener: Listener) -> None:
    settings = {"REQUESTS_CA_BUNDLE": "/nowhere/ca.pem"}
    url = listener.url.replace("http:", "https:")
    notify("send", webhook_url=url, max_attempts="1", **settings)
    assert "REQUESTS_CA_BUNDLE" in log.events("webhook_sync_failure")[0]["reason"]


def test_proxy_of_the_environment_is_used(notify: Notify, listener: Listener) -> None:
    proxy = {"HTTP_PROXY": listener.url.split("/hook", maxsplit=1)[0], "NO_PROXY": ""}
    notify("send", "--allow-http", webhook_url=f"http://bi.invalid/in?token={TOKEN}", **proxy)
    assert [request.target for request in listener.requests] == [f"http://bi.invalid/in?token={TOKEN}"] * 2


def test_sender_killed_after_a_delivery_repeats_it_with_the_same_id(notify: Notify, listener: Listener) -> None:
    process: subprocess.Popen[str]

    def kill(request: Request) -> None:
        """Kill the sender after the receiver has the message."""
        process.send_signal(signal.SIGKILL)
        process.wait()

    listener.on_request = kill
    process = notify.start("send", webhook_url=listener.url)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert len(listener.requests) == 1

    listener.on_request = None
    notify("send", webhook_url=listener.url)
    assert listener.jobs == ["job-1", "job-1", "job-2"]
    first, again, _ = listener.requests
    assert first.webhook_id == again.webhook_id


def test_concurrent_senders_announce_nothing_twice(notify: Notify, log: Log, listen: Listen) -> None:
    for day in range(21, 27):
        log.extract(f"job-{day}", day, day + 1)
    listener = listen(seconds=0.2)
    senders = [notify.start("send", webhook_url=listener.url) for _ in range(3)]
    results = [(sender.communicate(timeout=60)[1], sender.returncode) for sender in senders]
    assert [code for _, code in results] == [0, 0, 0]
    assert any("Another cxone-notify is using the file of 'audit_log_path'" in err for err, _ in results)
    assert len(listener.jobs) == len(set(listener.jobs)) == 8
    assert len(log.events("webhook_sync_success")) == 8
    assert len(log.lines) == 8 * 4 + 8 + 3, "every line is complete"


def test_tap_can_write_while_messages_are_sent(notify: Notify, log: Log, listen: Listen) -> None:
    listener = listen(on_request=lambda request: log.extract(f"after-{request.message['job_id']}", 21, 31))
    notify("send", webhook_url=listener.url)
    assert listener.jobs == ["job-1", "job-2"]
    listener.on_request = None
    notify("send", webhook_url=listener.url)
    assert listener.jobs == ["job-1", "job-2", "after-job-2"]


def test_incomplete_lines_are_skipped(notify: Notify, log: Log, listener: Listener) -> None:
    whole = log.path.read_bytes()
    half = b'{"event":"window_extracted","logged_at":"2024-01-01T00:00:00.000Z","stream":"bot_conv'
    junk = b'\n\n[]\n"window_extracted"\n{"event":7}\n\xff\xfe"window_extracted"\n{"event":"window_extracted"}\n'
    log.path.write_bytes(half + b"\n" + junk + whole + half)
    notify("send", webhook_url=listener.url)
    notify("send", webhook_url=listener.url)
    assert listener.jobs == ["job-1", "job-2"]
    assert len(log.events("webhook_sync_success")) == 2


def test_body_is_limited_by_shortening_the_sample(notify: Notify, log: Log, listener: Listener) -> None:
    sample = [{"id": VALUE, "text": "x" * 10_000, "number": number} for number in range(100)]
    log.extract("job-3", 21, 31, sample=sample)
    _, _, err = notify("send", webhook_url=listener.url, webhook_secret=SECRET)
    request = listener.requests[2]
    Webhook(SECRET).verify(request.body, request.headers)
    assert MAX_BODY_BYTES - 11_000 < len(request.body) <= MAX_BODY_BYTES
    kept = request.message["data_sample"]
    assert kept == sample[: len(kept)]
    assert f"the sample is cut to {len(kept)} of 100 records" in err


def test_text_of_any_language_arrives_unchanged(notify: Notify, log: Log, listener: Listener) -> None:
    sample = [{"id": '\u2028 größer 漢字 \U0001f600 \\ " \x00'}]
    log.extract("jöb-3", 21, 31, sample=sample)
    notify("send", webhook_url=listener.url, webhook_secret=SECRET)
    request = listener.requests[2]
    assert request.message["data_sample"] == sample
    assert request.message["job_id"] == "jöb-3"
    Webhook(SECRET).verify(request.body, request.headers)
