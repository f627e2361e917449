"""Importing a person's own logs into a store, again and again."""

import json
import shutil
import sqlite3
import sys
from pathlib import Path
from typing import ClassVar

import pandas as pd
import pytest

from aod_notebook import frames
from aod_notebook.frames import FrameError, FrameWarning
from aod_notebook.frames.logs.workers import Worker

SAMPLES = Path(__file__).parents[1] / "logs" / "samples" / "home"
CLAUDE = "11111111-1111-4111-8111-111111111111"
FORK = "4b6b04ae-38cc-498e-aebc-0d3676182156"
BILLED = 12081 + 1010 + 7121 + 2041 + 7182
"""Input tokens that the model served to the sessions of the samples."""
PROJECT = Path(".claude") / "projects" / "-srv-project"

pytestmark = pytest.mark.filterwarnings("ignore:computed_cost_usd")


@pytest.fixture
def home(tmp_path):
    return Path(shutil.copytree(SAMPLES, tmp_path / "home"))


@pytest.fixture
def store(home, tmp_path):
    return frames.import_logs(home, into=tmp_path / "store")


def tokens(store):
    used = store.frame("model_usage")
    return used.groupby("session_id")["input_tokens"].sum().to_dict()


def test_the_sum_of_model_usage_is_what_was_billed(store):
    assert store.frame("model_usage")["input_tokens"].sum() == BILLED


def test_sessions_have_what_only_logs_know(store):
    sessions = store.frame("sessions").set_index("session_id")

    assert sessions.loc[CLAUDE, "title"] == "please [[tools]]"
    assert sessions.loc[CLAUDE, "cwd"] == "/srv/project"
    assert sessions.loc[CLAUDE, "cli_version"] == "2.1.332"
    assert sessions.loc[FORK, "forked_from_id"] == CLAUDE
    assert sessions.loc[CLAUDE, "source"].endswith(f"{CLAUDE}.jsonl")


def test_calls_of_a_subagent_name_the_call_that_started_it(store):
    calls = store.frame("tool_calls")

    assert "toolu_00050" in set(calls[calls["session_id"] == CLAUDE]["parent_tool_use_id"])


def test_failed_calls_and_durations_are_there(store):
    calls = store.frame("tool_calls")
    of_claude = calls[calls["session_id"] == CLAUDE]

    assert of_claude["is_error"].sum() == 2
    assert of_claude["duration_s"].notna().all()


def test_a_second_import_reads_no_unchanged_file(home, store, monkeypatch):
    monkeypatch.setattr("aod_notebook.frames.logs.rows.read_log", lambda log: 1 / 0)

    again = frames.import_logs(home, into=store.path)

    assert again.session_ids == store.session_ids


def test_a_session_that_grew_is_read_again(home, store):
    before = tokens(store)
    path = home / PROJECT / f"{CLAUDE}.jsonl"
    last = json.loads(next(x for x in reversed(path.read_text().splitlines()) if "msg_" in x))
    last["uuid"], last["message"]["id"] = "new-line", "msg_new"
    last["message"]["usage"]["input_tokens"] = 5
    with path.open("a") as file:
        file.write(json.dumps(last) + "\n")

    with pytest.warns(FrameWarning, match="own sum of input_tokens"):
        after = frames.import_logs(home, into=store.path)

    assert tokens(after) == {**before, CLAUDE: before[CLAUDE] + 5}


def test_a_copy_that_comes_later_counts_nothing_again(home, store):
    before = store.frame("model_usage")["input_tokens"].sum()
    other = home / ".claude" / "projects" / "-srv-other"
    other.mkdir()
    text = (home / PROJECT / f"{CLAUDE}.jsonl").read_text()
    (other / "22222222-2222-4222-8222-222222222222.jsonl").write_text(
        text.replace(CLAUDE, "22222222-2222-4222-8222-222222222222")
    )

    with pytest.warns(FrameWarning, match="own sum"):  # the copy lacks the subagent's file
        after = frames.import_logs(home, into=store.path)

    assert len(after.session_ids) == len(store.frame("sessions")) == 6
    assert after.frame("model_usage")["input_tokens"].sum() == before


def test_damaged_lines_are_counted_and_the_rest_is_read(home, tmp_path):
    path = home / PROJECT / f"{FORK}.jsonl"
    path.write_text("not JSON\n" + path.read_text() + '{"type": "assist')

    with pytest.warns(FrameWarning, match=r"2 problem\(s\) in the imported logs"):
        store = frames.import_logs(path, into=tmp_path / "store")

    assert {problem.what for problem in store.problems} == {
        "a line is not a JSON object with a type",
        "the last line is incomplete",
    }
    assert store.session_ids == [FORK]


