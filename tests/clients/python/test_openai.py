"""The official OpenAI client: endpoints and helpers that belong to it alone."""

import asyncio
import base64
import json
import struct

import openai
import pydantic
import pytest

import stand

CHAT_UPSTREAMS = ["direct", *stand.UPSTREAMS]


class Step(pydantic.BaseModel):
    explanation: str
    output: str


class Solution(pydantic.BaseModel):
    steps: list[Step]
    final_answer: str


class Weather(pydantic.BaseModel):
    """The weather in a city"""

    city: str


@pytest.fixture(scope="session")
def client(relay):
    return openai.OpenAI(base_url=f"{relay.url}/v1", api_key="unused", max_retries=0, timeout=30)


@pytest.fixture(scope="session")
def direct(simulator_url):
    return openai.OpenAI(base_url=f"{simulator_url}/v1", api_key="unused", max_retries=0, timeout=30)


@pytest.fixture(params=CHAT_UPSTREAMS)
def at(request):
    """The client and a model name, for each upstream."""
    if request.param == "direct":
        return request.getfixturevalue("direct"), "gpt-4.1-mini"
    return request.getfixturevalue("client"), f"via-{request.param}"


@pytest.fixture(params=["direct", "relay"])
def either(request):
    """The client at the simulator, and at the relay before it: for endpoints that only OpenAI's kind has."""
    return request.getfixturevalue("direct" if request.param == "direct" else "client")


HELLO = [{"role": "user", "content": "Say hello."}]


def test_chat_parse_returns_the_pydantic_model(at):
    client, model = at
    reply = client.chat.completions.parse(model=model, messages=HELLO, response_format=Solution)
    assert isinstance(reply.choices[0].message.parsed, Solution)


def test_chat_parse_reads_tool_arguments(at):
    client, model = at
    reply = client.chat.completions.parse(
        model=model, messages=[{"role": "user", "content": "Weather? [[sim:tool=Weather]]"}],
        tools=[openai.pydantic_function_tool(Weather)],
    )
    assert isinstance(reply.choices[0].message.tool_calls[0].function.parsed_arguments, Weather)


def test_chat_stream_helper_gathers_the_same_answer(at):
    client, model = at
    whole = client.chat.completions.create(model=model, messages=HELLO)
    with client.chat.completions.stream(model=model, messages=HELLO) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()
    assert final.choices[0].message.content == whole.choices[0].message.content
    assert {"content.delta", "content.done"} <= kinds


def test_chat_stream_helper_parses_structured_output(at):
    client, model = at
    with client.chat.completions.stream(model=model, messages=HELLO, response_format=Solution) as stream:
        assert isinstance(stream.get_final_completion().choices[0].message.parsed, Solution)


def test_a_stream_shows_usage_only_to_those_who_ask(at):
    client, model = at
    chunks = list(client.chat.completions.create(model=model, messages=HELLO, stream=True))
    assert all(not chunk.usage for chunk in chunks), "usage was not asked for"
    assert all(chunk.choices for chunk in chunks if chunk.id), "no chunk is left empty by taking the usage out"
    asked = list(
        client.chat.completions.create(model=model, messages=HELLO, stream=True, stream_options={"include_usage": True})
    )
    assert asked[-1].usage.completion_tokens > 0 and asked[-1].choices == []


def test_json_mode_gives_an_object(at):
    client, model = at
    if model == "via-anthropic":
        pytest.skip("Anthropic has no JSON mode without a schema: it is asked for in words")
    reply = client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": "Answer in JSON."}], response_format={"type": "json_object"}
    )
    assert isinstance(json.loads(reply.choices[0].message.content), dict)


def test_several_choices_keep_their_numbers(either):
    reply = either.chat.completions.create(model="gpt-4.1-mini", messages=HELLO, n=3)
    assert [choice.index for choice in reply.choices] == [0, 1, 2]
    seen = set()
    for chunk in either.chat.completions.create(model="gpt-4.1-mini", messages=HELLO, n=3, stream=True):
        seen |= {choice.index for choice in chunk.choices}
    assert seen == {0, 1, 2}


