/** `inspect pixels` and `inspect tokens`: what the encoders are given of images and captions. */
import { writeFileSync } from "node:fs";
import path from "node:path";
import type { Context } from "../../context.js";
import { AmsError } from "../../errors.js";
import type { StoredTensor } from "../../model/safetensors.js";
import { makeFolder, writing } from "../../writing.js";
import type { Inspection } from "../results.js";
import { resolvePath, type Session } from "../session.js";
import type { InspectOptions } from "./options.js";
import { inspection, written } from "./written.js";

export async function inspectPixels(
  { files = [], size = 384, out }: InspectOptions,
  context: Context,
  session: Session,
): Promise<Inspection> {
  if (files.length === 0) throw noFiles("pixels FILE...", "images");
  const { loadPixels } = await import("../../data/batches.js");
  const tensors = new Map<string, StoredTensor>();
  const area = 3 * size * size;
  const block = 16;
  for (let start = 0; start < files.length; start += block) {
    const some = files.slice(start, start + block);
    const places = some.map((file) => resolvePath(session, file));
    const pixels = await loadPixels(places, size, context.signal);
    some.forEach((file, i) => {
      const name = path.basename(file);
      if (tensors.has(name)) {
        throw new AmsError(`two images have the name ${name}`, {
          where: file,
          hint: "tensors are named after files: rename one of them, or write them in two calls",
        });
      }
      tensors.set(name, { shape: [3, size, size], data: pixels.slice(i * area, (i + 1) * area) });
    });
    context.progress({ label: "images", done: start + some.length, total: files.length });
  }
  return written(resolvePath(session, out), tensors);
}

export async function inspectTokens(
  { files = [], maxLength = 30, vocabulary, out }: InspectOptions,
  _context: Context,
  session: Session,
): Promise<Inspection> {
  const [file] = files;
  if (file === undefined || files.length > 1) throw noFiles("tokens FILE.txt", "captions, one a line");
  const { openTokenizer } = await import("../../data/tokens.js");
  const tokenizer = await openTokenizer(vocabulary === undefined ? undefined : resolvePath(session, vocabulary));
  const lines = await readLines(resolvePath(session, file));
  const encoded = lines.map((line) => tokenizer.encode(line, maxLength));
  const target = resolvePath(session, out);
  const shape = [lines.length, maxLength];
  const rows = { ids: encoded.map(({ ids }) => [...ids]), mask: encoded.map(({ mask }) => [...mask]) };
  if (path.extname(target).toLowerCase() === ".safetensors") {
    const tensors = Object.entries(rows).map(([name, list]): [string, StoredTensor] => [
      name,
      { shape, data: Int32Array.from(list.flat()) },
    ]);
    return written(target, new Map(tensors));
  }
  writing(target, () => {
    makeFolder(path.dirname(target));
    writeFileSync(target, `${JSON.stringify(rows)}\n`);
  });
  return inspection(target, { ids: shape, mask: shape });
}

/** The lines of a UTF-8 text; its last line break ends the last caption. */
async function readLines(file: string): Promise<string[]> {
  const { readText } = await import("../../data/jsonFile.js");
  const text = await readText(file, "file of captions");
  const lines = text.split("\n").map((line) => line.replace(/\r$/, ""));
  if (lines.at(-1) === "") lines.pop();
  if (lines.length > 0) return lines;
  throw new AmsError("the file of captions is empty", { where: file, hint: "give one caption a line" });
}

function noFiles(usage: string, what: string): AmsError {
  const verb = usage.split(" ")[0] ?? "";
  return new AmsError(`inspect ${verb} needs ${verb === "pixels" ? "files of" : "one file of"} ${what}`, {
    where: `ams inspect ${verb}`,
    hint: `write ams inspect ${usage} --out FILE`,
  });
}
