/**
 * The field's search as a tool for agents, where the browser has such (WebMCP). The interface is a draft:
 * it stands on the document today, and stood on the navigator before.
 */
import { address } from './hit.js';
import type { CoracleSearch } from './search.js';

const MOST = 20;

interface Tool {
  name: string;
  title: string;
  description: string;
  inputSchema: object;
  annotations: object;
  execute(input: { query?: unknown; limit?: unknown }): Promise<unknown>;
}

interface ModelContext {
  registerTool(tool: Tool, options: { signal: AbortSignal }): unknown;
  /** Of earlier drafts, which know no signal. */
  unregisterTool?(name: string): void;
}

export function offer(field: CoracleSearch, signal: AbortSignal): void {
  const context = ((document as { modelContext?: unknown }).modelContext ?? (navigator as { modelContext?: unknown }).modelContext) as ModelContext | undefined;
  if (!context || field.hasAttribute('no-agents')) return;
  const title = field.getAttribute('label') ?? 'Search';
  const instance = field.getAttribute('instance');
  const name = instance ? `search_${instance.replace(/[^\w.-]/g, '_')}`.slice(0, 128) : 'search';
  const tool: Tool = {
    name,
    title,
    description: `${title}: finds passages in the documents of ${location.host} by words and by meaning. Returns titles, addresses and texts, best first.`,
    inputSchema: {
      type: 'object',
      properties: {
        query: { type: 'string', description: 'A question or a few words' },
        limit: { type: 'integer', minimum: 1, maximum: MOST, description: 'How many passages; default 5' },
      },
      required: ['query'],
    },
    annotations: { readOnlyHint: true, untrustedContentHint: true },
    execute: async ({ query, limit }) => {
      if (typeof query !== 'string' || query.trim() === '') throw new TypeError('query must be a text that is not empty');
      const many = Math.min(Math.max(Math.trunc(Number(limit)) || 5, 1), MOST);
      const result = await field.search(query, { limit: many, prefix: false });
      const base = new URL(field.getAttribute('base') ?? '', document.baseURI).href;
      const passages = result.hits.map((hit) => ({
        title: hit.title,
        url: address(hit, base)?.href,
        headings: hit.headings,
        text: hit.excerpt.text,
      }));
      return { content: [{ type: 'text', text: JSON.stringify({ total: result.total, passages }) }] };
    },
  };
  // Of two fields with the same name the first one is the tool.
  const registered = (async () => context.registerTool(tool, { signal }))();
  registered.then(
    () => signal.addEventListener('abort', () => context.unregisterTool?.(name)),
    () => undefined,
  );
}
