/** Packages of the JupyterLab that loads the extension: it hands them over in webpack's share scope. */

/** Package -> version -> how to get it. */
export type ShareScope = Record<string, Record<string, { get(): Promise<() => unknown> }> | undefined>;

let scope: ShareScope = {};

export function setShareScope(given: ShareScope): void {
  scope = given;
}

/** A package that JupyterLab shares; undefined where this front end has none of that name. */
export async function shared<T>(name: string): Promise<T | undefined> {
  const [version] = Object.values(scope[name] ?? {});
  if (version === undefined) return undefined;
  return (await version.get())() as T;
}

/** A package that every JupyterLab since 4.0 and Notebook 7 share. */
export async function wanted<T>(name: string): Promise<T> {
  const found = await shared<T>(name);
  if (found === undefined) throw new Error(`@ams-notebook/lab: this front end does not share ${name}`);
  return found;
}
