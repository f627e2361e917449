import json
import re

import pandas as pd
import pytest
from traitlets import TraitError

from aod_notebook import live
from aod_notebook.live import Batch, BatchError, BatchStoppedError, LimitError
from aod_notebook.live.batch import LimitReachedError
from aod_notebook.magics.parser import MagicUsageError


def in_a_loop(tmp_path):
    """Make an agent that replays the same call again and again; return its id."""
    path, lines = tmp_path / "loop.jsonl", []
    for number in range(60):
        call = {"type": "tool_use", "id": f"c{number}", "name": "Bash", "input": {"command": "ls"}}
        lines.append({"type": "assistant", "message": {"id": f"{number}", "content": [call]}})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    replay = {"recording": str(path), "pace": 0.05}
    client = live.connection().client
    made = client.agents.create(
        name="loop", model="recording", runtime="replay", metadata={"replay": replay}
    )
    return made.id


@pytest.fixture
def numbers(shell):
    shell.names["rows"] = pd.DataFrame(
        {"n": [1, 2, 3], "double": ["2", "4", "x"]}, index=["a", "b", "c"]
    )
    return shell.names["rows"]


@pytest.fixture
def config(shell):
    """Return what `%config AodMagics` sets; each shell has its own."""
    return shell.ip.magics_manager.registry["AodMagics"]


def count():
    return len(live.connection().client.sessions.list())


def test_each_row_is_a_session_and_the_result_is_bound(shell, numbers, capsys):
    shell.run("%%aod --runtime shell --each rows -o done\necho $(({{n}} * 2))")
    done = shell.names["done"]
    assert list(done.index) == ["a", "b", "c"]
    assert list(done["text"]) == ["2", "4", "6"]
    printed = capsys.readouterr().out
    assert re.search(r"Batch \w+: 3 sessions · 3 completed", printed)


def test_columns_come_before_variables_and_those_fill_the_rest(shell, numbers):
    shell.names.update(n="not this", word="sum")
    shell.run("%%aod --runtime shell --each rows -o done --quiet\necho {{word}} {{n}}")
    assert list(shell.names["done"]["text"]) == ["sum 1", "sum 2", "sum 3"]


def test_unknown_name_starts_nothing(shell, numbers):
    before = count()
    with pytest.raises(BatchError, match="no column 'm'"):
        shell.run("%%aod --runtime shell --each rows\necho {{m}}")
    assert count() == before


def test_choices_are_compared_by_their_score(shell, numbers, capsys):
    shell.run("%%aod --runtime shell --each rows --over model=x,y --score double -o done\n"
              "echo $(({{n}} * 2))")  # fmt: skip
    done = shell.names["done"]
    assert list(done["model"]) == ["x", "y"] * 3
    assert list(done["score"]) == [True, True, True, True, False, False]
    printed = capsys.readouterr().out
    assert "Fisher's exact test" in printed


def test_function_scores(shell, numbers):
    shell.names["half"] = lambda row: float(row["text"]) / 2 - row["n"]
    shell.run("%%aod --runtime shell --each rows --score half -o done --quiet\necho $(({{n}} * 2))")
    assert list(shell.names["done"]["score"]) == [0.0, 0.0, 0.0]


def test_dry_run_shows_two_prompts_and_starts_nothing(shell, numbers, capsys):
    before, agents = count(), len(live.connection().client.agents.list())
    shell.run(
        "%%aod --runtime shell --model never-made --each rows --dry-run --repeat 2\necho {{n}}"
    )
    printed = capsys.readouterr().out
    assert "6 sessions: 3 rows x 2 repetitions" in printed
    assert printed.count("echo 1") == 2
    assert "estimate: NA" in printed
    assert count() == before
    assert len(live.connection().client.agents.list()) == agents


def test_dry_run_estimates_by_like_sessions(shell, numbers, capsys):
    shell.run("%%aod --runtime replay -o one --quiet\ngo")
    shell.run("%%aod --runtime replay --each rows --dry-run\ngo {{n}}")
    printed = capsys.readouterr().out
    amount = float(re.search(r"estimate: \$([\d.]+)", printed)[1])
    assert amount == pytest.approx(3 * shell.names["one"].cost, abs=0.005)


@pytest.mark.parametrize(
    ("line", "error", "message"),
    [
        ("--each rows --jobs 0", MagicUsageError, "--jobs takes a whole number from 1 on, not '0'"),
        ("--each rows --jobs many", MagicUsageError, "--jobs takes a whole number"),
        ("--each nothing", MagicUsageError, "no variable 'nothing'"),
        ("--jobs 2", MagicUsageError, "--jobs goes with --each"),
        ("--score double", MagicUsageError, "--score goes with --each"),
        ("--each rows --background", MagicUsageError, "--background and --each exclude"),
        ("--each rows --raw", MagicUsageError, "--raw and --each exclude"),
        ("--each rows --over model", MagicUsageError, "--over takes NAME=A,B"),
        ("--each rows --over shade=a", BatchError, "over can't vary 'shade'"),
        ("--each rows --score nobody", MagicUsageError, "'nobody' is neither"),
        ("--each rows --score-regex m", BatchError, "no column 'm' to score by"),
        ("--each rows --score-shell true", BatchError, "embedded service only"),
        ("--each rows --max-cost much", MagicUsageError, "--max-cost takes a number above 0"),
        ("--max-tokens -5", MagicUsageError, "--max-tokens takes a whole number"),
    ],
)
def test_options_of_no_use_are_refused(shell, numbers, line, error, message):
    before = count()
    with pytest.raises(error, match=message):
        shell.run(f"%%aod --runtime shell {line}\necho hi")
    assert count() == before


