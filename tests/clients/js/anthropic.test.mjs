// The official Anthropic client for JavaScript.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { ALL, PERSON, RED_DOT, reach, spoiled, stand, withoutSchemas } from './stand.mjs';

const hello = [{ role: 'user', content: 'Say hello.' }];
const weather = {
  name: 'get_weather',
  description: 'The weather in a city',
  input_schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
};
let at;
before(async () => { at = await stand(); });
after(async () => { await at?.stop(); });

function client(url) {
  return new Anthropic({ baseURL: url, apiKey: 'unused', maxRetries: 0, timeout: 30_000 });
}

for (const upstream of ALL) {
  describe(`anthropic at ${upstream}`, () => {
    let anthropic, model;
    before(() => {
      const place = reach(at, upstream, 'claude-haiku-4-5');
      [anthropic, model] = [client(place.url), place.model];
    });

    test('the stream helper ends with the buffered message', async () => {
      const whole = await anthropic.messages.create({ model, messages: hello, max_tokens: 500 });
      let text = '';
      const stream = anthropic.messages.stream({ model, messages: hello, max_tokens: 500 }).on('text', (piece) => { text += piece; });
      const final = await stream.finalMessage();
      assert.ok(text.trim());
      assert.equal(text, whole.content[0].text);
      assert.equal(final.stop_reason, 'end_turn');
      assert.equal(final.usage.output_tokens, whole.usage.output_tokens);
    });

    test('a tool is called, streamed, and its result goes back', async () => {
      const stream = anthropic.messages.stream({
        model, messages: hello, max_tokens: 500, tools: [weather], tool_choice: { type: 'any' },
      });
      const asked = await stream.finalMessage();
      assert.equal(asked.stop_reason, 'tool_use');
      const call = asked.content.find((block) => block.type === 'tool_use');
      assert.equal(typeof call.input.city, 'string');
      const told = await anthropic.messages.create({
        model, max_tokens: 500, tools: [weather],
        messages: [
          ...hello,
          { role: 'assistant', content: asked.content },
          { role: 'user', content: [{ type: 'tool_result', tool_use_id: call.id, content: 'sunny' }] },
        ],
      });
      assert.ok(told.content[0].text.trim());
    });

    test('structured output is JSON of the schema', withoutSchemas(upstream), async () => {
      const message = await anthropic.messages.create({
        model, messages: hello, max_tokens: 500, output_config: { format: { type: 'json_schema', schema: PERSON } },
      });
      assert.deepEqual(Object.keys(JSON.parse(message.content[0].text)).sort(), ['age', 'name']);
    });

    test('an image is taken', async () => {
      const message = await anthropic.messages.create({
        model, max_tokens: 4000,
        messages: [{
          role: 'user',
          content: [
            { type: 'image', source: { type: 'base64', media_type: 'image/png', data: RED_DOT } },
            { type: 'text', text: 'What is this? [[sim:echo]]' },
          ],
        }],
      });
      assert.ok(message.content[0].text.includes(RED_DOT));
    });

    test('an error inside a stream rejects', async () => {
      await assert.rejects(
        anthropic.messages.stream({
          model, max_tokens: 500,
          messages: [{ role: 'user', content: 'A page. [[sim:tokens=60]] [[sim:error-in-stream=5]]' }],
        }).finalMessage(),
        Anthropic.APIError,
      );
    });
  });
}

describe('anthropic at the relay', () => {
  const refuses = async (status, kind) => {
    await assert.rejects(
      client(at.relay).messages.create({
        model: spoiled('anthropic'), max_tokens: 50, messages: [{ role: 'user', content: `[[sim:status=${status}]]` }],
      }),
      kind,
    );
  };
  test('400 is a BadRequestError', () => refuses(400, Anthropic.BadRequestError));
  test('404 is a NotFoundError', () => refuses(404, Anthropic.NotFoundError));
  test('429 is a RateLimitError', () => refuses(429, Anthropic.RateLimitError));
  test('529 is an InternalServerError', () => refuses(529, Anthropic.InternalServerError));
  test('the provider refusing our key is not the client\'s 401', () => refuses(401, Anthropic.InternalServerError));

  test('a stream that breaks off rejects', async () => {
    for (const upstream of ['anthropic', 'openai', 'gemini']) {
      await assert.rejects(
        client(at.relay).messages.stream({
          model: spoiled(upstream), max_tokens: 500,
          messages: [{ role: 'user', content: 'A page. [[sim:tokens=60]] [[sim:truncate=5]]' }],
        }).finalMessage(),
        Anthropic.APIError,
      );
    }
  });

  test('tokens are counted and models listed', async () => {
    const counted = await client(at.relay).messages.countTokens({ model: 'via-anthropic', messages: hello });
    assert.ok(counted.input_tokens > 0);
    const ids = [];
    for await (const model of client(at.relay).models.list()) ids.push(model.id);
    assert.ok(ids.includes('via-anthropic'));
  });
});
