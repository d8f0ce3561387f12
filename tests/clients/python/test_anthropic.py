"""The official Anthropic client: endpoints and helpers that belong to it alone."""

import asyncio

import anthropic
import pydantic
import pytest

import stand

HELLO = [{"role": "user", "content": "Say hello."}]
WEATHER = {
    "name": "get_weather",
    "description": "The weather in a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


class Solution(pydantic.BaseModel):
    steps: list[str]
    final_answer: str


@pytest.fixture(scope="session")
def client(relay):
    return anthropic.Anthropic(base_url=relay.url, api_key="unused", max_retries=0, timeout=30)


@pytest.fixture(scope="session")
def direct(simulator_url):
    return anthropic.Anthropic(base_url=simulator_url, api_key="unused", max_retries=0, timeout=30)


@pytest.fixture(params=["direct", *stand.UPSTREAMS])
def at(request):
    if request.param == "direct":
        return request.getfixturevalue("direct"), "claude-haiku-4-5"
    return request.getfixturevalue("client"), f"via-{request.param}"


def test_stream_helper_gathers_the_same_message(at):
    client, model = at
    whole = client.messages.create(model=model, messages=HELLO, max_tokens=500)
    with client.messages.stream(model=model, messages=HELLO, max_tokens=500) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == whole.content[0].text == final.content[0].text
    assert final.stop_reason == whole.stop_reason == "end_turn"
    assert final.usage.output_tokens == whole.usage.output_tokens
    assert final.usage.input_tokens == whole.usage.input_tokens


def test_stream_helper_gathers_tool_input(at):
    client, model = at
    with client.messages.stream(
        model=model, messages=HELLO, max_tokens=500, tools=[WEATHER], tool_choice={"type": "any"}
    ) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_message()
    call = [block for block in final.content if block.type == "tool_use"][0]
    assert "input_json" in kinds and isinstance(call.input["city"], str)
    assert final.stop_reason == "tool_use"


def test_parse_returns_the_pydantic_model(at):
    client, model = at
    if model == "via-deepseek":
        pytest.skip("DeepSeek knows no schema; that it is refused is shown for every pair")
    message = client.messages.parse(model=model, messages=HELLO, max_tokens=500, output_format=Solution)
    assert isinstance(message.parsed_output, Solution)


def test_system_blocks_and_cache_marks_are_understood(at):
    client, model = at
    message = client.messages.create(
        model=model,
        max_tokens=100,
        system=[
            {"type": "text", "text": "You are brief."},
            {"type": "text", "text": "You are kind.", "cache_control": {"type": "ephemeral"}},
        ],
        messages=[{"role": "user", "content": [{"type": "text", "text": "Hello", "cache_control": {"type": "ephemeral"}}]}],
    )
    assert message.content[0].text


def test_a_turn_may_be_begun_for_the_model(client):
    message = client.messages.create(
        model="via-anthropic", max_tokens=100, messages=[*HELLO, {"role": "assistant", "content": "Hel"}]
    )
    assert message.content[0].text


def test_a_failed_tool_is_reported_as_failed(at):
    client, model = at
    asked = client.messages.create(
        model=model, max_tokens=500, messages=HELLO, tools=[WEATHER], tool_choice={"type": "tool", "name": "get_weather"}
    )
    call = [block for block in asked.content if block.type == "tool_use"][0]
    told = client.messages.create(
        model=model, max_tokens=500, tools=[WEATHER],
        messages=[
            *HELLO,
            {"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in asked.content]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": call.id, "content": "no such city", "is_error": True},
                {"type": "text", "text": "What now?"},
            ]},
        ],
    )
    assert told.content[0].text


def test_documents_reach_those_who_can_read_them(client):
    pdf = "JVBERi0xLjQKJSVFT0YK"
    content = [
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": pdf}},
        {"type": "text", "text": "Sum it up. [[sim:echo]]"},
    ]
    for upstream in ("anthropic", "openai", "gemini"):
        message = client.messages.create(
            model=f"via-{upstream}", max_tokens=2000, messages=[{"role": "user", "content": content}]
        )
        assert pdf in message.content[0].text, upstream