@pytest.mark.parametrize("upstream", ["anthropic"])
def test_several_choices_are_refused_where_they_cannot_be(client, upstream):
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=f"via-{upstream}", messages=HELLO, n=2)
    assert caught.value.param == "n"


def test_what_is_dropped_is_named(client):
    raw = client.chat.completions.with_raw_response.create(
        model="via-anthropic", messages=HELLO, seed=7, logit_bias={"50256": -100}
    )
    dropped = raw.headers["x-sluicegate-dropped"]
    assert "seed" in dropped and "logit_bias" in dropped


def test_logprobs_come_through(either):
    reply = either.chat.completions.create(model="gpt-4.1-mini", messages=HELLO, logprobs=True, top_logprobs=2)
    assert reply.choices[0].logprobs.content


def test_legacy_completions(either):
    reply = either.completions.create(model="gpt-3.5-turbo-instruct", prompt="Once upon a time")
    assert reply.choices[0].text and reply.usage.completion_tokens > 0
    pieces = list(either.completions.create(model="gpt-3.5-turbo-instruct", prompt="Once upon a time", stream=True))
    assert "".join(p.choices[0].text for p in pieces if p.choices) == reply.choices[0].text
    assert all(not p.usage for p in pieces)


def test_responses_parse_returns_the_pydantic_model(at):
    client, model = at
    if model == "via-deepseek":
        pytest.skip("DeepSeek knows no schema; that it is refused is shown for every pair")
    reply = client.responses.parse(model=model, input="Solve 8x + 7 = -23.", text_format=Solution, store=False)
    assert isinstance(reply.output_parsed, Solution)


def test_responses_stream_helper_accepts_every_event(at):
    client, model = at
    with client.responses.stream(model=model, input="Say hello.", store=False) as stream:
        events = list(stream)
        final = stream.get_final_response()
    kinds = [event.type for event in events]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert kinds[0] == "response.created" and kinds[-1] == "response.completed"
    for kind in ["response.output_item.added", "response.content_part.added", "response.output_text.done",
                 "response.content_part.done", "response.output_item.done"]:
        assert kind in kinds
    assert final.output_text


def test_responses_stream_helper_gathers_tool_calls(at):
    client, model = at
    with client.responses.stream(
        model=model, input="Weather? [[sim:tool=Weather]]", tools=[openai.pydantic_function_tool(Weather)], store=False
    ) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_response()
    assert "response.function_call_arguments.done" in kinds
    assert isinstance([i for i in final.output if i.type == "function_call"][0].parsed_arguments, Weather)


def test_state_that_nobody_keeps_is_refused(client):
    """A previous response lives at OpenAI. Another provider has never heard of it."""
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="via-anthropic", input="And then?", previous_response_id="resp_123")
    assert caught.value.param == "previous_response_id"


def test_embeddings_are_the_same_as_floats_and_as_base64(either):
    floats = either.embeddings.create(model="text-embedding-3-small", input=["one", "two"], encoding_format="float")
    packed = either.embeddings.create(model="text-embedding-3-small", input=["one", "two"], encoding_format="base64")
    default = either.embeddings.create(model="text-embedding-3-small", input=["one", "two"])
    assert [item.index for item in floats.data] == [0, 1]
    assert floats.usage.prompt_tokens > 0
    for one, two, three in zip(floats.data, packed.data, default.data, strict=True):
        raw = base64.b64decode(two.embedding)
        assert struct.unpack(f"<{len(raw) // 4}f", raw) == pytest.approx(one.embedding, rel=1e-6)
        assert three.embedding == pytest.approx(one.embedding, rel=1e-6)
    assert floats.data[0].embedding != floats.data[1].embedding


def test_embeddings_take_dimensions_and_single_strings(either):
    reply = either.embeddings.create(model="text-embedding-3-small", input="one", dimensions=64)
    assert len(reply.data) == 1 and len(reply.data[0].embedding) == 64


def test_embeddings_from_gemini(client):
    reply = client.embeddings.create(model="gemini/gemini-embedding-001", input=["one", "two"], dimensions=32)
    assert len(reply.data) == 2 and all(len(item.embedding) == 32 for item in reply.data)


def test_tokens_cannot_be_embedded_by_gemini(client):
    with pytest.raises(openai.BadRequestError):
        client.embeddings.create(model="gemini/gemini-embedding-001", input=[[1, 2, 3]])


