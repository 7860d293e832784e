/** Flickr30K Entities: the noun phrases of its sentence files and the boxes of its XML files, in the form of every data set. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { SaxesParser } from "saxes";
import { breathe, type Context } from "../context.js";
import { AmsError } from "../errors.js";
import type { Box, BoxesRead, Caption, Dataset, ImageObject, Item, Phrase } from "./dataset.js";

/** A sentence without its marks, and the phrases that were marked in it. */
export interface EntitySentence {
  text: string;
  phrases: { start: number; end: number; chain: string; type: string }[];
}

/**
 * The data set with phrases and objects from `folder`, which holds Annotations/<image>.xml and Sentences/<image>.txt. A
 * caption gets the phrases of the sentence with the same letters (the sentences are cut into tokens, the captions of the
 * splits in use are not). What was read is counted in a note, images without files and captions without a sentence in another.
 * Throws an `AmsError` with file and line for files of another form.
 */
export async function addEntities(dataset: Dataset, folder: string, context: Context): Promise<Dataset> {
  const total = Object.values(dataset.splits).reduce((sum, items) => sum + items.length, 0);
  const read: BoxesRead = { phrases: 0, boxes: 0, captions: 0, imagesWithout: [], captionsWithout: [] };
  const splits: Record<string, Item[]> = {};
  let done = 0;
  for (const [split, items] of Object.entries(dataset.splits)) {
    const boxed: Item[] = (splits[split] = []);
    for (let start = 0; start < items.length; start += 64) {
      context.signal.throwIfAborted();
      boxed.push(
        ...(await Promise.all(items.slice(start, start + 64).map((item) => withEntities(item, folder, read)))),
      );
      done += Math.min(64, items.length - start);
      context.progress({ label: "reading boxes", done, total });
      await breathe();
    }
  }
  if (read.imagesWithout.length === total) {
    throw new AmsError("no image of the data set has boxes here", {
      where: folder,
      hint: "give the folder of Flickr30K Entities that holds Annotations/ and Sentences/",
    });
  }
  context.note(`read ${read.phrases} phrases of ${read.captions} captions, and ${read.boxes} boxes`);
  const { imagesWithout, captionsWithout } = read;
  if (imagesWithout.length + captionsWithout.length > 0) {
    const images = imagesWithout.map((id) => `${id} (no Annotations/ID.xml or Sentences/ID.txt)`);
    const captions = captionsWithout.map(({ id, caption }) => `caption ${caption + 1} of ${id} (no such sentence)`);
    const named = [...images.slice(0, 3), ...captions.slice(0, 3)].join(", ");
    context.note(
      `${imagesWithout.length} images and ${captionsWithout.length} captions have no phrases in Flickr30K Entities (${folder}): ${named}${images.length > 3 || captions.length > 3 ? ", ..." : ""}`,
    );
  }
  return { ...dataset, splits, boxesRead: read };
}

async function withEntities(item: Item, folder: string, read: BoxesRead): Promise<Item> {
  const name = path.basename(item.id).replace(/\.\w+$/, "");
  const [xml, text] = await Promise.all(
    [path.join(folder, "Annotations", `${name}.xml`), path.join(folder, "Sentences", `${name}.txt`)].map(readIfThere),
  );
  if (xml === undefined || text === undefined) {
    read.imagesWithout.push(item.id);
    return item;
  }
  const chains = readBoxes(xml.text, xml.file);
  const sentences = new Map(
    readSentences(text.text, text.file).map((sentence) => [letters(sentence.text).key, sentence]),
  );
  const objects: ImageObject[] = [];
  const members = new Map<string, number[]>(); // chain -> indexes into objects
  const typeOf = new Map(
    [...sentences.values()].flatMap(({ phrases }) => phrases.map(({ chain, type }) => [chain, type])),
  );
  for (const { box, names } of chains) {
    for (const chain of names) members.set(chain, [...(members.get(chain) ?? []), objects.length]);
    objects.push({ box, label: typeOf.get(names[0] ?? "") ?? "other" });
  }
  const captions = item.captions.map((caption, c) => {
    const found = letters(caption.text);
    const sentence = sentences.get(found.key);
    if (sentence === undefined) {
      read.captionsWithout.push({ id: item.id, caption: c });
      return caption;
    }
    const phrases = placed(sentence, found.places, members);
    read.captions += Number(phrases.length > 0);
    read.phrases += phrases.length;
    return { ...caption, phrases } satisfies Caption;
  });
  read.boxes += objects.length;
  return { ...item, captions, objects };
}

