/** Stands in for the hosts of the npm package, of which only types and reading are used here. */
export function openOn(...asked: unknown[]): Promise<never>;
