/** Captions to words, as the slow BertTokenizer of transformers does it, keeping where in the text each character was. */

/** A word after lower-casing and stripping of accents, with the place of each of its characters in the original text. */
export interface Word {
  text: string;
  /** Per code point of `text`: where its original starts and ends, in UTF-16 units as string indexes are. */
  starts: number[];
  ends: number[];
  /** A special token such as [MASK] that stands in the text itself. */
  special: boolean;
}

/**
 * Splits a caption into words: special tokens stay whole, control characters vanish, white space separates,
 * punctuation marks and Chinese characters stand alone, the rest is lower-cased character by character (so a final
 * capital sigma becomes the ordinary small one, as in the reference) and loses its accents.
 */
export function splitWords(text: string, specials: RegExp): Word[] {
  const words: Word[] = [];
  let from = 0;
  for (const match of text.matchAll(specials)) {
    splitPlain(text, from, match.index, words);
    from = match.index + match[0].length;
    words.push({ text: match[0], starts: [match.index], ends: [from], special: true });
  }
  splitPlain(text, from, text.length, words);
  return words;
}

const enum Kind {
  Letter,
  Space,
  Mark, // punctuation: a word of its own
  Control, // removed
}

function splitPlain(text: string, from: number, to: number, words: Word[]): void {
  let word: Word | undefined;
  const append = (letter: string, start: number, end: number): void => {
    if (word === undefined) {
      word = { text: "", starts: [], ends: [], special: false };
      words.push(word);
    }
    word.text += letter;
    word.starts.push(start);
    word.ends.push(end);
  };
  const alone = (letter: string, start: number, end: number): void => {
    words.push({ text: letter, starts: [start], ends: [end], special: false });
    word = undefined;
  };
  for (let at = from; at < to;) {
    const code = text.codePointAt(at) ?? 0;
    const start = at;
    at += code > 0xffff ? 2 : 1;
    const kind = code < 128 ? asciiKind[code]! : kindOf(code);
    if (kind === Kind.Control) continue;
    if (kind === Kind.Space) {
      word = undefined;
    } else if (code < 128) {
      if (kind === Kind.Mark) alone(asciiLower[code]!, start, at);
      else append(asciiLower[code]!, start, at);
    } else if (isChinese(code)) {
      alone(String.fromCodePoint(code).normalize("NFC"), start, at);
    } else {
      for (const letter of String.fromCodePoint(code).toLowerCase().normalize("NFD")) {
        if (/\p{Mn}/u.test(letter)) {
          if (word !== undefined) word.ends[word.ends.length - 1] = at; // an accent belongs to the letter before it
        } else if (isMark(letter)) {
          alone(letter, start, at);
        } else {
          append(letter, start, at);
        }
      }
    }
  }
}

function kindOf(code: number): Kind {
  const letter = String.fromCodePoint(code);
  if (/[\t\n\r\p{Z}]/u.test(letter)) return Kind.Space;
  if (code === 0 || code === 0xfffd || /\p{C}/u.test(letter)) return Kind.Control;
  return isMark(letter) ? Kind.Mark : Kind.Letter;
}

/** BERT counts all of ASCII's symbols as punctuation, beside Unicode's own class. */
function isMark(letter: string): boolean {
  return /[!-/:-@[-`{-~\p{P}]/u.test(letter);
}

/** The blocks that BERT's authors call Chinese: ideographs, not kana nor hangul. */
function isChinese(code: number): boolean {
  return (
    (code >= 0x4e00 && code <= 0x9fff) ||
    (code >= 0x3400 && code <= 0x4dbf) ||
    (code >= 0x20000 && code <= 0x2a6df) ||
    (code >= 0x2a700 && code <= 0x2b73f) ||
    (code >= 0x2b740 && code <= 0x2b81f) ||
    (code >= 0x2b820 && code <= 0x2ceaf) ||
    (code >= 0xf900 && code <= 0xfaff) ||
    (code >= 0x2f800 && code <= 0x2fa1f)
  );
}

const asciiKind = Array.from({ length: 128 }, (_, code) => kindOf(code));
const asciiLower = Array.from({ length: 128 }, (_, code) => String.fromCharCode(code).toLowerCase());
