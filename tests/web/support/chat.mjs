// A server of OpenAI's chat completions that knows no mercy: every request is checked against the form
// that OpenAI describes (openai-openapi v2.3.0, CreateChatCompletionRequest), as far as a text model goes.
//
// It answers from what it is shown: the first sentence of the first passage, with its number.
import { createServer } from 'node:http';

/** What a request may say, by member: a check that returns what is wrong. */
const members = {
  model: (value) => (typeof value === 'string' && value !== '' ? undefined : 'must be a name'),
  messages: (value) => {
    if (!Array.isArray(value) || value.length === 0) return 'must be a list of messages';
    for (const message of value) {
      const { role, content, name, ...rest } = message;
      if (Object.keys(rest).length > 0) return `a message has ${Object.keys(rest)}`;
      if (!['system', 'developer', 'user', 'assistant'].includes(role)) return `a message has the role ${role}`;
      if (typeof content !== 'string' || content === '') return 'a message has no content';
      if (name !== undefined && typeof name !== 'string') return 'a name is no text';
    }
    return value.at(-1).role === 'user' ? undefined : 'end without a question';
  },
  stream: (value) => (typeof value === 'boolean' ? undefined : 'must be a boolean'),
  stream_options: (value, { stream }) =>
    stream === true && Object.entries(value).every(([key, flag]) => ['include_usage', 'include_obfuscation'].includes(key) && typeof flag === 'boolean')
      ? undefined
      : 'are for streams, and flags',
  temperature: (value) => (value >= 0 && value <= 2 ? undefined : 'must be from 0 to 2'),
  top_p: (value) => (value >= 0 && value <= 1 ? undefined : 'must be from 0 to 1'),
  max_tokens: (value, { max_completion_tokens: other }) => (Number.isInteger(value) && value > 0 && other === undefined ? undefined : 'must be a count'),
  max_completion_tokens: (value) => (Number.isInteger(value) && value > 0 ? undefined : 'must be a count'),
  n: (value) => (value === 1 ? undefined : 'must be 1 here'),
  seed: (value) => (Number.isInteger(value) ? undefined : 'must be a whole number'),
  stop: (value) => (typeof value === 'string' || Array.isArray(value) ? undefined : 'must be texts'),
  user: (value) => (typeof value === 'string' ? undefined : 'must be a text'),
};

function complaint(request, key, text) {
  const { method, url, headers } = request;
  if (method !== 'POST' || url !== '/v1/chat/completions') return `${method} ${url}`;
  if (headers.authorization !== `Bearer ${key}`) return 'the key is wrong';
  if (!/^application\/json\b/.test(headers['content-type'] ?? '')) return `content-type ${headers['content-type']}`;
  let body;
  try {
    body = JSON.parse(text);
  } catch {
    return 'the body is not JSON';
  }
  for (const needed of ['model', 'messages']) if (!(needed in body)) return `${needed} is missing`;
  for (const [name, value] of Object.entries(body)) {
    const wrong = members[name] ? members[name](value, body) : 'is not known';
    if (wrong) return `${name} ${wrong}`;
  }
  return undefined;
}

/** What the model says to what it is shown. */
export function said(messages) {
  const shown = messages.at(-1).content;
  const [, text] = /<[0-9a-f]{16} passage 1>\n[^\n]*\n([^]*?)\n<\/[0-9a-f]{16} passage 1>/.exec(shown) ?? [];
  if (!text) return 'NOT COVERED';
  const sentence = /^[^]*?[.!?](?=\s|$)/.exec(text.trim())?.[0] ?? text.trim();
  return `${sentence.replace(/\s+/g, ' ').replace(/[.!?]$/, '')} [1].`;
}

const wait = (millis) => new Promise((done) => setTimeout(done, millis));

/**
 * Starts the server.
 *
 * `mood` says what it does next: `answer`, `slow` (a word every `pause` ms, 8 if none is given), `refuse` (a status in `status`,
 * with `retryAfter`), `hang` (not even headers), `stall` (one word, then nothing), `break` (an error in the
 * middle).
 */
