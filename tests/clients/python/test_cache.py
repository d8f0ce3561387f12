"""Answers from the cache, as the official clients read them: whole and streamed, each made from either."""

import anthropic
import openai
import pytest

import stand

CACHED = "cache: { exact: { only_when: always } }\n"
CACHE = "x-sluicegate-cache"


@pytest.fixture(scope="module")
def cached(tmp_path_factory, simulator_url):
    folder = tmp_path_factory.mktemp("cached")
    with stand.relay(folder, stand.config(simulator_url, CACHED), env={"STAND_KEY": stand.PROVIDER_KEY}) as program:
        yield program


@pytest.fixture(scope="module")
def of_openai(cached):
    return openai.OpenAI(base_url=f"{cached.url}/v1", api_key="unused", max_retries=0, timeout=30)


@pytest.fixture(scope="module")
def of_anthropic(cached):
    return anthropic.Anthropic(base_url=cached.url, api_key="unused", max_retries=0, timeout=30)


def whole(client, says, upstream="openai", **options):
    raw = client.chat.completions.with_raw_response.create(
        model=f"via-{upstream}", messages=[{"role": "user", "content": says}], **options
    )
    return raw.headers[CACHE], raw.parse()


def streamed(client, says, upstream="openai"):
    raw = client.chat.completions.with_raw_response.create(
        model=f"via-{upstream}",
        messages=[{"role": "user", "content": says}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(raw.parse())
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    ends = [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason]
    return raw.headers[CACHE], text, ends, chunks[-1].usage


@pytest.mark.parametrize("upstream", ["openai", "anthropic", "gemini"])
def test_a_whole_answer_is_given_again_whole_and_as_a_stream(of_openai, upstream):
    says = f"whole first, from {upstream}"
    first, answer = whole(of_openai, says, upstream)
    second, again = whole(of_openai, says, upstream)
    assert (first, second) == ("miss", "hit")
    assert again == answer and again.usage.completion_tokens > 0
    cache, text, ends, usage = streamed(of_openai, says, upstream)
    assert (cache, text, ends) == ("hit", answer.choices[0].message.content, ["stop"])
    assert (usage.prompt_tokens, usage.completion_tokens) == (answer.usage.prompt_tokens, answer.usage.completion_tokens)


@pytest.mark.parametrize("upstream", ["openai", "anthropic", "gemini"])
def test_a_stream_is_given_again_as_a_stream_and_whole(of_openai, upstream):
    says = f"streamed first, from {upstream}"
    first, text, ends, usage = streamed(of_openai, says, upstream)
    second, *again = streamed(of_openai, says, upstream)
    assert (first, second) == ("miss", "hit")
    assert again == [text, ends, usage] and text
    cache, answer = whole(of_openai, says, upstream)
    assert (cache, answer.choices[0].message.content) == ("hit", text)
    assert answer.usage.completion_tokens == usage.completion_tokens


def test_a_client_that_wants_no_cache_is_not_answered_from_it(of_openai):
    assert whole(of_openai, "fresh")[0] == "miss"
    assert whole(of_openai, "fresh", extra_headers={"cache-control": "no-cache"})[0] == "bypass"
    assert whole(of_openai, "fresh", extra_headers={"cache-control": "no-store"})[0] == "bypass"
    assert whole(of_openai, "fresh")[0] == "hit"


def test_the_anthropic_client_reads_the_same_message_again_and_as_a_stream(of_anthropic):
    def ask():
        return of_anthropic.messages.with_raw_response.create(
            model="via-anthropic", max_tokens=64, messages=[{"role": "user", "content": "again, please"}]
        )

    first, second = ask(), ask()
    assert (first.headers[CACHE], second.headers[CACHE]) == ("miss", "hit")
    message = first.parse()
    assert second.parse() == message
    with of_anthropic.messages.stream(
        model="via-anthropic", max_tokens=64, messages=[{"role": "user", "content": "again, please"}]
    ) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
        assert stream.response.headers[CACHE] == "hit"
    assert text == message.content[0].text
    assert final.usage.output_tokens == message.usage.output_tokens
