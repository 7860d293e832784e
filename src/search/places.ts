/** Where indexes are: their names and folders. */
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { AmsError } from "../errors.js";

/** The names of the indexes below a folder. */
export function indexNames(home: string): string[] {
  if (!existsSync(home)) return [];
  return readdirSync(home)
    .filter((name) => existsSync(path.join(home, name, "index.json")))
    .sort();
}

/** The folder of an index: a name below the folder of indexes, or a path. Throws AmsError for a name that no file can have. */
export function indexFolder(home: string, cwd: string, text: string): string {
  if (/[/\\]/.test(text) || text === "." || text === "..") return path.resolve(cwd, text);
  if (/^[\p{L}\p{N}][\p{L}\p{N}_. -]*$/u.test(text)) return path.join(home, text);
  throw new AmsError(`an index cannot be called "${text}"`, {
    where: `--index ${text}`,
    hint: "use letters, numbers, dots, dashes; or give a folder with a slash in it",
  });
}

/** Whether a file's name is that of a picture which can be searched, by its ending. */
export function isPicture(file: string): boolean {
  return /\.(jpe?g|png|webp|gif|bmp|tiff?)$/i.test(file);
}

/** "212 kB", "20.4 MB", "1.5 GB". */
export function formatBytes(count: number): string {
  if (count < 1e6) return `${(count / 1e3).toFixed(0)} kB`;
  return count < 1e9 ? `${(count / 1e6).toFixed(1)} MB` : `${(count / 1e9).toFixed(1)} GB`;
}
