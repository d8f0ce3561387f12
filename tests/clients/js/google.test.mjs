// The official Google client for JavaScript.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ApiError, FunctionCallingConfigMode, GoogleGenAI } from '@google/genai';
import { ALL, PERSON, RED_DOT, reach, spoiled, stand, withoutSchemas } from './stand.mjs';

let at;
before(async () => { at = await stand(); });
after(async () => { await at?.stop(); });

function client(url) {
  return new GoogleGenAI({ apiKey: 'unused', vertexai: false, httpOptions: { baseUrl: url, timeout: 30_000 } });
}

const text = (reply) => (reply.candidates?.[0]?.content?.parts ?? []).map((part) => part.text ?? '').join('');

for (const upstream of ALL) {
  describe(`google at ${upstream}`, () => {
    let models, model;
    before(() => {
      const place = reach(at, upstream, 'gemini-2.5-flash');
      [models, model] = [client(place.url).models, place.model];
    });

    test('joined pieces are the buffered answer', async () => {
      const whole = await models.generateContent({ model, contents: 'Say hello.' });
      let joined = '';
      let usage;
      for await (const piece of await models.generateContentStream({ model, contents: 'Say hello.' })) {
        joined += text(piece);
        usage = piece.usageMetadata ?? usage;
      }
      assert.ok(joined.trim());
      assert.equal(joined, text(whole));
      assert.equal(usage.totalTokenCount, whole.usageMetadata.totalTokenCount);
    });

    test('a function is called and its result goes back', async () => {
      const tools = [{
        functionDeclarations: [{
          name: 'get_weather', description: 'The weather in a city',
          parametersJsonSchema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
        }],
      }];
      const question = { role: 'user', parts: [{ text: 'The weather in Rome?' }] };
      const asked = await models.generateContent({
        model, contents: [question],
        config: { tools, toolConfig: { functionCallingConfig: { mode: FunctionCallingConfigMode.ANY } } },
      });
      const [call] = asked.functionCalls;
      assert.equal(typeof call.args.city, 'string');
      const told = await models.generateContent({
        model, config: { tools },
        contents: [
          question, asked.candidates[0].content,
          { role: 'user', parts: [{ functionResponse: { id: call.id, name: call.name, response: { output: 'sunny' } } }] },
        ],
      });
      assert.ok(text(told).trim());
    });

    test('structured output is JSON of the schema', withoutSchemas(upstream), async () => {
      const reply = await models.generateContent({
        model, contents: 'Invent a person.',
        config: { responseMimeType: 'application/json', responseJsonSchema: PERSON },
      });
      assert.deepEqual(Object.keys(JSON.parse(text(reply))).sort(), ['age', 'name']);
    });

    test('an image is taken', async () => {
      const reply = await models.generateContent({
        model,
        contents: [{
          role: 'user', parts: [{ text: 'What is this? [[sim:echo]]' }, { inlineData: { mimeType: 'image/png', data: RED_DOT } }],
        }],
      });
      assert.ok(text(reply).includes(RED_DOT));
    });
  });
}

describe('google at the relay', () => {
  for (const status of [400, 404, 429, 500, 503]) {
    test(`${status} is an ApiError with that status`, async () => {
      await assert.rejects(
        client(at.relay).models.generateContent({ model: spoiled('gemini'), contents: `[[sim:status=${status}]]` }),
        (error) => error instanceof ApiError && (error.status === status || (status === 500 && error.status >= 500)),
      );
    });
  }

  test('tokens are counted and texts embedded', async () => {
    const { models } = client(at.relay);
    assert.ok((await models.countTokens({ model: 'via-gemini', contents: 'Hello' })).totalTokens > 0);
    const { embeddings } = await models.embedContent({
      model: 'gemini/gemini-embedding-001', contents: ['one', 'two'], config: { outputDimensionality: 32 },
    });
    assert.deepEqual(embeddings.map((e) => e.values.length), [32, 32]);
  });
});
