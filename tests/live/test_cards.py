"""Sessions, runs and stores show themselves as cards: in HTML, as text, without waiting."""

import re

from IPython.lib.pretty import pretty

from aod_notebook import frames, live
from aod_notebook.core.card import Card
from aod_notebook.live import SessionRequest, start

HOSTILE = "<script>alert(1)</script> \x1b[31m $x$ \u202e"


def text_in(html):
    return re.sub(r"<style>.*?</style>|<[^>]+>", "", html)


def test_a_session_shows_its_question_and_what_it_took(connected):
    fix = start(SessionRequest(prompt="Why 30 nights?", runtime="replay")).wait()
    shown = text_in(fix._repr_html_())
    for words in (
        "✓ Completed",
        "Why 30 nights?",
        "replay",
        "14 tool calls",
        "(2 failed)",
        "$0.17",
    ):
        assert words in shown
    first, facts, *_ = pretty(fix).splitlines()
    assert first == f"✓ Completed  Why 30 nights?  {fix.id[:8]}"
    assert "replay · claude-sonnet-4-6 · 1 turn · 14 tool calls · (2 failed)" in facts
    assert repr(fix) == f"<LiveSession {fix.id} replay completed>"


def test_a_session_leaves_out_what_its_runtime_does_not_report(connected):
    shown = text_in(start(SessionRequest(prompt="echo hi", runtime="shell")).wait()._repr_html_())
    assert "$" not in shown
    assert "tokens" not in shown
    assert "“hi”" in shown


def test_a_session_without_its_service_still_shows_itself(connected, monkeypatch):
    session = start(SessionRequest(prompt="echo hi", runtime="shell")).wait()
    monkeypatch.setattr(
        session._connection.client, "_base_url", "http://127.0.0.1:9", raising=False
    )
    assert "Completed" in session._repr_html_()


def test_hostile_texts_in_a_card_are_texts():
    card = Card(
        HOSTILE, HOSTILE, HOSTILE, "failed", [(HOSTILE, "bad")], [(HOSTILE,) * 2 + ("",)], HOSTILE
    )
    for shown in (card.html(), card.text()):
        assert "\x1b" not in shown
        assert "\u202e" not in shown
    assert "<script" not in card.html()
    assert "mathjax_ignore" in card.html()


def test_a_store_shows_what_is_in_it(connected, tmp_path):
    sessions = [start(SessionRequest(prompt="x", runtime="replay")).wait() for _ in range(2)]
    store = frames.collect(sessions, into=tmp_path / "store")
    shown = text_in(store._repr_html_())
    for words in ("2sessions", "28tool calls, 4 failed", "$0.34$0.17 a session", "% cached"):
        assert words in shown, words
    assert "2 sessions" in pretty(store)


def test_an_empty_store_shows_itself(tmp_path):
    from aod_notebook.frames.store import scan
    from aod_notebook.frames.store.commit import make

    make(tmp_path / "store")
    assert "0 sessions" in pretty(scan(tmp_path / "store"))


def test_a_run_shows_its_state_and_its_events(connected, service, monkeypatch):
    monkeypatch.setenv("AGENTOS_BASE_URL", service.url)
    monkeypatch.setenv("AGENTOS_API_KEY", service.agentos_key)
    monkeypatch.setenv("AGENTOS_AGENT_ID", service.agent_id)
    run = live.invoke({"query": "hi"}).wait()
    shown = text_in(run._repr_html_())
    assert "✓ Completed" in shown
    assert run.id[:8] in shown
    assert pretty(run).startswith(f"✓ Completed  Run {run.id[:8]}")