def test_interrupt_binds_the_results_so_far(shell, numbers, monkeypatch):
    def stopped(batch, score):
        raise BatchStoppedError("Interrupted", batch.frame())

    monkeypatch.setattr("aod_notebook.magics.batches.run_scored", stopped)
    with pytest.raises(BatchStoppedError):
        shell.run("%%aod --runtime shell --each rows -o done\necho {{n}}")
    assert list(shell.names["done"]["status"]) == ["not started"] * 3


def test_unfinished_batch_continues_and_says_so(shell, numbers, monkeypatch, capsys):
    cell = "%%aod --runtime shell --each rows -o done --quiet\necho {{n}}"
    with monkeypatch.context() as patched:
        patched.setattr(Batch, "_run_all", _interrupted)
        with pytest.raises(BatchStoppedError):
            shell.run(cell)
    shell.run(cell)
    assert "continues where it was left" in capsys.readouterr().out
    assert list(shell.names["done"]["text"]) == ["1", "2", "3"]


def _interrupted(*_):
    raise KeyboardInterrupt


@pytest.mark.parametrize("how", ["option", "config", "background"])
def test_single_cell_is_ended_at_its_limit(shell, config, tmp_path, how):
    line = f"%%aod -a {in_a_loop(tmp_path)} -o s"
    if how == "background":
        shell.run(f"{line} --background --max-repeats 2\ngo")
        shell.names["s"].wait()
    else:
        config.max_repeats = 2 if how == "config" else 0
        with pytest.raises(LimitReachedError, match="limit of 2 identical calls in a row"):
            shell.run(f"{line} {'--max-repeats 2' if how == 'option' else ''}\ngo")
    assert shell.names["s"].status == "terminated"


@pytest.mark.parametrize("name", ["max_cost", "max_tokens", "max_repeats", "max_cost_per_day"])
def test_configured_limits_must_be_amounts(config, name):
    with pytest.raises(TraitError, match=f"AodMagics.{name} takes a number from 0 on"):
        setattr(config, name, -1)


def test_reached_limit_of_the_day_starts_nothing(shell):
    shell.run("%%aod --runtime replay --quiet\ngo")
    before = count()
    shell.run("%config AodMagics.max_cost_per_day = 0.0001")
    try:
        with pytest.raises(
            LimitReachedError, match=r"for today is reached: \$.* spent, so nothing"
        ):
            shell.run("%%aod --runtime shell\ntrue")
    finally:
        shell.run("%config AodMagics.max_cost_per_day = 0.0")
    assert count() == before


def test_cost_is_added_up_by_model(shell):
    shell.run("%%aod --runtime replay -o one --quiet\ngo")
    shell.run("%%aod --runtime shell --quiet\ntrue")
    frame = shell.run("%aod cost")
    for scope in ("notebook", "today"):
        rows = frame[frame["scope"] == scope]
        assert rows["cost_usd"].sum() == pytest.approx(shell.names["one"].cost)
        assert rows["sessions"].max() == 1
        assert rows["unpriced_turns"].sum() == 0


def test_same_cell_is_reused_with_a_note(shell, capsys):
    cell = "%%aod --runtime shell -o s --reuse\ndate +%N"
    shell.run(cell)
    first, before = shell.names["s"], count()
    shell.run(cell)
    assert shell.names["s"].id == first.id
    assert count() == before
    assert f"Session {first.id}" in (printed := capsys.readouterr().out)
    assert "is reused: nothing was run" in printed
    shell.run(cell.replace("--reuse", ""))
    assert shell.names["s"].id != first.id


def test_reuse_asks_for_the_same_prompt_and_agent(shell):
    shell.run("%%aod --runtime shell -o s\ndate +%N")
    first = shell.names["s"].id
    shell.run("%%aod --runtime shell -o s --reuse\ndate +%N%N")
    assert shell.names["s"].id != first
    shell.run("%%aod --runtime shell --timeout 60 -o s --reuse\ndate +%N")
    assert shell.names["s"].id != first


def test_rows_are_reused(shell, numbers, capsys):
    cell = "%%aod --runtime shell --each rows -o done --reuse --quiet\necho {{n}}"
    shell.run(cell)
    first, before = shell.names["done"], count()
    shell.run(cell)
    assert count() == before
    assert list(shell.names["done"]["session"]) == list(first["session"])
    assert shell.names["done"]["is_reused"].all()
    assert "3 reused, for which nothing was paid now" in capsys.readouterr().out


def test_unknown_price_is_refused(shell):
    client = live.connection().client
    agent = client.agents.create(name="unpriced", model="gpt-nobody-knows", runtime="codex")
    before = count()
    with pytest.raises(LimitError, match="No price is known for 'gpt-nobody-knows'"):
        shell.run(f"%%aod -a {agent.id} --max-cost 1\ngo")
    assert count() == before
