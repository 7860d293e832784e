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
