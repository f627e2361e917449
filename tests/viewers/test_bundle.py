"""Sessions as pages for others: what stands in them, and what does not."""

import json
import re
from datetime import UTC, datetime

import pytest
from planted import SHAPES, planted

from aod_notebook.aod import StreamEvent
from aod_notebook.core.redactor import Redactor
from aod_notebook.viewers.bundle import Shown, whole_page, write_bundle
from aod_notebook.viewers.bundle.shown import redacted


def output(text, turn=1, stream="stdout"):
    return StreamEvent("output", None, {"stream": stream, "data": text, "turn": turn})


def said(text):
    message = {"id": "m1", "role": "assistant", "content": [{"type": "text", "text": text}]}
    return json.dumps({"type": "assistant", "message": message}) + "\n"


def session(name, *events, **known):
    begun = [StreamEvent("turn_start", 1, {"turn": 1})]
    return Shown(
        id=name,
        events=[*begun, *events, StreamEvent("exit", 9, {"code": 0})],
        prompts=known.pop("prompts", {1: f"Look at {name}"}),
        status=known.pop("status", "completed"),
        created_at=datetime(2026, 1, 2, tzinfo=UTC),
        **known,
    )


def written(folder, sessions, redactor=None):
    return "".join(path.read_text() for path in write_bundle(folder, sessions, redactor))


def test_two_hundred_planted_secrets_are_in_no_page(tmp_path):
    found, sessions, known = [], [], []
    for number, shape in enumerate(SHAPES):
        sentences = []
        for secret, sentence in planted(shape):
            found.append(secret)
            known += [secret] if shape == "known" else []
            sentences.append(sentence.format(secret))
        half = len(sentences) // 2
        lines = "".join(map(said, sentences[:half]))
        cut = len(lines) // 2
        sessions += [
            session(f"s{number}", output(lines[:cut]), output(lines[cut:])),
            session(
                f"p{number}", output("\n".join(sentences[half:])), prompts={1: sentences[0]},
                runtime="shell",
            ),
            session(f"e{number}", output("\n".join(sentences), stream="stderr")),
        ]  # fmt: skip
    assert len(found) >= 200
    pages = written(tmp_path, sessions, Redactor(known))
    left = [secret for secret in found if any(part in pages for part in secret.split("\n"))]
    assert left == []


def test_a_secret_that_two_events_share_is_hidden(tmp_path):
    secret = "ghp_" + "a1B2" * 9
    events = [output(f"the token {secret[:12]}"), output(f"{secret[12:]} is old\n")]
    pages = written(tmp_path, [session("one", *events, runtime="shell")], Redactor())
    assert secret[12:] not in pages
    assert "[hidden] is old" in pages


def test_a_secret_that_pieces_of_a_message_share_is_hidden(tmp_path):
    secret = "ghp_" + "a1B2" * 9
    pieces = [
        {"type": "message", "role": "assistant", "content": part, "delta": True}
        for part in (f"It is {secret[:9]}", f"{secret[9:]}.")
    ]
    lines = "".join(json.dumps(piece) + "\n" for piece in pieces)
    pages = written(tmp_path, [session("one", output(lines), runtime="gemini")], Redactor())
    assert secret[9:] not in pages
    assert "It is [hidden]" in pages


def test_each_page_says_what_was_replaced_in_it(tmp_path):
    events = output("password: hunter2hunter\n")
    write_bundle(
        tmp_path, [session("one", events, runtime="shell"), session("two")], Redactor(["nobody"])
    )
    assert "Redacted: 1 password." in (tmp_path / "one.html").read_text()
    assert "Redacted: nothing was found" in (tmp_path / "two.html").read_text()
    assert "Redacted: 1 password." in (tmp_path / "index.html").read_text()


def test_pages_that_are_not_redacted_say_so(tmp_path):
    pages = written(tmp_path, [session("one", output("password: hunter2hunter\n"))])
    assert pages.count("Not redacted") == 2
    assert "hunter2hunter" in pages


@pytest.mark.parametrize("name", ["one.html", "index.html"])
def test_a_page_allows_no_request_and_no_script_but_its_own(tmp_path, name):
    write_bundle(tmp_path, [session("one")], None)
    text = (tmp_path / name).read_text()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    assert policy.startswith("default-src 'none'")
    assert ("script-src" in policy) == (name == "index.html")
    assert not re.search(r'(?:src|href)="(?:https?:)?//', text)


def test_the_prompt_of_each_turn_is_shown_whole(tmp_path):
    later = StreamEvent("turn_start", None, {"turn": 2})
    shown = session("one", later, prompts={1: "First\nand more", 2: "Second"})
    write_bundle(tmp_path, [shown], None)
    page = (tmp_path / "one.html").read_text()
    first, second = page.index("First\nand more"), page.rindex("Second")
    assert page.index("Turn 1") < first < page.index("Turn 2") < second


def test_ids_make_no_paths(tmp_path):
    names = ["../../up/<b>", "..-..-up--b-", "index", "x" * 300]
    paths = write_bundle(tmp_path / "pages", map(session, names), None)
    assert all(path.resolve().parent == tmp_path / "pages" for path in paths)
    assert len(set(paths)) == 5
    assert "<b>" not in paths[0].read_text()


def test_half_of_a_surrogate_pair_is_replaced(tmp_path):
    assert "a\N{REPLACEMENT CHARACTER}" in written(
        tmp_path, [session("one", prompts={1: "a\ud800"})]
    )


def test_a_whole_page_holds_its_body_and_its_escaped_title():
    page = whole_page("<i>", "<p>body</p>")
    assert "<title>&lt;i&gt;</title>" in page
    assert "<p>body</p>" in page
    assert page.startswith("<!doctype html>")


def test_pages_are_written_through_no_link(tmp_path):
    (tmp_path / "bashrc").write_text("precious")
    (tmp_path / "pages").mkdir()
    for name in ("one.html", "index.html"):
        (tmp_path / "pages" / name).symlink_to(tmp_path / "bashrc")
    write_bundle(tmp_path / "pages", [session("one")], None)
    assert (tmp_path / "bashrc").read_text() == "precious"


def lines_of(*texts):
    """The lines of output that a redacted session has, of one that wrote these and never ended."""
    shown = Shown(id="s", events=[output(text) for text in texts], prompts={}, status="running")
    (event,) = redacted(shown, Redactor(["planted-value"])).events
    return event.extra["data"].split("\n")


def test_lines_of_json_and_of_text_keep_their_order_when_they_are_redacted():
    texts = ["first planted-value\n", '{"n": 1}\n', "{half\n", "[1]\n", '{"n": 2}']
    first, *others = lines_of(*texts)
    assert first.startswith("first ")
    assert "planted-value" not in first
    assert others == ['{"n": 1}', "{half", "[1]", '{"n": 2}']


def test_pieces_that_a_whole_message_repeats_are_left_out():
    piece = {"type": "stream_event", "event": {"delta": {"text": "planted-"}}}
    assert lines_of(json.dumps(piece) + "\n", '{"n": 1}') == ['{"n": 1}']


def test_the_last_pieces_of_a_message_that_never_ended_are_one_line():
    pieces = [
        {"type": "message", "role": "assistant", "delta": True, "content": text}
        for text in ("planted-", "value!")
    ]
    (line,) = lines_of(*(json.dumps(piece) + "\n" for piece in pieces[:1]), json.dumps(pieces[1]))
    assert json.loads(line)["content"].endswith("!")
    assert "planted-value" not in line
