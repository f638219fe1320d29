// The service's answers, as a program asks for them.

/** Asks; with `stream` in the body the answer comes as events. */
export const post = (url, body, init) =>
  fetch(`${url}/query`, { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' }, ...init });

/** The events of a stream. */
export async function events(response) {
  const text = await response.text();
  return text.split('\n\n').filter(Boolean).map((event) => {
    const [, name] = /^event: (.*)$/m.exec(event) ?? [];
    const [, data] = /^data: (.*)$/m.exec(event) ?? [];
    return { name, ...JSON.parse(data) };
  });
}
