"""A cell's text reaches the service as it stands."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

PROMPTS = {
    "python": 'def f(x):\n    """Give {x}."""\n    return f"{x!r} {{ literal }}" % 3\n',
    "doctest": ">>> f(1)\n2\n>>> f(2)\n... # more\n3\n",
    "ipython": "In [1]: f(1)\nOut[1]: 2\n   ...: more\n",
    "json": '{"a": {"b": [1, 2, {"c": "{d}"}]}, "e": "$HOME"}\n',
    "jinja": "{% for row in rows %}{{ row.name|upper }} {{row.x}}{% endfor %}\n",
    "shell": "!ls $HOME; %cd /tmp; echo ${HOME} `id` \\\n  | sort\n%%bash\n?\n??x\n",
    "quotes": "'''triple''' \"\"\"double\"\"\" r'\\n' \\' \\\"\n",
    "blanks": "\n\n   indented\n\ttab \n\n trailing   \n\n",
    "unicode": "Grüße, 漢字 \u2028 \x0c \x85 🙂\n",
    "crlf": "one\r\ntwo\rthree\n",
    "help": "why?\n",
}
"""Texts without a bare {{name}}: they are the same with and without `--raw`."""


def sent(shell, options, prompt):
    """What the service got as the prompt of a cell."""
    shell.run(f"%%aod --runtime replay --quiet -o s{options}\n{prompt}")
    return shell.names["s"].turns["prompt"].iloc[0]


@pytest.mark.parametrize("kind", PROMPTS)
def test_a_prompt_is_not_touched(shell, kind):
    assert sent(shell, "", PROMPTS[kind]) == PROMPTS[kind]
    assert sent(shell, " --raw", PROMPTS[kind]) == PROMPTS[kind]


def test_a_bare_name_is_filled_in_and_with_raw_it_is_not(shell):
    shell.names["row"] = "{other} $x"
    prompt = "{{row}} {{ row }} {row} $row\n"
    assert sent(shell, "", prompt) == "{other} $x {{ row }} {row} $row\n"
    assert sent(shell, " --raw", prompt) == prompt


def test_a_prompt_of_a_megabyte_is_not_touched(shell):
    prompt = ("x" * 99 + "{y}" + "\n") * 10_000
    assert len(prompt) > 1_000_000
    assert sent(shell, "", prompt) == prompt


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(min_size=1))
def test_any_text_reaches_the_magic_verbatim(shell, text):
    body = text + "\n"
    code = shell.ip.transform_cell(f"%%aod -o s --raw  \n{body}")
    called = []
    namespace = {"get_ipython": lambda: Recorder(called)}
    exec(code, namespace)
    assert called == [("aod", "-o s --raw", body)]


class Recorder:
    """Takes the call that a cell was made into."""

    def __init__(self, called):
        self.run_cell_magic = lambda *call: called.append(call)
