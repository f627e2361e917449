"""The same call in the words of each CLI."""

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
    """Hand a task to a subagent, and wait for it where the CLI can."""
    task = {"description": "a task", "prompt": prompt}
    general = {"subagent_type": "general-purpose", "run_in_background": False}
    return {
        "claude": ToolCall("Agent", {**general, **task}),
        "codex": ToolCall("spawn_agent", {"message": prompt}),
        "gemini": ToolCall("invoke_agent", {"agent_name": "generalist", "prompt": prompt}),
        "opencode": ToolCall("task", {"subagent_type": "general", **task}),
    }[cli]


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
