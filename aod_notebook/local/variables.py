"""The names of the environment variables that each agent CLI reads, and where its program is.

A kernel sends these, and no others, with a session (`local_env_vars` of the request); the service
passes each CLI its own. Values are held in memory for as long as the session can continue.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PROXIES = (
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
)
"""Addresses that may hold a password: agents' CLIs and installers get it, other programs do not."""

EVERYWHERE = (
    "HOME",
    "PATH",
    "LANG",
    "LANGUAGE",
    "LC_ALL",
    "LC_CTYPE",
    "LC_COLLATE",
    "LC_MESSAGES",
    "LC_MONETARY",
    "LC_NUMERIC",
    "LC_TIME",
    "LOGNAME",
    "SHELL",
    "TERM",
    "TZ",
    "USER",
    *PROXIES,
    "NO_PROXY",
    "no_proxy",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
)
"""What programs need to run at all: every runtime gets these."""

_AWS = (
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_PROFILE",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_BEARER_TOKEN_BEDROCK",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
)
_GOOGLE_CLOUD = (
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_CLOUD_PROJECT",
    "GOOGLE_CLOUD_LOCATION",
    "CLOUDSDK_CONFIG",
)
_AZURE = ("AZURE_RESOURCE_NAME", "AZURE_API_KEY", "AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT")
_ANTHROPIC = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL")
_OPENAI = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORGANIZATION", "OPENAI_PROJECT")
_GEMINI = (
    "GEMINI_API_KEY",
    "GOOGLE_API_KEY",
    "GOOGLE_GEMINI_BASE_URL",
    "GOOGLE_VERTEX_BASE_URL",
    *_GOOGLE_CLOUD,
)

CLI_VARIABLES: dict[str, tuple[str, ...]] = {
    "claude": (
        *_ANTHROPIC,
        "CLAUDE_CODE_OAUTH_TOKEN",
        "ANTHROPIC_CUSTOM_HEADERS",
        "ANTHROPIC_BETAS",
        "ANTHROPIC_SMALL_FAST_MODEL",
        "ANTHROPIC_DEFAULT_OPUS_MODEL",
        "ANTHROPIC_DEFAULT_SONNET_MODEL",
        "ANTHROPIC_DEFAULT_HAIKU_MODEL",
        "CLAUDE_CODE_USE_BEDROCK",
        "CLAUDE_CODE_SKIP_BEDROCK_AUTH",
        "ANTHROPIC_BEDROCK_BASE_URL",
        "ANTHROPIC_SMALL_FAST_MODEL_AWS_REGION",
        *_AWS,
        "CLAUDE_CODE_USE_VERTEX",
        "CLAUDE_CODE_SKIP_VERTEX_AUTH",
        "ANTHROPIC_VERTEX_BASE_URL",
        "ANTHROPIC_VERTEX_PROJECT_ID",
        "CLOUD_ML_REGION",
        *_GOOGLE_CLOUD,
        "CLAUDE_CODE_USE_FOUNDRY",
        "CLAUDE_CODE_SKIP_FOUNDRY_AUTH",
        "ANTHROPIC_FOUNDRY_API_KEY",
        "ANTHROPIC_FOUNDRY_BASE_URL",
        "ANTHROPIC_FOUNDRY_RESOURCE",
        "CLAUDE_CODE_CLIENT_CERT",
        "CLAUDE_CODE_CLIENT_KEY",
        "CLAUDE_CODE_CLIENT_KEY_PASSPHRASE",
        "CLAUDE_CODE_API_KEY_HELPER_TTL_MS",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
        "CLAUDE_CODE_MAX_OUTPUT_TOKENS",
        "CLAUDE_CODE_MAX_RETRIES",
        "MAX_THINKING_TOKENS",
        "DISABLE_AUTOUPDATER",
        "DISABLE_ERROR_REPORTING",
        "DISABLE_PROMPT_CACHING",
        "DISABLE_TELEMETRY",
        "API_TIMEOUT_MS",
        "IS_SANDBOX",
    ),
    "codex": (*_OPENAI, "CODEX_API_KEY", "CODEX_ACCESS_TOKEN", "CODEX_CA_CERTIFICATE", *_AZURE),
    "gemini": (
        *_GEMINI,
        "GOOGLE_GENAI_USE_VERTEXAI",
        "GOOGLE_GENAI_USE_GCA",
        "GOOGLE_GENAI_API_VERSION",
        "CODE_ASSIST_ENDPOINT",
        "GEMINI_API_KEY_AUTH_MECHANISM",
        "GEMINI_CLI_CUSTOM_HEADERS",
        "GEMINI_TELEMETRY_ENABLED",
    ),
    "opencode": (
        *_ANTHROPIC,
        *_OPENAI,
        *_GEMINI,
        "GOOGLE_GENERATIVE_AI_API_KEY",
        *_AZURE,
        "AZURE_COGNITIVE_SERVICES_RESOURCE_NAME",
        *_AWS,
        "DEEPSEEK_API_KEY",
        "GITHUB_TOKEN",
        "GROQ_API_KEY",
        "MISTRAL_API_KEY",
        "MOONSHOT_API_KEY",
        "OPENCODE_API_KEY",
        "OPENROUTER_API_KEY",
        "XAI_API_KEY",
        "OPENCODE_CONFIG",
        "OPENCODE_CONFIG_CONTENT",
        "OPENCODE_CONFIG_DIR",
        "OPENCODE_DISABLE_AUTOUPDATE",
        "OPENCODE_DISABLE_MODELS_FETCH",
        "OPENCODE_MODELS_URL",
    ),
}
"""The keys, addresses and settings that each CLI reads."""

