/** Loads a script that lies beside this one: what is not needed by everybody. */
export const beside = async (file: string) => import(/* @vite-ignore */ new URL(file, import.meta.url).href);