def test_images(either):
    reply = either.images.generate(model="gpt-image-1", prompt="A red square", size="1024x1024")
    assert base64.b64decode(reply.data[0].b64_json).startswith(b"\x89PNG")


def test_moderations(either):
    reply = either.moderations.create(model="omni-moderation-latest", input=["one", "two"])
    assert len(reply.results) == 2 and reply.results[0].categories is not None


def test_moderations_need_no_model(either):
    assert len(either.moderations.create(input="one").results) == 1


def test_models_list_names_aliases_and_models(client):
    models = {model.id: model for model in client.models.list()}
    for name in stand.UPSTREAMS:
        assert f"via-{name}" in models
    extra = models["via-openai"].model_dump()
    assert {"provider", "context_window"} <= set(extra), extra


def test_a_model_is_found_by_its_name(client):
    assert client.models.retrieve("via-openai").id == "via-openai"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("no-such-model")


def test_models_of_the_simulator(direct):
    assert list(direct.models.list())


def test_provider_and_model_can_be_named_together(client):
    reply = client.chat.completions.create(model="anthropic/claude-haiku-4-5", messages=HELLO)
    assert reply.choices[0].message.content


def test_the_path_works_without_its_version(relay):
    client = openai.OpenAI(base_url=relay.url, api_key="unused", max_retries=0)
    assert client.chat.completions.create(model="via-openai", messages=HELLO).choices[0].message.content
    assert client.responses.create(model="via-openai", input="Hello", store=False).output_text
    assert list(client.models.list())


def test_the_answer_says_who_gave_it(client):
    raw = client.chat.completions.with_raw_response.create(
        model="via-anthropic", messages=HELLO, extra_headers={"X-Request-ID": "my-own-id-1"}
    )
    headers = raw.headers
    assert headers["x-request-id"] == "my-own-id-1"
    assert headers["x-sluicegate-provider"] == "anthropic"
    assert headers["x-sluicegate-model"] == stand.UPSTREAMS["anthropic"]
    assert headers["x-sluicegate-attempts"] == "1"
    assert headers["x-sluicegate-config"]
    assert raw.parse()._request_id == "my-own-id-1"


def test_every_answer_has_a_request_id(client):
    ids = {client.chat.completions.create(model="via-openai", messages=HELLO)._request_id for _ in range(3)}
    assert len(ids) == 3 and None not in ids


def test_a_client_may_insist_on_a_provider(client):
    for wanted in ("openai", "compat"):
        raw = client.chat.completions.with_raw_response.create(
            model="weighted", messages=HELLO, extra_headers={"X-Provider": wanted}
        )
        assert raw.headers["x-sluicegate-provider"] == wanted


def test_weights_use_both_arms(client):
    seen = {
        client.chat.completions.with_raw_response.create(model="weighted", messages=HELLO).headers["x-sluicegate-provider"]
        for _ in range(60)
    }
    assert seen == {"openai", "compat"}


def test_the_asynchronous_client_streams_many_at_once(relay):
    async def one(client, upstream):
        stream = await client.chat.completions.create(
            model=f"via-{upstream}", messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
        text, usage = "", None
        async for chunk in stream:
            text += "".join(choice.delta.content or "" for choice in chunk.choices)
            usage = chunk.usage or usage
        return text, usage

    async def all_of_them():
        async with openai.AsyncOpenAI(base_url=f"{relay.url}/v1", api_key="unused", max_retries=0, timeout=60) as client:
            return await asyncio.gather(*(one(client, upstream) for upstream in list(stand.UPSTREAMS) * 8))

    answers = asyncio.run(all_of_them())
    assert len(answers) == 8 * len(stand.UPSTREAMS)
    assert all(text.strip() and usage.completion_tokens > 0 for text, usage in answers)


def test_passthrough_reaches_any_path_of_a_provider(relay):
    client = openai.OpenAI(base_url=f"{relay.url}/p/openai/v1", api_key="unused", max_retries=0)
    assert client.chat.completions.create(model="gpt-4.1-mini", messages=HELLO).choices[0].message.content
    assert list(client.models.list())
