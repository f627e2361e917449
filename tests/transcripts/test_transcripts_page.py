import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "transcripts.md"
EXAMPLE = re.compile(r"```python\n(.*?)```\n\n```text\n(.*?)```", re.DOTALL)


def test_the_examples_of_the_page_print_what_it_says(capsys):
    text, names = PAGE.read_text(encoding="utf-8"), {}
    examples = EXAMPLE.findall(text)
    assert len(examples) == text.count("```python")
    for code, printed in examples:
        exec(code, names)
        assert capsys.readouterr().out == printed