@pytest.mark.parametrize("upstream", ["direct", "anthropic", "gemini"])
def test_tokens_are_counted(request, upstream):
    asked = request.getfixturevalue("direct" if upstream == "direct" else "client")
    model = "claude-haiku-4-5" if upstream == "direct" else f"via-{upstream}"
    short = asked.messages.count_tokens(model=model, messages=HELLO)
    long = asked.messages.count_tokens(model=model, messages=[{"role": "user", "content": "word " * 500}])
    assert 0 < short.input_tokens < long.input_tokens


def test_the_count_is_what_the_answer_bills(direct):
    counted = direct.messages.count_tokens(model="claude-haiku-4-5", messages=HELLO)
    billed = direct.messages.create(model="claude-haiku-4-5", messages=HELLO, max_tokens=50)
    assert counted.input_tokens == billed.usage.input_tokens


def test_models_list_has_anthropics_shape(client):
    models = {model.id: model for model in client.models.list(limit=1000)}
    assert "via-anthropic" in models
    model = models["via-anthropic"]
    assert model.type == "model" and model.display_name and model.created_at
    assert client.models.retrieve("via-anthropic").id == "via-anthropic"
    with pytest.raises(anthropic.NotFoundError):
        client.models.retrieve("no-such-model")


def test_models_of_the_simulator(direct):
    assert list(direct.models.list())


def test_the_answer_says_who_gave_it(client):
    raw = client.messages.with_raw_response.create(model="via-openai", messages=HELLO, max_tokens=50)
    assert raw.headers["request-id"] == raw.headers["x-request-id"]
    assert raw.headers["x-sluicegate-provider"] == "openai"
    assert raw.parse()._request_id == raw.headers["request-id"]


def test_beta_headers_reach_the_provider(client):
    message = client.messages.create(
        model="via-anthropic", max_tokens=2000, messages=[{"role": "user", "content": "[[sim:echo]]"}],
        extra_headers={"anthropic-beta": "context-1m-2025-08-07"},
    )
    assert "context-1m-2025-08-07" in message.content[0].text
    assert "anthropic-version" in message.content[0].text


def test_no_key_of_the_client_reaches_the_provider(client, relay):
    own = anthropic.Anthropic(base_url=relay.url, api_key="the-clients-own-key", max_retries=0)
    for upstream in stand.UPSTREAMS:
        message = own.messages.create(
            model=f"via-{upstream}", max_tokens=4000, messages=[{"role": "user", "content": "[[sim:echo]]"}]
        )
        assert "the-clients-own-key" not in message.content[0].text, upstream


def test_the_path_works_with_its_version_twice_or_not_at_all(relay):
    client = anthropic.Anthropic(base_url=f"{relay.url}/v1", api_key="unused", max_retries=0)
    # The client adds /v1 itself: /v1/v1/messages is either understood or a clean 404, never a hang or a 500.
    try:
        assert client.messages.create(model="via-anthropic", messages=HELLO, max_tokens=50).content
    except anthropic.NotFoundError as error:
        assert error.body["type"] == "error"


def test_the_asynchronous_client_streams_many_at_once(relay):
    async def one(client, upstream):
        async with client.messages.stream(model=f"via-{upstream}", messages=HELLO, max_tokens=500) as stream:
            text = "".join([piece async for piece in stream.text_stream])
            return text, (await stream.get_final_message()).usage.output_tokens

    async def all_of_them():
        async with anthropic.AsyncAnthropic(base_url=relay.url, api_key="unused", max_retries=0, timeout=60) as client:
            return await asyncio.gather(*(one(client, upstream) for upstream in list(stand.UPSTREAMS) * 8))

    answers = asyncio.run(all_of_them())
    assert all(text.strip() and tokens > 0 for text, tokens in answers)