INSTALLER_VARIABLES: dict[str, tuple[str, ...]] = {
    # where packages come from (an index of one's own may need a password in its address), how it
    # is reached and trusted, and where downloads are kept
    "pip": (
        "PIP_CONFIG_FILE",
        "PIP_INDEX_URL",
        "PIP_EXTRA_INDEX_URL",
        "PIP_FIND_LINKS",
        "PIP_NO_INDEX",
        "PIP_TRUSTED_HOST",
        "PIP_CERT",
        "PIP_CLIENT_CERT",
        "PIP_PROXY",
        "PIP_TIMEOUT",
        "PIP_DEFAULT_TIMEOUT",
        "PIP_RETRIES",
        "PIP_CACHE_DIR",
        "PIP_NO_CACHE_DIR",
        "PIP_CONSTRAINT",
        "PIP_ONLY_BINARY",
        "PIP_PREFER_BINARY",
    ),
    # the same; `_AUTH` and `_AUTHTOKEN` can publish and are left out
    "npm": (
        "NPM_CONFIG_REGISTRY",
        "NPM_CONFIG_USERCONFIG",
        "NPM_CONFIG_CAFILE",
        "NPM_CONFIG_CACHE",
        "NPM_CONFIG_PROXY",
        "NPM_CONFIG_HTTPS_PROXY",
        "NPM_CONFIG_NOPROXY",
        "NPM_CONFIG_STRICT_SSL",
        "npm_config_registry",
        "npm_config_userconfig",
        "npm_config_cafile",
        "npm_config_cache",
        "npm_config_proxy",
        "npm_config_https_proxy",
        "npm_config_noproxy",
        "npm_config_strict_ssl",
    ),
    # where the tool chain is, and how the index is reached; no token of a registry
    "cargo": (
        "CARGO_HOME",
        "RUSTUP_HOME",
        "RUSTUP_TOOLCHAIN",
        "RUSTUP_DIST_SERVER",
        "RUSTUP_UPDATE_ROOT",
        "CARGO_BUILD_JOBS",
        "CARGO_HTTP_CAINFO",
        "CARGO_HTTP_PROXY",
        "CARGO_HTTP_TIMEOUT",
        "CARGO_NET_GIT_FETCH_WITH_CLI",
        "CARGO_NET_OFFLINE",
        "CARGO_NET_RETRY",
        "CARGO_REGISTRIES_CRATES_IO_PROTOCOL",
    ),
    # where gems that are needed are looked for; GEM_HOST_API_KEY publishes
    "gem": ("GEM_HOME", "GEM_PATH", "GEM_SPEC_CACHE"),
    # where modules come from and are kept, which are private, what the tool chain is
    "go": (
        "GOPROXY",
        "GOPRIVATE",
        "GONOPROXY",
        "GONOSUMDB",
        "GOSUMDB",
        "GOINSECURE",
        "GOVCS",
        "GOAUTH",
        "GOFLAGS",
        "GOENV",
        "GOTOOLCHAIN",
        "GOROOT",
        "GOPATH",
        "GOMODCACHE",
        "GOCACHE",
        "GO111MODULE",
    ),
}
"""The settings that each installer of packages reads; no program of a session gets them."""

PLACES = ("CLAUDE_CONFIG_DIR", "CODEX_HOME", "GEMINI_CLI_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")
"""Where a person keeps logins and settings; no session gets these, they are looked up there."""

INSTALL = {
    "claude": "npm install -g @anthropic-ai/claude-code",
    "codex": "npm install -g @openai/codex",
    "gemini": "npm install -g @google/gemini-cli",
    "opencode": "npm install -g opencode-ai",
}
"""The command that installs each CLI."""

