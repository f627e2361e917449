"""A real CLI that runs in the embedded service against a scripted model."""

from dataclasses import dataclass

from aod_notebook import frames
from aod_notebook.aod import Client

MODELS = {
    "claude": "anthropic/claude-sonnet-4-6",
    "codex": "openai/gpt-4.1",
    "gemini": "google/gemini-2.5-pro",
    "opencode": "anthropic/claude-sonnet-4-6",
}
DEADLINE_S = 100


@dataclass
class Session:
    """A session of a CLI, and its tables."""

    client: Client
    agent: str
    id: str = ""
    final: object = None

    def turn(self, prompt, timeout=DEADLINE_S):
        """Run one turn to its end."""
        if self.id:
            self.client.sessions.prompt(self.id, prompt, timeout=timeout)
        else:
            made = self.client.sessions.create(agent_id=self.agent, prompt=prompt, timeout=timeout)
            self.id = made.id
        self.final = self.client.sessions.wait_for_completion(self.id).session
        return self

    def events(self):
        with self.client.sessions.stream(self.id) as stream:
            return list(stream)

    @property
    def results(self):
        return frames.results_from_events(self.events())

    @property
    def models(self):
        return frames.model_usage_from_events(self.events())

    @property
    def calls(self):
        return frames.tool_calls_from_events(self.events())


def start(client, server, cli, *, variables=None, without=(), files=True, **agent):
    """Make an environment and an agent for the CLI; its first turn makes the session.

    `variables` replace those of the scripted model's environment, `without` leaves some out;
    without `files` its configuration has to be found in the person's home.
    """
    given = server.environment(cli)
    kept = {name: value for name, value in given.variables.items() if name not in without}
    environment = client.environments.create(
        name=f"{cli}-scripted",
        env_vars={**kept, **(variables or {})},
        setup_script=(given.setup_script or None) if files else None,
    )
    made = client.agents.create(
        name=cli, model=MODELS[cli], runtime=cli, environment_id=environment.id, **agent
    )
    return Session(client, made.id)
