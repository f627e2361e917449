"""Lines that the agent CLIs write to stderr in every successful run."""

import re

_NOISE = re.compile(
    # codex
    r"Reading (?:prompt|additional input) from stdin\.\.\."
    r"|WARNING: proceeding, even though we could not (?:create PATH aliases|update PATH)\b.*"
    # gemini
    r"|YOLO mode is enabled\. All tool calls will be automatically approved\."
    r"|Loaded cached credentials\."
    r"|Data collection is disabled\."
    r"|Ripgrep is not available\. Falling back to GrepTool\."
    r"|Warning: (?:256-color support not detected|True color \(24-bit\) support not detected)\b.*"
    r"|Experiments loaded\b.*"
    # node, which runs them
    r"|\(node:\d+\) (?:\[DEP\d+\] )?\w*Warning: .*"
    r"|\(Use `node --trace-\w+ \.\.\.` to show where the warning was created\)"
)


def is_noise(line: str) -> bool:
    """Check whether a line of stderr is one that a CLI also writes in successful runs.

    Example:
        >>> is_noise("Reading prompt from stdin..."), is_noise("No such model")
        (True, False)
    """
    return _NOISE.fullmatch(line.strip()) is not None
