"""The official Google client: endpoints and helpers that belong to it alone."""

import asyncio
import json
import urllib.request

import pydantic
import pytest
from google import genai
from google.genai import errors, types

import stand


class Solution(pydantic.BaseModel):
    steps: list[str]
    final_answer: str


def made(url, version=None):
    options = types.HttpOptions(base_url=url, timeout=30_000)
    if version:
        options.api_version = version
    return genai.Client(api_key="unused", vertexai=False, http_options=options)


@pytest.fixture(scope="session")
def client(relay):
    return made(relay.url)


@pytest.fixture(scope="session")
def direct(simulator_url):
    return made(simulator_url)


@pytest.fixture(params=["direct", *stand.UPSTREAMS])
def at(request):
    if request.param == "direct":
        return request.getfixturevalue("direct"), "gemini-2.5-flash"
    return request.getfixturevalue("client"), f"via-{request.param}"


def test_response_schema_returns_the_pydantic_model(at):
    client, model = at
    if model == "via-deepseek":
        pytest.skip("DeepSeek knows no schema; that it is refused is shown for every pair")
    reply = client.models.generate_content(
        model=model, contents="Solve it.",
        config=types.GenerateContentConfig(response_mime_type="application/json", response_schema=Solution),
    )
    assert isinstance(reply.parsed, Solution)


def test_functions_are_called_for_the_caller(at):
    """The client itself runs the function and sends its result back, as often as the model asks."""
    client, model = at
    asked = []

    def get_weather(city: str) -> str:
        """The weather in a city."""
        asked.append(city)
        return "sunny"

    reply = client.models.generate_content(
        model=model, contents="What is the weather in Rome? [[sim:tool=get_weather]]",
        config=types.GenerateContentConfig(
            tools=[get_weather], automatic_function_calling=types.AutomaticFunctionCallingConfig(maximum_remote_calls=3)
        ),
    )
    assert len(asked) == 1 and reply.text


def test_chats_keep_their_history(at):
    client, model = at
    chat = client.chats.create(model=model)
    assert chat.send_message("Name a tree.").text
    assert chat.send_message("And another one.").text
    assert "".join(chunk.text or "" for chunk in chat.send_message_stream("And a third."))
    assert len(chat.get_history()) >= 6


@pytest.mark.parametrize("version", ["v1", "v1beta"])
@pytest.mark.parametrize("base", ["direct", "relay"])
def test_both_versions_of_the_path_are_known(request, simulator_url, version, base):
    url = simulator_url if base == "direct" else request.getfixturevalue("relay").url
    model = "gemini-2.5-flash" if base == "direct" else "via-gemini"
    client = made(url, version)
    assert client.models.generate_content(model=model, contents="Hello").text
    assert "".join(c.text or "" for c in client.models.generate_content_stream(model=model, contents="Hello"))


def test_system_instruction_and_sampling_are_taken(at):
    client, model = at
    reply = client.models.generate_content(
        model=model, contents="Hello",
        config=types.GenerateContentConfig(
            system_instruction="You are brief.", temperature=0.5, top_p=0.9, max_output_tokens=200,
            safety_settings=[types.SafetySetting(category="HARM_CATEGORY_HARASSMENT", threshold="BLOCK_NONE")],
        ),
    )
    assert reply.text and reply.usage_metadata.total_token_count > 0


def test_tokens_are_counted(direct, client):
    for asked, model in ((direct, "gemini-2.5-flash"), (client, "via-gemini")):
        short = asked.models.count_tokens(model=model, contents="Hello")
        long = asked.models.count_tokens(model=model, contents="word " * 500)
        assert 0 < short.total_tokens < long.total_tokens


def test_embeddings(direct, client):
    for asked, model in ((direct, "gemini-embedding-001"), (client, "gemini/gemini-embedding-001")):
        reply = asked.models.embed_content(
            model=model, contents=["one", "two"], config=types.EmbedContentConfig(output_dimensionality=48)
        )
        assert [len(item.values) for item in reply.embeddings] == [48, 48]
        assert reply.embeddings[0].values != reply.embeddings[1].values


def test_models_list_has_geminis_shape(client, direct):
    assert list(direct.models.list())
    names = {model.name for model in client.models.list()}
    assert any(name.endswith("via-gemini") for name in names), names


def test_provider_and_model_can_be_named_together(client):
    assert client.models.generate_content(model="anthropic/claude-haiku-4-5", contents="Hello").text


def test_the_answer_says_who_gave_it(client):
    headers = client.models.generate_content(model="via-openai", contents="Hello").sdk_http_response.headers
    headers = {name.lower(): value for name, value in headers.items()}
    assert headers["x-sluicegate-provider"] == "openai" and headers["x-request-id"]


@pytest.mark.parametrize("upstream", ["gemini", "openai", "anthropic"])
def test_a_stream_without_alt_is_one_json_array(relay, upstream):
    """Without `alt=sse` Gemini answers a stream as one JSON array, piece by piece."""
    request = urllib.request.Request(
        f"{relay.url}/v1beta/models/via-{upstream}:streamGenerateContent",
        data=json.dumps({"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}).encode(),
        headers={"content-type": "application/json", "x-goog-api-key": "unused"},
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        assert response.headers["content-type"].startswith("application/json")
        pieces = json.load(response)
    text = "".join(p["text"] for piece in pieces for c in piece.get("candidates", [])
                   for p in c.get("content", {}).get("parts", []) if "text" in p)
    assert text.strip() and pieces[-1]["usageMetadata"]["totalTokenCount"] > 0


def test_the_key_may_stand_in_the_address(guarded):
    url = f"{guarded.url}/v1beta/models/via-gemini:generateContent?key="
    body = json.dumps({"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}).encode()
    for key, status in (("sk-sg-full-0123456789", 200), ("wrong", 400)):
        request = urllib.request.Request(url + key, data=body, headers={"content-type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                got = response.status
        except urllib.error.HTTPError as error:
            got = error.code
            assert json.load(error)["error"]["message"]
        assert got == status or (status == 400 and got == 401)
    assert "sk-sg-full" not in guarded.output(), "a key from an address is in the log"


def test_the_asynchronous_client_streams_many_at_once(client):
    async def one(upstream):
        text = ""
        async for chunk in await client.aio.models.generate_content_stream(model=f"via-{upstream}", contents="Hello"):
            text += chunk.text or ""
        return text

    async def all_of_them():
        return await asyncio.gather(*(one(upstream) for upstream in list(stand.UPSTREAMS) * 8))

    assert all(text.strip() for text in asyncio.run(all_of_them()))


def test_an_unknown_model_is_not_found(client):
    with pytest.raises(errors.ClientError) as caught:
        client.models.generate_content(model="no-such-model", contents="Hello")
    assert caught.value.code == 404 and caught.value.status == "NOT_FOUND"
