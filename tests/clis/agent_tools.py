"""The same call in the words of each CLI."""

import json

from aod_notebook.testing import ToolCall


def shell(cli, command):
    """Run a command."""
    described = {"command": command, "description": "run a command"}
    return {
        "claude": ToolCall("Bash", described),
        "codex": ToolCall("exec_command", {"cmd": command}),
        "gemini": ToolCall("run_shell_command", described),
        "opencode": ToolCall("bash", described),
    }[cli]


def read(cli, path):
    """Read a file; Codex has no tool for it."""
    return {
        "claude": ToolCall("Read", {"file_path": path}),
        "codex": shell("codex", f"cat {path}"),
        "gemini": ToolCall("read_file", {"file_path": path}),
        "opencode": ToolCall("read", {"filePath": path}),
    }[cli]


def subagent(cli, prompt):
    """Hand a task to a subagent; Codex waits for it only with `wait_for_subagents`."""
    task = {"description": "a task", "prompt": prompt}
    general = {"subagent_type": "general-purpose", "run_in_background": False}
    return {
        "claude": ToolCall("Agent", {**general, **task}),
        "codex": ToolCall("spawn_agent", {"message": prompt}),
        "gemini": ToolCall("invoke_agent", {"agent_name": "generalist", "prompt": prompt}),
        "opencode": ToolCall("task", {"subagent_type": "general", **task}),
    }[cli]


def wait_for_subagents(script):
    """Let Codex wait for each subagent, whose id is in the result of the call that made it.

    Else it may exit before it has written down the subagent's last answer.
    """
    answers = {prompt: iter(given) for prompt, given in script.items()}

    def answer(request):
        newest = request.body["input"][-1]
        if newest["type"] == "function_call_output" and "agent_id" in newest["output"]:
            made = json.loads(newest["output"])["agent_id"]
            return ToolCall("wait_agent", {"targets": [made], "timeout_ms": 30_000})
        prompt = next(one for one in reversed(request.prompts) if one in answers)
        return next(answers[prompt])

    return answer


def skill(cli, name):
    """Use a skill; Codex reads its file.

    So does opencode here: its tool needs ripgrep, which it would fetch from the internet.
    """
    folder = {"codex": ".codex/skills", "opencode": ".config/opencode/skills"}.get(cli)
    if folder is not None:
        return shell(cli, f"cat $HOME/{folder}/{name}/SKILL.md")
    return {
        "claude": ToolCall("Skill", {"skill": name}),
        "gemini": ToolCall("activate_skill", {"name": name}),
    }[cli]


def mcp(cli, server, tool, given):
    """Call a tool of an MCP server."""
    return {
        "claude": ToolCall(f"mcp__{server}__{tool}", given),
        "codex": ToolCall(f"mcp__{server}__{tool}", given),
        "gemini": ToolCall(f"mcp_{server}_{tool}", given),
        "opencode": ToolCall(f"{server}_{tool}", given),
    }[cli]