def test_a_path_is_a_source_of_every_frame(home):
    folder = home / ".claude"

    assert set(frames.sessions_df(folder)["session_id"]) == {CLAUDE, FORK}
    assert len(frames.turns_df(str(folder))) == 6
    assert frames.tool_calls_df(str(folder))["is_error"].sum() == 2
    assert frames.results_df(folder)["input_tokens"].sum() == 12081 + 1010


@pytest.mark.parametrize("name", ["messages", "tool_calls", "results", "model_usage"])
def test_frames_of_a_path_equal_those_of_the_store(home, store, name):
    """A store is filled from the lines themselves, a path is read over the events frame."""
    stored = store.frame(name)
    direct = getattr(frames, f"{name}_df")(home)
    order = ["session_id", "order" if "order" in stored else "turn"]

    pd.testing.assert_frame_equal(
        stored.sort_values(order, kind="stable").reset_index(drop=True),
        direct.sort_values(order, kind="stable").reset_index(drop=True),
        check_categorical=False,
    )


def test_a_path_that_does_not_exist_is_named():
    with pytest.raises(FrameError, match=r"no-such-home does not exist\."):
        frames.sessions_df("./no-such-home")


def test_only_the_named_agents_are_imported(home, tmp_path):
    store = frames.import_logs(home, into=tmp_path / "store", agents=["gemini"])

    assert store.frame("sessions")["runtime"].tolist() == ["gemini"]


def test_an_unknown_agent_is_refused_with_the_known_ones(home, tmp_path):
    with pytest.raises(FrameError, match="choose from claude, codex, gemini, opencode"):
        frames.import_logs(home, into=tmp_path / "store", agents=["cursor"])


def test_a_database_with_credentials_shows_none_of_them(tmp_path):
    path = tmp_path / "opencode.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE session (id, title, time_created, time_updated)")
        database.execute("CREATE TABLE message (id, session_id, time_created, data)")
        database.execute("CREATE TABLE part (id, message_id, session_id, time_created, data)")
        database.execute("CREATE TABLE credential (token)")
        database.execute("INSERT INTO credential VALUES ('hidden-token')")
        database.execute("INSERT INTO session VALUES ('ses_1', 'Hello', 1, 2)")
    database.close()

    store = frames.import_logs(path, into=tmp_path / "store")

    assert store.session_ids == ["ses_1"]
    written = b"".join(f.read_bytes() for f in store.path.rglob("*") if f.is_file())
    assert b"hidden-token" not in written


def test_a_fork_of_opencode_has_the_counts_of_its_own_answers_only(tmp_path):
    path = tmp_path / ".local" / "share" / "opencode" / "opencode.db"
    path.parent.mkdir(parents=True)
    tokens = {"input": 10, "output": 5, "reasoning": 0, "cache": {"read": 0, "write": 0}}
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE session (id, title, time_created, time_updated)")
        database.execute("CREATE TABLE message (id, session_id, time_created, data)")
        database.execute("CREATE TABLE part (id, message_id, session_id, time_created, data)")
        for at, session in enumerate(("ses_1", "ses_2")):
            database.execute("INSERT INTO session VALUES (?, 'One', ?, 9)", (session, at))
            answer = {"role": "assistant", "modelID": "m", "cost": 0.01, "tokens": tokens}
            answer["time"] = {"created": 3, "completed": 4}
            message = f"msg_{session}"
            values = (message, session, json.dumps(answer))
            database.execute("INSERT INTO message VALUES (?, ?, 3, ?)", values)
            part = {"type": "step-finish", "reason": "stop", "tokens": tokens, "cost": 0.01}
            values = (f"prt_{session}", message, session, json.dumps(part))
            database.execute("INSERT INTO part VALUES (?, ?, ?, 3, ?)", values)

    store = frames.import_logs(path, into=tmp_path / "store")

    assert store.frame("results")["input_tokens"].sum() == 10
    assert store.frame("results")["cost_usd"].sum() == pytest.approx(0.01)


@pytest.mark.filterwarnings("ignore:.*own sum of input_tokens")  # the copy lacks the subagent
def test_several_processes_import_the_same_as_one(home, store, tmp_path, monkeypatch):
    other = home / ".claude" / "projects" / "-srv-other"
    other.mkdir()
    copy = (home / PROJECT / f"{CLAUDE}.jsonl").read_text().replace(CLAUDE, "a-copy")
    (other / "a-copy.jsonl").write_text(copy)
    monkeypatch.setattr("aod_notebook.frames.logs.imports._BATCH_BYTES", 1)
    one, two = (frames.import_logs(home, into=tmp_path / str(jobs), jobs=jobs) for jobs in (1, 2))

    for name in ("sessions", "turns", "messages", "tool_calls", "model_usage"):
        keys = ["session_id"] if name == "sessions" else None
        first, second = (
            made.frame(name).sort_values(keys or ["session_id", "turn"], kind="stable")
            for made in (one, two)
        )
        pd.testing.assert_frame_equal(
            first.reset_index(drop=True), second.reset_index(drop=True), check_categorical=False
        )
    assert two.frame("model_usage")["input_tokens"].sum() == BILLED


