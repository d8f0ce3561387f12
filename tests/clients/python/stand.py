"""The stand the tests run on: the real binary, started with a file, in front of a simulated provider.

Programs are started on port 0 and asked, by their own output, where they listen: that sentence is part of what is
tested. Their output goes to a file and is shown when something goes wrong. Nothing of the caller's environment
reaches them but what a program needs to run, so that no key of the person at the keyboard is ever found.
"""

import os
import pathlib
import re
import signal
import subprocess
import textwrap
import time
import urllib.request

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
ADDRESS = re.compile(r"http://(127\.0\.0\.1:\d+)")
PROVIDER_KEY = "provider-secret-that-no-client-may-see"


def binary() -> str:
    """The binary under test: what SLUICEGATE_BIN names, else the newest one built here."""
    named = os.environ.get("SLUICEGATE_BIN")
    if named:
        return named
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
    built = [path for profile in ("debug", "quick", "dist") if (path := target / profile / "sluicegate").exists()]
    if not built:
        raise RuntimeError("no sluicegate binary: build it, or name one in SLUICEGATE_BIN")
    return str(max(built, key=lambda path: path.stat().st_mtime))


class Program:
    """One running program, its address and its output."""

    def __init__(self, name, argv, folder, env=None, ready=None, seconds=30, address=ADDRESS):
        self.name = name
        self.log = pathlib.Path(folder) / f"{name}.log"
        clean = {key: os.environ[key] for key in ("PATH", "HOME", "LANG", "TMPDIR") if key in os.environ}
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                argv, cwd=folder, env=clean | (env or {}), stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )
        try:
            self.url = "http://" + self._wait(lambda: self._said(address), seconds)
            if ready:
                self._wait(lambda: answers(self.url + ready), seconds)
        except BaseException:
            self.stop()
            raise

    def _said(self, pattern):
        found = pattern.search(self.output())
        return found and found.group(1)

    def _wait(self, look, seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if found := look():
                return found
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended with {self.process.returncode}:\n{self.output()[-4000:]}")
            time.sleep(0.02)
        raise RuntimeError(f"{self.name} was not ready within {seconds} s:\n{self.output()[-4000:]}")

    def output(self):
        return self.log.read_text(errors="replace")

    def stop(self, seconds=15):
        """Asks politely, insists after a while, and returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def answers(url) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return response.status == 200
    except OSError:
        return False


def simulator(folder, *options) -> Program:
    """The simulated provider alone, as a server of its own."""
    return Program("simulator", [binary(), "simulate", "provider", "--listen", "127.0.0.1:0", *options], folder)


def relay(folder, config: str, *options, env=None) -> Program:
    """The relay with this file. Its data folder lies beside the file."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sluicegate.yaml").write_text(textwrap.dedent(config))
    return Program(
        "relay",
        [binary(), "serve", "--config", "sluicegate.yaml", "--listen", "127.0.0.1:0", *options],
        folder,
        env={"SLUICEGATE_DATA": str(folder / "data")} | (env or {}),
        ready="/health/ready",
    )


# One provider of every kind, all at the same simulator. They are not tried again, so that a test of errors need not
# wait; `stubborn` is, as often as a provider is when nothing is said. `direct` stands for no relay at all: what passes there
# shows that the simulator is a fair stand-in, and what fails only behind the relay is the relay's fault.
UPSTREAMS = {
    "openai": "gpt-4.1-mini",
    "azure": "gpt-4.1",
    "deepseek": "deepseek-chat",
    "compat": "qwen3-8b",
    "anthropic": "claude-haiku-4-5",
    "gemini": "gemini-2.5-flash",
}


# What the relay learns of a provider that fails it remembers, so a test that makes one fail takes a copy of it that
# nobody has used: `NAME-NUMBER`.
COPIES = 160


def provider(name: str, simulator_url: str) -> str:
    """How a copy of an upstream stands in the file."""
    kind = "openai_compatible" if name == "compat" else name
    version = "/v1" if name in ("openai", "compat") else ""
    # It lists nothing that is asked for without its name, else that name would be many's.
    return f'{{ kind: {kind}, base_url: "{simulator_url}{version}", api_key_env: STAND_KEY, max_retries: 0, models: [none] }}'


def config(simulator_url: str, keys: str = "") -> str:
    """The file of the tests. Every upstream has an alias `via-NAME`; `provider/model` works besides."""
    copies = "\n".join(
        f"  {name}-{number}: {provider(name, simulator_url)}" for name in UPSTREAMS for number in range(COPIES)
    )
    aliases = "\n".join(f"  via-{name}: {{ to: {name}/{model} }}" for name, model in UPSTREAMS.items())
    return f"""\
version: 1
providers:
  openai:    {{ kind: openai, base_url: "{simulator_url}/v1", api_key_env: STAND_KEY, max_retries: 0, models: [text-embedding-3-small, gpt-image-1, omni-moderation-latest, gpt-3.5-turbo-instruct, {UPSTREAMS["openai"]}] }}
  azure:     {{ kind: azure, base_url: "{simulator_url}", api_key_env: STAND_KEY, max_retries: 0 }}
  deepseek:  {{ kind: deepseek, base_url: "{simulator_url}", api_key_env: STAND_KEY, max_retries: 0 }}
  compat:    {{ kind: openai_compatible, base_url: "{simulator_url}/v1", api_key_env: STAND_KEY, max_retries: 0 }}
  anthropic: {{ kind: anthropic, base_url: "{simulator_url}", api_key_env: STAND_KEY, max_retries: 0 }}
  gemini:    {{ kind: gemini, base_url: "{simulator_url}", api_key_env: STAND_KEY, max_retries: 0 }}
  stubborn:  {{ kind: openai_compatible, base_url: "{simulator_url}/v1", api_key_env: STAND_KEY }}
{copies}
models:
{aliases}
  weighted:
    to: [{{ model: openai/{UPSTREAMS["openai"]}, weight: 50 }}, {{ model: compat/{UPSTREAMS["compat"]}, weight: 50 }}]
{keys}"""