AS_ROOT = (
    "claude does not run as root outside a sandbox. If this machine is one, set IS_SANDBOX=1 in the "
    "environment's env_vars or in your own (%env IS_SANDBOX=1), %config AodMagics.allow_root = True, "
    "or LocalService(allow_root=True)"
)
"""What to do where `refused_as_root` is true."""

_NAMED_IN_TOML = ("env_key", "env_http_headers", "bearer_token_env_var")
_NAMED_IN_JSON = re.compile(r"\{env:(\w+)\}")


def own_variables(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables of this process that a CLI or an installer reads.

    Values that are not UTF-8 are left out: no request can carry them.

    Example:
        >>> own_variables({"HOME": "/home/ada", "ANTHROPIC_API_KEY": "x", "MY_SECRET": "y"})
        {'HOME': '/home/ada', 'ANTHROPIC_API_KEY': 'x'}
    """
    environ = os.environ if environ is None else environ
    names = [
        *EVERYWHERE,
        *PLACES,
        *(name for names in INSTALLER_VARIABLES.values() for name in names),
        *(name for cli in INSTALL for name in cli_names(cli, environ)),
    ]
    found = {name: environ[name] for name in names if name in environ}
    return {name: value for name, value in found.items() if _is_text(value)}


def without_password(address: str) -> str:
    """Return a proxy's address without user and password.

    Example:
        >>> without_password("http://ada:secret@proxy:3128")
        'http://proxy:3128'
    """
    scheme, mark, rest = address.rpartition("://")
    host, slash, path = rest.partition("/")
    return scheme + mark + host.rpartition("@")[2] + slash + path


def cli_names(cli: str, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of the variables that a CLI reads, with those its settings name."""
    settings = {
        "codex": (_named_by_codex, ".codex/config.toml"),
        "opencode": (_named_by_opencode, ".config/opencode/opencode.json"),
    }
    more: list[str] = []
    if cli in settings:
        read, relative = settings[cli]
        try:
            more = list(read(place(relative, environ).read_text()))
        except (OSError, ValueError):  # without settings, or with settings that cannot be read
            more = []
    return (*CLI_VARIABLES.get(cli, ()), *more)


def place(relative: str, environ: Mapping[str, str]) -> Path:
    """Return where a person keeps a file that a session has at `relative` below its home.

    Example:
        >>> str(place(".codex/auth.json", {"HOME": "/home/ada", "CODEX_HOME": "/etc/codex"}))
        '/etc/codex/auth.json'
    """
    home = Path(environ.get("HOME") or Path.home())
    for variable, prefix in (
        ("CLAUDE_CONFIG_DIR", ".claude/"),
        ("CODEX_HOME", ".codex/"),
        ("XDG_CONFIG_HOME", ".config/"),
        ("XDG_DATA_HOME", ".local/share/"),
    ):
        if environ.get(variable) and relative.startswith(prefix):
            return Path(environ[variable]) / relative.removeprefix(prefix)
    if environ.get("CLAUDE_CONFIG_DIR") and relative == ".claude.json":
        return Path(environ["CLAUDE_CONFIG_DIR"]) / relative
    if environ.get("GEMINI_CLI_HOME") and relative.startswith(".gemini/"):
        return Path(environ["GEMINI_CLI_HOME"]) / relative
    return home / relative


def refusal(runtime: str, environ: Mapping[str, str]) -> str | None:
    """Return why a CLI can't be started, with what to do; None if it can, or if `runtime` is not a CLI.

    `environ` is what the CLI would run with.
    """
    if runtime not in INSTALL or shutil.which(runtime, path=environ.get("PATH", os.defpath)):
        return None
    return (
        f"'{runtime}' was not found on PATH: install it ({INSTALL[runtime]}), "
        "or use the runtime shell or replay"
    )


def refused_as_root(runtime: str, environ: Mapping[str, str]) -> bool:
    """Return whether a CLI refuses to run because this is root without permission."""
    return runtime == "claude" and os.geteuid() == 0 and environ.get("IS_SANDBOX") != "1"


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _named_by_codex(text: str) -> Iterator[str]:
    import tomllib

    document = tomllib.loads(text)
    for section in ("model_providers", "mcp_servers"):
        tables = document.get(section)
        for table in tables.values() if isinstance(tables, dict) else ():
            for key in _NAMED_IN_TOML if isinstance(table, dict) else ():
                named = table.get(key)
                names = named.values() if isinstance(named, dict) else [named]
                yield from (name for name in names if isinstance(name, str))


def _named_by_opencode(text: str) -> list[str]:
    return _NAMED_IN_JSON.findall(text)