def test_prices_of_your_own_count_in_every_process(home, tmp_path):
    prices = tmp_path / "prices.toml"
    prices.write_text('version = "1"\n[models.claude-sonnet-4-6]\ninput = 7\noutput = 0\n')
    frames.prices.use(prices)
    try:
        store = frames.import_logs(home / ".claude", into=tmp_path / "store", jobs=2)
    finally:
        frames.prices.use(None)

    used = store.frame("model_usage")
    read = used["input_tokens"] + used["cache_read_tokens"] + used["cache_creation_tokens"]
    assert used["computed_cost_usd"].sum() == pytest.approx(read.sum() * 7 / 1e6)


class Watched(Worker):
    """A process of an import that a test may ask whether it still runs."""

    started: ClassVar = []

    def __init__(self, target):
        super().__init__(target)
        self.started.append(self)

    @property
    def has_ended(self):
        return self._process.poll() is not None


class Killed(Watched):
    """A process that is killed after its first work."""

    def receive(self):
        self._process.kill()
        self._process.wait()
        return super().receive()


@pytest.fixture
def started(monkeypatch):
    monkeypatch.setattr("aod_notebook.frames.logs.imports._BATCH_BYTES", 1)
    monkeypatch.setattr("aod_notebook.frames.logs.imports.Worker", Watched)
    monkeypatch.setattr(Watched, "started", [])
    return Watched.started


def test_a_process_that_is_killed_is_an_error_and_the_next_import_ends_it(
    home, tmp_path, monkeypatch, started
):
    with monkeypatch.context() as patched:
        patched.setattr("aod_notebook.frames.logs.imports.Worker", Killed)
        with pytest.raises(FrameError, match=r"stopped: a process of the import has ended early"):
            frames.import_logs(home, into=tmp_path / "store", jobs=2)

    after = frames.import_logs(home, into=tmp_path / "store", jobs=2)

    assert after.frame("model_usage")["input_tokens"].sum() == BILLED
    assert len(started) == 2
    assert all(one.has_ended for one in started)


def test_an_interrupted_import_leaves_no_process_and_can_be_repeated(
    home, tmp_path, monkeypatch, started
):
    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("aod_notebook.frames.logs.imports.add_sessions", interrupt)
        with pytest.raises(KeyboardInterrupt):
            frames.import_logs(home, into=tmp_path / "store", jobs=3)

    assert [one.has_ended for one in started] == [True, True]
    again = frames.import_logs(home, into=tmp_path / "store", jobs=1)
    assert again.frame("model_usage")["input_tokens"].sum() == BILLED


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file of /proc that cannot be read")
def test_a_file_that_cannot_be_read_is_reported_and_the_rest_is_imported(home, tmp_path):
    path = home / PROJECT / f"{FORK}.jsonl"
    path.unlink()
    path.symlink_to("/proc/self/mem")  # it can be opened, but its first page is not there

    with pytest.warns(FrameWarning, match="could not be read"):
        store = frames.import_logs(home, into=tmp_path / "store")

    assert FORK not in store.session_ids
    assert CLAUDE in store.session_ids


def test_a_process_that_fails_is_an_error_and_no_wait(home, tmp_path, monkeypatch):
    monkeypatch.setattr("aod_notebook.frames.logs.imports._BATCH_BYTES", 1)
    monkeypatch.setattr("aod_notebook.frames.prices.given", lambda: "nonsense")

    with pytest.raises(FrameError, match=r"The import into .* stopped: ValueError"):
        frames.import_logs(home, into=tmp_path / "store", jobs=2)


def test_a_session_in_two_folders_stays_whole_when_only_its_part_changes(home, tmp_path):
    whole = home / PROJECT / f"{FORK}.jsonl"
    part = home / ".claude" / "projects" / "-srv-other" / f"{FORK}.jsonl"
    part.parent.mkdir()
    lines = whole.read_text().splitlines(keepends=True)
    part.write_text("".join(lines[:4]))
    store = frames.import_logs(home, into=tmp_path / "store")
    before = len(store.frame("messages"))
    part.write_text("".join(lines[:5]))

    after = frames.import_logs(home, into=tmp_path / "store")

    assert len(after.frame("messages")) == before
    assert after.frame("model_usage")["input_tokens"].sum() == BILLED