export async function chatServer(key = 'sk-test-marker-4711') {
  const state = { mood: 'answer', status: 503, retryAfter: undefined, pause: 8 };
  /** Bodies of all requests; what was wrong with them; how many clients left before the end. */
  const asked = [];
  const complaints = [];
  let left = 0;
  let open = 0;
  let most = 0;

  async function answer(request, response) {
    let text = '';
    for await (const part of request.setEncoding('utf8')) text += part;
    const wrong = complaint(request, key, text);
    if (wrong) {
      complaints.push(wrong);
      response.writeHead(400, { 'content-type': 'application/json' });
      return response.end(JSON.stringify({ error: { message: `${wrong} (key ${key})`, type: 'invalid_request_error', param: null, code: null } }));
    }
    const body = JSON.parse(text);
    asked.push(body);
    const { mood, status, retryAfter, pause } = state;
    if (mood === 'hang') return undefined;
    if (mood === 'refuse') {
      response.writeHead(status, { 'content-type': 'application/json', ...(retryAfter && { 'retry-after': retryAfter }) });
      return response.end(JSON.stringify({ error: { message: `no, ${key}`, type: 'server_error', param: null, code: null } }));
    }
    const words = said(body.messages).split(/(?<= )/);
    const usage = { prompt_tokens: Math.ceil(text.length / 4), completion_tokens: words.length, total_tokens: Math.ceil(text.length / 4) + words.length };
    const base = { id: 'chatcmpl-1', created: 1_700_000_000, model: body.model };
    if (!body.stream) {
      response.writeHead(200, { 'content-type': 'application/json', 'x-request-id': 'req_1' });
      const choices = [{ index: 0, message: { role: 'assistant', content: words.join('') }, finish_reason: 'stop', logprobs: null }];
      return response.end(JSON.stringify({ ...base, object: 'chat.completion', choices, usage }));
    }
    response.writeHead(200, { 'content-type': 'text/event-stream', 'x-request-id': 'req_1' });
    const event = (choices, more) => `data: ${JSON.stringify({ ...base, object: 'chat.completion.chunk', choices, ...more })}\n\n`;
    const delta = (delta, finish_reason = null) => event([{ index: 0, delta, finish_reason, logprobs: null }]);
    response.write(delta({ role: 'assistant', content: '' }));
    for (const [at, word] of words.entries()) {
      if (response.destroyed) return undefined;
      const bytes = Buffer.from(delta({ content: word }));
      // Cut where it hurts: in the middle of an event.
      response.write(bytes.subarray(0, bytes.length >> 1));
      await wait(mood === 'slow' ? pause : 1);
      response.write(bytes.subarray(bytes.length >> 1));
      if (mood === 'stall') return undefined;
      if (mood === 'break' && at >= words.length >> 1) {
        return response.end(`data: ${JSON.stringify({ error: { message: `overloaded ${key}`, type: 'server_error', code: null, param: null } })}\n\n`);
      }
    }
    response.write(delta({}, 'stop'));
    if (body.stream_options?.include_usage) response.write(event([], { usage }));
    return response.end('data: [DONE]\n\n');
  }

  const server = createServer((request, response) => {
    open += 1;
    most = Math.max(most, open);
    response.on('close', () => {
      open -= 1;
      if (!response.writableFinished) left += 1;
    });
    answer(request, response).catch(() => response.destroy());
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return {
    key,
    /** Settings of a service that asks this server. */
    settings: { CHAT_API: 'completions', CHAT_URL: `http://127.0.0.1:${server.address().port}/v1`, CHAT_MODEL: 'double-1', CHAT_KEY: key },
    asked,
    complaints,
    left: () => left,
    open: () => open,
    be: (mood, more = {}) => Object.assign(state, { mood, retryAfter: undefined, pause: 8, ...more }),
    close: () => new Promise((done) => server.close(done) && server.closeAllConnections()),
  };
}
