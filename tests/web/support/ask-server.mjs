// The answering service as a page sees it, by script: it says what a test tells it to say, when it is told.
import { createServer } from 'node:http';

/** The events of an answer; the citations are those that its text asks for. */
export function answer(text, sources, { outcome = 'answered', doubtful = [], degraded = [], query = 'the question' } = {}) {
  const citations = [...text.matchAll(/[^.!?\n]+[.!?][^\S\n]*(?:\[\d+\])+\.?|[^.!?\n]*?(?:\[\d+\])+[.!?]?/g)].map((sentence) => {
    const lead = sentence[0].length - sentence[0].trimStart().length;
    const numbers = [...sentence[0].matchAll(/\[(\d+)\]/g)].map(([, digits]) => Number(digits));
    const supported = !numbers.some((number) => doubtful.includes(number));
    const [start, end] = [sentence.index + lead, sentence.index + sentence[0].length];
    return { type: 'citation', start, end, sources: numbers, support: supported ? 0.9 : 0.2, supported };
  });
  return [
    { type: 'search', query },
    ...degraded.map(([part, code]) => ({ type: 'degraded', part, code })),
    { type: 'sources', sources },
    ...text.split(/(?<= )/).map((text) => ({ type: 'delta', text })),
    ...citations,
    { type: 'usage', input: 900, output: 60 },
    { type: 'done', outcome },
  ];
}

export const source = (number, title, text, more = {}) => ({
  number,
  id: title.toLowerCase().replaceAll(' ', '-'),
  title,
  url: `/guide/${title.toLowerCase().replaceAll(' ', '-')}/`,
  anchor: '',
  headings: [],
  chunk: number,
  text,
  ...more,
});

const bytes = ({ type, ...rest }) => Buffer.from(`event: ${type}\ndata: ${JSON.stringify({ type, ...rest })}\n\n`);

/**
 * Starts it.
 *
 * `say(steps)` is what it answers from then on: events; `'wait'`, until `go()`; `'cut'`, which ends the
 * connection. `sessions(name)` wants sessions from then on. `refuse(status, headers)` is an error instead, `page()` a page that is no answer.
 */
export async function askServer() {
  const asked = [];
  const rated = [];
  const begun = [];
  let session;
  let good;
  let left = 0;
  let go = () => {};
  let respond;

  const server = createServer(async (request, response) => {
    const cors = { 'access-control-allow-origin': '*', 'access-control-allow-headers': 'content-type, authorization', 'access-control-expose-headers': 'retry-after, x-request-id' };
    for (const [name, value] of Object.entries(cors)) response.setHeader(name, value);
    if (request.method === 'OPTIONS') return response.writeHead(204).end();
    let text = '';
    for await (const part of request.setEncoding('utf8')) text += part;
    const body = JSON.parse(text);
    if (request.url === '/feedback') {
      rated.push(body);
      return response.writeHead(204).end();
    }
    if (request.url === '/session') {
      begun.push(body);
      const isGiven = session !== undefined && body.turnstile !== 'failed';
      const refused = { error: { code: 'turnstile-failed', message: 'not passed' } };
      const token = session && `${session}-${begun.length}`;
      if (isGiven) good = token;
      return response.writeHead(session === undefined ? 404 : isGiven ? 200 : 401).end(JSON.stringify(isGiven ? { token, expires_in: 600 } : refused));
    }
    if (session !== undefined && request.headers.authorization !== `Bearer ${good}`) {
      return response.writeHead(401).end(JSON.stringify({ error: { code: 'session-missing', message: 'no session' } }));
    }
    asked.push({ url: request.url, accept: request.headers.accept, body });
    response.on('close', () => {
      if (!response.writableFinished) left += 1;
    });
    return respond(response);
  });
  const state = {
    asked,
    rated,
    /** What sessions were asked for with. */
    begun,
    /** From then on questions need a session, of a new one each time; without a name they need none. */
    sessions(name) {
      session = name;
      good = undefined;
    },
    /** How many clients went away before the end. */
    left: () => left,
    go: () => go(),
    say(steps) {
      respond = async (response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'x-request-id': `request-${asked.length}` });
        for (const step of steps) {
          if (step === 'cut') return response.destroy();
          if (step === 'wait') await new Promise((done) => (go = done));
          else {
            // Cut where it hurts: in the middle of an event.
            const all = bytes(step);
            response.write(all.subarray(0, all.length >> 1));
            await new Promise((done) => setTimeout(done, 1));
            response.write(all.subarray(all.length >> 1));
          }
        }
        return response.end();
      };
    },
    refuse(status, { code = 'no', message = 'no', ...headers } = {}) {
      respond = (response) => response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify({ error: { code, message } }));
    },
    page() {
      respond = (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>App</title>');
    },
    close: () => new Promise((done) => server.close(done) && server.closeAllConnections()),
  };
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  state.origin = `http://127.0.0.1:${server.address().port}`;
  state.api = `${state.origin}/query`;
  return state;
}
