"""No token and no secret shows up anywhere, whatever goes wrong."""

import io
import logging
import pickle
import traceback

import pytest
from IPython.core.ultratb import VerboseTB
from pydantic import SecretStr
from scripted import answer, hang, reset, start, stream

from aod_notebook.aod import (
    AodError,
    AodHTTPError,
    AodUsageError,
    Client,
    GithubRepoResource,
    McpServer,
    McpServerStdio,
    McpServerUrl,
    ValidationError,
)

TOKEN = "aod_kY7-not-to-be-seen_9fK2"
SECRET = "person's-own-Secret-42"


def shown(error):
    """All texts by which an error and its causes are shown."""
    text = io.StringIO()
    traceback.print_exception(error, file=text)
    text.write("".join(map(repr, (error, str(error), error.args, vars(error)))))
    text.write("".join(error._render_traceback_()))
    return text.getvalue()


def shown_with_locals(error):
    """What a verbose traceback shows: the values in all frames, from the transport down."""
    trace = error.__traceback__
    while trace is not None and "/core/" not in trace.tb_frame.f_code.co_filename:
        trace = trace.tb_next
    return "\n".join(VerboseTB().structured_traceback(type(error), error, trace))


ECHO = f"you sent Bearer {TOKEN} and {SECRET}"


@pytest.mark.parametrize(
    "reply",
    [
        answer(401, {"detail": ECHO}),
        answer(400, {"whatever": [ECHO, {ECHO: 1}]}),
        answer(422, {"detail": [{"loc": ["x"], "msg": "bad", "input": ECHO, "type": "t"}]}),
        answer(500, ECHO.encode(), "text/html"),
        answer(302, b"", Location=f"http://u:{SECRET}@elsewhere/"),
        answer(200, f"<html>{ECHO}".encode(), "text/html"),
        answer(200, [ECHO]),
        reset(),
        hang(),
        stream(start()),
    ],
)
def test_no_error_shows_the_token_or_a_secret_that_was_sent(scripted, reply):
    service = scripted(reply)
    repo = GithubRepoResource(url="https://github.com/o/r", authorization_token=SecretStr(SECRET))
    with Client(service.url, TOKEN, 0.2, max_retries=0) as client:
        for call in (
            lambda: client.environments.create(name="n", env_vars={"KEY": SECRET}),
            lambda: client.sessions.create(
                agent_id="a", prompt="p", resources=[repo], secret_env_vars={"KEY": SECRET}
            ),
        ):
            with pytest.raises(AodError) as caught:
                call()
            assert TOKEN not in shown(caught.value) + repr(client)
            assert SECRET not in shown(caught.value)
            assert TOKEN not in shown_with_locals(caught.value)


def test_reprs_hide_what_is_secret():
    text = repr(
        [
            Client(token=TOKEN),
            Client(token=SecretStr(TOKEN)).sessions,
            GithubRepoResource(url="https://github.com/o/r", authorization_token=SECRET),
            McpServerUrl(name="n", url="u", headers={"Authorization": SECRET}),
            McpServerStdio(name="n", command="c", env={"KEY": SECRET}),
            McpServer(name="n", headers={"X": SECRET}, env={"KEY": SECRET}),
        ]
    )
    assert TOKEN not in text
    assert SECRET not in text


@pytest.mark.parametrize(
    "token", [f"{SECRET}\n{SECRET}", f"{SECRET}é", f"{SECRET} x", "\x00" + SECRET]
)
def test_a_token_that_no_header_can_carry_is_refused_without_showing_it(token):
    with pytest.raises(AodUsageError, match="blanks or characters") as caught:
        Client(token=token)
    assert SECRET not in str(caught.value)


def test_a_token_pasted_with_blanks_around_it_works(scripted):
    service = scripted(answer(200, {"data": []}))
    with Client(service.url, f"  {TOKEN}\n") as client:
        client.agents.list()
    assert service.requests[0].headers["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.environments.create(name="n", env_vars={"1": SECRET, "A": 5}),
        lambda client: client.sessions.create(
            agent_id="a", prompt="p", secret_env_vars={"1": SECRET}
        ),
    ],
)
def test_a_refused_variable_name_does_not_show_its_value(call):
    with Client(token=TOKEN) as client, pytest.raises(ValidationError, match="env_var") as caught:
        call(client)
    assert (caught.value.__context__, caught.value.__cause__) == (None, None)
    assert SECRET not in shown(caught.value)


def test_nothing_secret_is_logged(scripted, caplog):
    service = scripted(answer(422, {"detail": ECHO}))
    with (
        caplog.at_level(logging.DEBUG),
        Client(service.url, TOKEN) as client,
        pytest.raises(ValidationError),
    ):
        client.sessions.create(agent_id="a", prompt="p", secret_env_vars={"KEY": SECRET})
    assert caplog.records
    assert TOKEN not in caplog.text
    assert SECRET not in caplog.text


def test_errors_survive_pickling(scripted):
    service = scripted(answer(429, {"detail": "full", "limit": 2, "active": 2}))
    with Client(service.url, TOKEN) as client, pytest.raises(AodHTTPError) as caught:
        client.sessions.create(agent_id="a", prompt="p")
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (type(copy), str(copy), vars(copy)) == (
        type(caught.value),
        str(caught.value),
        vars(caught.value),
    )


def test_a_cell_shows_one_line():
    error = AodHTTPError(409, "Session has\nfailed", "POST", "http://x/sessions/1/prompt")
    assert error._render_traceback_() == [f"AodHTTPError: {error}"]
    assert "\n" not in str(error)
