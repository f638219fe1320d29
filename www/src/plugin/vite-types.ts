/** As much of Vite as the plugins use. Types of its own would make Vite a dependency of everybody. */
import type { IncomingMessage, ServerResponse } from 'node:http';

// Vite's own type: it checks it where it is used.
export type VitePlugin = any;

export interface ViteLogger {
  info(text: string, options?: { timestamp: boolean }): void;
  warn(text: string, options?: { timestamp: boolean }): void;
}

export interface ViteConfig {
  root: string;
  base: string;
  /** Empty if there is none. */
  publicDir: string;
  build: { outDir: string; ssr: boolean | string };
  logger: ViteLogger;
}

export interface ViteServer {
  middlewares: { use(handle: (request: IncomingMessage, response: ServerResponse, next: () => void) => void): void };
  /** None if another server uses this one. */
  httpServer?: { once(event: 'close', heard: () => void): void } | null;
  watcher: { on(event: 'all', heard: (event: string, file: string) => void): void };
}
