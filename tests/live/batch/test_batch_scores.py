import pandas as pd
import pytest

from aod_notebook import live
from aod_notebook.core import bridge
from aod_notebook.frames import prepare
from aod_notebook.live.batch import BatchError, Expected, Regex, ScoreWarning, Shell
from aod_notebook.live.embedded import embedded_data_dir
from aod_notebook.local import stop_service

ROWS = pd.DataFrame(
    {"n": [1, 2, 3], "answer": ["1", " 2 ", "4"], "pattern": ["^1$", "[13]", "3"]}, index=[*"abc"]
)


def run(prompt="echo {{n}}", rows=ROWS, **options):
    return live.batch(rows, prompt, runtime="shell", progress=False, **options)


@pytest.mark.parametrize("score", ["answer", Expected("answer")])
def test_column_has_the_expected_text(connected, score):
    frame = run(score=score)
    assert (frame["score"].dtype, list(frame["score"])) == ("boolean", [True, True, False])


def test_column_has_regular_expressions(connected):
    assert list(run(score=Regex("pattern"))["score"]) == [True, False, True]


def test_function_sees_input_and_result(connected):
    frame = run(score=lambda row: int(row["text"]) * row["n"])
    assert (frame["score"].dtype, list(frame["score"])) == ("Float64", [1.0, 4.0, 9.0])


def test_function_that_fails_costs_its_row_only(connected):
    with pytest.warns(ScoreWarning, match="Row 'b' has no score: ZeroDivisionError"):
        frame = run(score=lambda row: 1 / (row["n"] - 2))
    assert frame["score"].isna().tolist() == [False, True, False]


def test_failed_session_is_wrong(connected):
    frame = run("echo {{n}}; exit {{n}}", rows=ROWS.assign(n=[1, 0, 0]), score=Regex("pattern"))
    assert (frame["status"].iloc[0], frame["text"].iloc[0]) == ("failed", "1")
    assert list(frame["score"]) == [False, False, False]


def test_choices_are_compared_with_an_interval(connected):
    frame = run(over={"model": ["x", "y"]}, score="answer")
    table = prepare.compare(frame, "model", "score", "x", confidence=0.95)
    assert list(table["model"]) == ["x", "y"]
    assert list(table["mean"]) == pytest.approx([2 / 3, 2 / 3])
    assert (table["low"] < table["mean"]).all()
    assert (table["mean"] < table["high"]).all()


@pytest.mark.parametrize(
    ("score", "rows", "message"),
    [
        ("nothing", ROWS, "no column 'nothing' to score by"),
        (Regex("answer"), ROWS.assign(answer="("), "is not a regular expression"),
        ("answer", ROWS.assign(answer=[None, "1", "2"]), "has missing values"),
        (Shell("true"), ROWS, "embedded service only"),
        (5, ROWS, "score takes a function, a column"),
    ],
)
def test_scores_of_no_use_start_nothing(connected, count, score, rows, message):
    with pytest.raises(BatchError, match=message):
        run(rows=rows, score=score)
    assert count() == 0


def test_command_scores_in_the_workspace(home, monkeypatch):
    monkeypatch.delenv("AOD_API_TOKEN", raising=False)
    monkeypatch.setenv("FAKE_SECRET", "not-shown")
    live.connect(local=True)
    try:
        command = '[ -z "$FAKE_SECRET" ] && test "$(cat out.txt)" -ge 2 || exit 3'
        frame = run("echo {{n}} > out.txt", score=Shell(command))
    finally:
        live.disconnect()
        bridge.stop()
        stop_service(embedded_data_dir())
    assert list(frame["score"]) == [False, True, True]
    assert list(frame["score_exit_code"]) == [3, 0, 0]
