"""Agents of both API generations, and how the service refuses them."""

G1 = {"name": "a", "model": "anthropic/claude-sonnet-4-6", "runtime": "claude"}
G2 = {"name": "a", "model": "claude-sonnet-4-6", "provider": "anthropic"}
CATALOG = sorted(
    [
        *(
            f"anthropic/{name}"
            for name in (
                "claude-opus-4-6",
                "claude-sonnet-4-6",
                "claude-haiku-4-5",
                "claude-opus-4-0-20250514",
                "claude-sonnet-4-0-20250514",
                "claude-sonnet-4-5-20250514",
                "claude-3-5-haiku-20241022",
            )
        ),
        *(f"openai/{name}" for name in ("gpt-4.1", "o3", "o4-mini")),
        *(f"google/{name}" for name in ("gemini-2.5-pro", "gemini-2.5-flash")),
    ]
)
ONE_OF = (
    "Give exactly one of 'runtime' (claude, codex, gemini, opencode, shell, replay) "
    "and 'provider' (anthropic, openai, shell, replay)"
)


def messages(body):
    return [(item["loc"], item["msg"]) for item in body["detail"]]
