"""A notebook with parameters, as papermill runs it: it puts a cell of values after the defaults."""

import nbformat
from kernels import clean_environment, run_all

DEFAULTS = 'name = "nobody"\nlimit = 10\nrows = []'
CELLS = (
    DEFAULTS,
    "%load_ext aod_notebook",
    '%%aod --runtime shell --timeout {{limit}} --quiet -o s\necho "{{name}}: {{rows}} {name}"',
    "print(s.text)",
)


def parameterised(**values):
    """Make the notebook with these values injected, in papermill's way."""
    content = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    content.cells[0].metadata.tags = ["parameters"]
    source = "\n".join(["# Parameters", *(f"{name} = {value!r}" for name, value in values.items())])
    injected = nbformat.v4.new_code_cell(source, metadata={"tags": ["injected-parameters"]})
    content.cells.insert(1, injected)
    return content


def test_injected_values_reach_prompt_and_options(service, tmp_path):
    content = parameterised(name="March", limit=60, rows=[1, {"a": None}])
    environment = clean_environment(
        tmp_path, AOD_API_URL=service.url, AOD_API_TOKEN=service.aod_token
    )
    run_all(content, environment)
    assert content.cells[-1].outputs[0].text == "March: [1, {'a': None}] {name}\n"