async function readIfThere(file: string): Promise<{ file: string; text: string } | undefined> {
  try {
    return { file, text: (await readFile(file, "utf8")).replace(/^\ufeff/, "") };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new AmsError("these boxes cannot be read", {
      where: file,
      hint: "check the folder of Flickr30K Entities",
      cause: error,
    });
  }
}

/** A text's letters and digits in lower case, and where each of them stands: what tokenising does not change. */
function letters(text: string): { key: string; places: number[] } {
  let key = "";
  const places: number[] = [];
  for (let at = 0; at < text.length; at++) {
    const letter = text[at]!.toLowerCase();
    if (!/[\p{L}\p{N}]/u.test(letter)) continue;
    for (let i = 0; i < letter.length; i++) places.push(at);
    key += letter;
  }
  return { key, places };
}

/** The phrases of a sentence in a caption with the same letters. */
function placed(sentence: EntitySentence, places: number[], members: Map<string, number[]>): Phrase[] {
  const own = letters(sentence.text).places;
  return sentence.phrases.flatMap(({ start, end, chain, type }) => {
    const first = own.findIndex((at) => at >= start && at < end);
    const last = own.findLastIndex((at) => at >= start && at < end);
    if (first < 0) return []; // nothing but punctuation
    return [{ start: places[first]!, end: places[last]! + 1, objects: members.get(chain) ?? [], type }];
  });
}

/** `[/EN#12/people/clothing two men] run .`, a sentence a line; a phrase has its first type. */
export function readSentences(text: string, file: string): EntitySentence[] {
  return text.split(/\r?\n/).flatMap((line, i) => {
    if (line.trim() === "") return [];
    const sentence: EntitySentence = { text: "", phrases: [] };
    let at = 0;
    for (const match of line.matchAll(/\[\/EN#(\d+)\/(\S+) ([^\]]*)\]/g)) {
      sentence.text += line.slice(at, match.index);
      const start = sentence.text.length;
      sentence.text += match[3]!;
      sentence.phrases.push({ start, end: sentence.text.length, chain: match[1]!, type: match[2]!.split("/")[0]! });
      at = match.index + match[0].length;
    }
    sentence.text += line.slice(at);
    if (sentence.text.includes("[/EN#")) {
      throw new AmsError(
        `this phrase is not "[/EN#number/type words]": ${line.slice(line.indexOf("[/EN#", at)).slice(0, 40)}`,
        {
          where: `${file}, line ${i + 1}`,
          hint: "unpack annotations.zip of Flickr30K Entities again",
        },
      );
    }
    return [sentence];
  });
}

/** The boxes of an XML file with the chains that each belongs to. Pixels count from 1 there, and the last one is inside. */
export function readBoxes(xml: string, file: string): { box: Box; names: string[] }[] {
  const found: { box: Box; names: string[] }[] = [];
  const parser = new SaxesParser();
  let inside: string[] = [];
  let names: string[] = [];
  let sides: Record<string, number> = {};
  let content = "";
  const wrong = (message: string): AmsError =>
    new AmsError(`the boxes cannot be read: ${message}`, {
      where: `${file}, line ${parser.line}`,
      hint: "unpack annotations.zip of Flickr30K Entities again",
    });
  parser.on("error", (error) => {
    throw wrong(error.message.replace(/^\d+:\d+: /, ""));
  });
  parser.on("opentag", ({ name }) => {
    inside.push(name);
    content = "";
    if (name === "object") [names, sides] = [[], {}];
  });
  parser.on("text", (text) => (content += text));
  parser.on("closetag", ({ name }) => {
    const parent = inside.at(-2);
    inside = inside.slice(0, -1);
    if (name === "name" && parent === "object") names.push(content.trim());
    if (parent === "bndbox") {
      const value = content.trim() === "" ? NaN : Number(content);
      if (!Number.isFinite(value)) throw wrong(`${name} is not a number: ${JSON.stringify(content.slice(0, 40))}`);
      sides[name] = value;
    }
    if (name !== "bndbox") return;
    const { xmin, ymin, xmax, ymax } = sides;
    if (
      xmin === undefined ||
      ymin === undefined ||
      xmax === undefined ||
      ymax === undefined ||
      xmax < xmin ||
      ymax < ymin
    ) {
      throw wrong("a bndbox needs xmin, ymin, xmax and ymax, the largest last");
    }
    found.push({ box: { x: xmin - 1, y: ymin - 1, width: xmax - xmin + 1, height: ymax - ymin + 1 }, names });
  });
  parser.write(xml).close();
  return found;
}
