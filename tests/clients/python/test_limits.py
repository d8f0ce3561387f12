"""Limits as the official clients meet them: the right exception, headers they read, and waits they do not notice."""

import time

import anthropic
import httpx
import openai
import pytest
from google import genai
from google.genai import errors as google

import stand

HI = [{"role": "user", "content": "hi"}]
KEYS = """\
rate_limits:
  global: { requests_per_minute: 100000 }
keys:
  - { name: strict, value_env: STAND_STRICT, mode: strict, limits: { requests_per_minute: 1 } }
  - { name: strict2, value_env: STAND_STRICT2, mode: strict, limits: { requests_per_minute: 1 } }
  - { name: strict3, value_env: STAND_STRICT3, mode: strict, limits: { requests_per_minute: 1 } }
  - { name: patient, value_env: STAND_PATIENT, limits: { requests_per_second: 4, tokens_per_minute: 500000 } }
  - { name: small, value_env: STAND_SMALL, limits: { tokens_per_minute: 50 } }
"""
SECRETS = {
    "STAND_STRICT": "sk-sg-strict-0123456789",
    "STAND_STRICT2": "sk-sg-strict2-0123456789",
    "STAND_STRICT3": "sk-sg-strict3-0123456789",
    "STAND_PATIENT": "sk-sg-patient-0123456789",
    "STAND_SMALL": "sk-sg-small-0123456789",
}


@pytest.fixture(scope="module")
def limited(tmp_path_factory, simulator_url):
    folder = tmp_path_factory.mktemp("limited")
    env = SECRETS | {"STAND_KEY": stand.PROVIDER_KEY}
    with stand.relay(folder, stand.config(simulator_url, KEYS), env=env) as program:
        yield program


def chat(relay, key, **options):
    client = openai.OpenAI(base_url=f"{relay.url}/v1", api_key=SECRETS[key], max_retries=0)
    return client.chat.completions.with_raw_response.create(model="via-openai", messages=HI, **options)


def test_openai_clients_are_told_with_their_own_exception_and_headers(limited):
    answer = chat(limited, "STAND_STRICT")
    assert answer.headers["x-ratelimit-limit-requests"] == "1"
    assert answer.headers["x-ratelimit-remaining-requests"] == "0"
    with pytest.raises(openai.RateLimitError) as refused:
        chat(limited, "STAND_STRICT")
    headers = refused.value.response.headers
    assert headers["x-sluicegate-refused-by"] == "key:requests_per_minute"
    assert 50_000 < int(headers["retry-after-ms"]) <= 68_000
    assert int(headers["retry-after"]) * 1000 >= int(headers["retry-after-ms"])
    assert "1 requests per minute" in str(refused.value)


def test_anthropic_clients_are_told_with_theirs(limited):
    client = anthropic.Anthropic(base_url=limited.url, api_key=SECRETS["STAND_STRICT2"], max_retries=0)
    ask = lambda: client.messages.with_raw_response.create(model="via-anthropic", max_tokens=9, messages=HI)
    answer = ask()
    assert answer.headers["anthropic-ratelimit-requests-limit"] == "1"
    assert answer.headers["anthropic-ratelimit-requests-reset"].endswith("Z")
    with pytest.raises(anthropic.RateLimitError) as refused:
        ask()
    assert refused.value.response.headers["anthropic-ratelimit-requests-remaining"] == "0"


def test_gemini_clients_are_told_with_theirs(limited):
    options = genai.types.HttpOptions(base_url=limited.url)
    client = genai.Client(api_key=SECRETS["STAND_STRICT3"], http_options=options)
    client.models.generate_content(model="via-gemini", contents="hi")
    with pytest.raises(google.ClientError) as refused:
        client.models.generate_content(model="via-gemini", contents="hi")
    assert refused.value.code == 429


def test_a_client_over_its_pace_waits_and_never_sees_a_429(limited):
    began = time.monotonic()
    waits = [int(chat(limited, "STAND_PATIENT").headers["x-sluicegate-queue-ms"]) for _ in range(10)]
    assert time.monotonic() - began > 1.5
    assert max(waits) > 50, waits


def test_what_never_fits_is_not_tried_again_by_the_clients_own_retries(limited):
    client = openai.OpenAI(base_url=f"{limited.url}/v1", api_key=SECRETS["STAND_SMALL"], max_retries=5)
    began = time.monotonic()
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="via-openai", messages=HI, max_tokens=4000)
    assert time.monotonic() - began < 2
    assert refused.value.response.headers["x-should-retry"] == "false"


def test_a_key_sees_its_own_quota_and_nobody_elses(limited):
    page = httpx.get(f"{limited.url}/v1/quota", headers={"x-api-key": SECRETS["STAND_PATIENT"]}).json()
    assert (page["key"], page["mode"], page["class"]) == ("patient", "adaptive", "normal")
    names = {(limit["name"], limit["counts"], limit["window_seconds"]) for limit in page["limits"]}
    assert ("key:patient", "requests", 1.0) in names and ("key:patient", "tokens", 60.0) in names
    assert not any("strict" in limit["name"] for limit in page["limits"])
    assert httpx.get(f"{limited.url}/v1/quota").status_code == 401
