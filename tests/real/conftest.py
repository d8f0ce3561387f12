"""Servers nobody here wrote, and the relay in front of them.

Two are llama.cpp's own server with a small real language model (one for chat, one for embeddings); one is aimock,
a mock of several providers made for testing agents. The clients are the official ones, as in tests/clients.
"""

import pathlib
import re
import shutil
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "clients" / "python"))

import stand

MOCK_KEY = "the-key-the-mock-insists-on"
PYTHON = HERE / ".venv" / "bin" / "python"
MOCK = HERE / "node_modules" / ".bin" / "llmock"
LISTENING = re.compile(r"listening on http://(127\.0\.0\.1:\d+)")


@pytest.fixture(scope="session")
def llama(tmp_path_factory):
    folder = tmp_path_factory.mktemp("llama")
    with stand.Program("llama", [str(PYTHON), str(HERE / "llama.py")], folder, ready="/health", address=LISTENING) as it:
        yield it


@pytest.fixture(scope="session")
def embedder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("embedder")
    argv = [str(PYTHON), str(HERE / "llama.py"), "embed"]
    with stand.Program("embedder", argv, folder, ready="/health", address=LISTENING) as it:
        yield it


def mock_server(folder, *options):
    if not MOCK.exists() or not shutil.which("node"):
        pytest.skip("the mock of others needs Node, which is not here")
    return stand.Program(
        "mock", [str(MOCK), "-f", str(HERE / "mock.json"), "-p", "0", "--chunk-size", "4", *options], folder,
        env={"AIMOCK_API_KEYS": MOCK_KEY}, ready="/health", address=LISTENING,
    )


@pytest.fixture(scope="session")
def mock(tmp_path_factory):
    with mock_server(tmp_path_factory.mktemp("mock")) as it:
        yield it


@pytest.fixture(scope="session")
def llama_relay(tmp_path_factory, llama, embedder):
    """The same model reached in three ways, since llama.cpp itself speaks three formats."""
    config = f"""\
        version: 1
        providers:
          chat:
            kind: openai_compatible
            base_url: "{llama.url}/v1"
            adaptive_concurrency: {{ first_token_target: 10s }}
            metrics_url: "{llama.url}/metrics"
          responses: {{ kind: openai, base_url: "{llama.url}/v1", api_key_env: NO_KEY }}
          messages:  {{ kind: anthropic, base_url: "{llama.url}", api_key_env: NO_KEY }}
          embedder:  {{ kind: openai_compatible, base_url: "{embedder.url}/v1" }}
        models:
          small:   {{ to: chat/smollm2-135m }}
          vectors: {{ to: embedder/smollm2-135m }}
        """
    with stand.relay(tmp_path_factory.mktemp("relay"), config, env={"NO_KEY": "none-needed"}) as it:
        yield it


def mock_config(url):
    return f"""\
        version: 1
        providers:
          openai:    {{ kind: openai, base_url: "{url}/v1", api_key_env: MOCK_KEY, max_retries: 0 }}
          compat:    {{ kind: openai_compatible, base_url: "{url}/v1", api_key_env: MOCK_KEY, max_retries: 0 }}
          anthropic: {{ kind: anthropic, base_url: "{url}", api_key_env: MOCK_KEY, max_retries: 0 }}
          gemini:    {{ kind: gemini, base_url: "{url}", api_key_env: MOCK_KEY, max_retries: 0 }}
        """


@pytest.fixture(scope="session")
def mock_relay(tmp_path_factory, mock):
    with stand.relay(tmp_path_factory.mktemp("mock-relay"), mock_config(mock.url), env={"MOCK_KEY": MOCK_KEY}) as it:
        yield it


@pytest.fixture
def chaos(tmp_path):
    """chaos(option, value): a relay in front of a mock that always fails in that way."""
    running = []

    def make(option, value):
        running.append(mock_server(tmp_path, option, value))
        relay = stand.relay(tmp_path / "relay", mock_config(running[-1].url), env={"MOCK_KEY": MOCK_KEY})
        running.append(relay)
        return relay

    yield make
    for program in reversed(running):
        program.stop()
