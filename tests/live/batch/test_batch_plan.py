import pandas as pd
import pyarrow as pa
import pytest

from aod_notebook import live
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.live import BatchError, LimitError, SessionRequest
from aod_notebook.live.batch.plan import described, plan

TABLE = pd.DataFrame({"who": ["Ann", "Bob"], "n": [1, 2]}, index=["a", "b"])


def planned(connected, prompt="echo {{who}} {{n}}", rows=TABLE, **options):
    over, repeat = options.pop("over", None), options.pop("repeat", 1)
    request = SessionRequest(prompt=prompt, **({"runtime": "shell"} | options))
    return plan(rows, request, connected, over=over, repeat=repeat)


def test_columns_fill_the_prompt(connected):
    made = planned(connected)
    assert [item.prompt for item in made.items] == ["echo Ann 1", "echo Bob 2"]


def test_columns_fill_other_texts(connected):
    made = planned(connected, "x", runtime=None, agent=None, over={"runtime": ["shell"]},
                   resources=[{"type": "github_repository", "url": "https://github.com/o/{{who}}"}])  # fmt: skip
    urls = [item.fields["resources"][0]["url"] for item in made.items]
    assert urls == ["https://github.com/o/Ann", "https://github.com/o/Bob"]


def test_values_are_not_searched_again(connected):
    rows = pd.DataFrame({"who": ["{{n}} $(x)"]})
    assert [item.prompt for item in planned(connected, "{{who}}", rows).items] == ["{{n}} $(x)"]


def test_grid_and_repeats_stand_in_the_order_of_the_rows(connected):
    made = planned(connected, over={"model": ["x", "y"]}, repeat=2)
    found = [(item.row, item.over["model"], item.repeat, item.model) for item in made.items]
    assert found == [
        (row, model, again, model) for row in (0, 1) for model in "xy" for again in (1, 2)
    ]
    assert described(made) == "8 sessions: 2 rows x 2 choices of model x 2 repetitions"


def test_the_same_batch_has_the_same_fingerprint_and_another_has_not(connected):
    same = planned(connected).fingerprint
    assert planned(connected).fingerprint == same
    assert planned(connected, rows=TABLE.rename(index={"a": "c"})).fingerprint != same
    assert planned(connected, "echo {{who}}").fingerprint != same
    assert planned(connected, timeout=60).fingerprint != same
    assert planned(connected, repeat=2).fingerprint != same


def test_a_secret_is_in_no_repr(connected):
    made = planned(connected, secrets={"KEY": "fake-" + "secret"})
    assert made.items[0].fields["secret_env_vars"] == {"KEY": "fake-" + "secret"}
    assert "fake-secret" not in repr(made)


def test_an_arrow_table_is_taken(connected):
    made = planned(connected, "{{n}}", pa.table({"n": [5]}))
    assert [item.prompt for item in made.items] == ["5"]


@pytest.mark.parametrize(
    ("prompt", "rows", "options", "message"),
    [
        ("{{whom}}", TABLE, {}, r"no column 'whom'\. It has who, n"),
        ("x", TABLE.iloc[:0], {}, "has no rows"),
        ("x", [1, 2], {}, "takes a DataFrame, not list"),
        ("x", TABLE.set_axis(["n", "n"], axis=1), {}, "two columns 'n'"),
        ("x", TABLE.set_axis(["a", "a"]), {}, "index has 'a' twice"),
        ("{{n}}", TABLE.assign(n=[1, None]), {}, "Row 'b' has no value in the column 'n'"),
        ("{{who}}", TABLE.assign(who=["x", " "]), {}, "Row 'b' has an empty prompt"),
        ("x", TABLE, {"repeat": 0}, "repeat takes a whole number from 1 on, not 0"),
        ("x", TABLE, {"over": {"colour": ["x"]}}, "over can't vary 'colour'"),
        ("x", TABLE, {"over": {"model": "opus"}}, "needs a list of values for 'model'"),
        ("x", TABLE, {"over": {"model": []}}, "needs a list of values for 'model'"),
        ("x", TABLE, {"over": {"model": ["a", ""]}}, "has '' for 'model'"),
        ("x", TABLE, {"over": {"model": ["a", "a"]}}, "a value of 'model' twice"),
        ("x", TABLE, {"over": {"runtime": ["shell"]}}, "runtime is given and varied, too"),
        ("x", TABLE, {"over": {"agent": ["a"]}}, "exclude each other"),
    ],
)  # fmt: skip
def test_unusable_values_are_refused(connected, count, prompt, rows, options, message):
    with pytest.raises(BatchError, match=message):
        planned(connected, prompt, rows, **options)
    assert count() == 0


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"jobs": 0}, BatchError, "jobs takes a whole number from 1 on, not 0"),
        ({"jobs": True}, BatchError, "jobs takes a whole number"),
        ({"jobs": 1000}, BatchError, "jobs takes at most 64"),
        ({"max_cost": 0}, LimitError, "max_cost takes US dollars above 0, not 0"),
        ({"max_cost": float("nan")}, LimitError, "max_cost takes US dollars above 0, not nan"),
        ({"max_tokens": 1.5}, LimitError, "max_tokens takes a whole number from 1 on"),
        ({"max_repeats": 0}, LimitError, "max_repeats takes a whole number from 1 on"),
        ({"dask": "cluster"}, BatchError, "dask takes a dask.distributed.Client, not str"),
        ({"runtime": "shel"}, AodNotebookError, "Did you mean 'shell'"),
    ],
)
def test_options_of_no_use_are_refused(connected, count, options, error, message):
    with pytest.raises(error, match=message):
        live.batch(TABLE, "true", **({"runtime": "shell", "progress": False} | options))
    assert count() == 0
