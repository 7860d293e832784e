/** Captions to word piece ids, equal to the slow BertTokenizer, and each piece's place in the caption. */
import { bertVocabulary, checkVocabulary, readVocabulary } from "./vocabulary.js";
import { splitWords } from "./words.js";

/** Tokens per caption, [CLS] and [SEP] included: longer captions are cut, shorter ones padded. */
export const captionLength = 30;

/** All arrays have `maxLength` entries: [CLS], pieces, [SEP], then padding. */
export interface Encoded {
  ids: Int32Array;
  /** 1 for tokens, 0 for padding. */
  mask: Int32Array;
  pieces: string[];
  /** Per token the characters [start, end) of the caption that it stands for; null for [CLS], [SEP] and padding. */
  spans: ([number, number] | null)[];
  /** True when the caption was longer and lost its end. */
  truncated: boolean;
}

/** Texts to ids of word pieces. */
export interface Tokenizer {
  vocabularySize: number;
  /** Id -> piece. */
  words: string[];
  /** Ids with [CLS] and [SEP], cut to `maxLength` (default 30) and padded to it. */
  encode: (text: string, maxLength?: number) => Encoded;
}

/** The word piece model of @huggingface/tokenizers, as far as it is used. */
interface WordPieceModel {
  encode(words: string[]): string[];
}

interface WordPieces {
  pieces: string[];
  ids: number[];
  /** Code points of the word that each piece covers. */
  lengths: number[];
}

const specialTokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

/**
 * Opens the tokenizer of bert-base-uncased, or one with the same rules and the pieces of a vocab.txt (or given ones).
 * Throws an `AmsError` when they are no usable vocabulary.
 */
export async function openTokenizer(vocabulary?: string | { pieces: string[]; file: string }): Promise<Tokenizer> {
  if (typeof vocabulary === "string") return makeTokenizer(await readVocabulary(vocabulary));
  if (vocabulary !== undefined) return makeTokenizer(checkVocabulary(vocabulary.pieces, vocabulary.file));
  bert ??= bertVocabulary().then(makeTokenizer);
  return bert;
}

let bert: Promise<Tokenizer> | undefined;

function codePoints(text: string): number {
  return Array.from(text).length;
}

async function makeTokenizer(words: string[]): Promise<Tokenizer> {
  const { WordPiece } = (await import("@huggingface/tokenizers")) as unknown as {
    WordPiece: new (config: Record<string, unknown>) => WordPieceModel;
  };
  const idOf = new Map(words.map((word, id) => [word, id]));
  const id = (piece: string): number => idOf.get(piece) ?? 0;
  const model = new WordPiece({
    type: "WordPiece",
    vocab: Object.fromEntries(idOf),
    unk_token: "[UNK]",
    continuing_subword_prefix: "##",
    max_input_chars_per_word: 100,
  });
  const specials = new RegExp(
    specialTokens
      .filter((token) => idOf.has(token))
      .map((token) => token.replace(/[[\]]/g, "\\$&"))
      .join("|"),
    "g",
  );

  /** Captions repeat few words: each is cut into pieces once. */
  const known = new Map<string, WordPieces>();
  const cut = (word: string): WordPieces => {
    let found = known.get(word);
    if (found === undefined) {
      const pieces = model.encode([word]);
      const lengths =
        pieces.length === 1 ? [codePoints(word)] : pieces.map((piece, k) => codePoints(piece) - (k === 0 ? 0 : 2));
      found = { pieces, ids: pieces.map(id), lengths };
      if (known.size >= 200_000) known.clear();
      known.set(word, found);
    }
    return found;
  };

  const encode = (text: string, maxLength = captionLength): Encoded => {
    const ids = new Int32Array(maxLength);
    const mask = new Int32Array(maxLength);
    const pieces = new Array<string>(maxLength).fill("[PAD]");
    const spans = new Array<[number, number] | null>(maxLength).fill(null);
    let length = 0;
    const push = (piece: string, number: number, span: [number, number] | null): void => {
      ids[length] = number;
      mask[length] = 1;
      pieces[length] = piece;
      spans[length] = span;
      length++;
    };
    push("[CLS]", id("[CLS]"), null);
    let truncated = false;
    for (const word of splitWords(text, specials)) {
      const parts = word.special ? { pieces: [word.text], ids: [id(word.text)], lengths: [1] } : cut(word.text);
      let letter = 0;
      for (let k = 0; k < parts.ids.length; k++) {
        if (length === maxLength - 1) {
          truncated = true;
          break;
        }
        const next = letter + parts.lengths[k]!;
        push(parts.pieces[k]!, parts.ids[k]!, [word.starts[letter]!, word.ends[next - 1]!]);
        letter = next;
      }
      if (truncated) break;
    }
    push("[SEP]", id("[SEP]"), null);
    return { ids, mask, pieces, spans, truncated };
  };

  return { vocabularySize: words.length, words, encode };
}

/**
 * Tokens per caption in a block of captions whose pads do not count: its longest, rounded up to a multiple of four. What does not
 * count changes nothing, and an engine that compiles for every new shape meets few of them.
 */
export function blockLength(longest: number, maxLength: number): number {
  return Math.min(4 * Math.ceil(longest / 4), maxLength);
}
