/** Captions without punctuation, as some models are trained on: lower case, and a few signs taken out. */
import type { Tokenizer } from "./tokens.js";

const signs = new Set(",.'!?\"()*#:;~");

/** `A dog, asleep!` -> `a dog asleep`. */
export function plainCaption(text: string): string {
  return plain(text).text;
}

function plain(text: string): { text: string; places: number[] } {
  const kept: string[] = [];
  const places: number[] = []; // of each kept UTF-16 unit in the caption as written
  for (let i = 0; i < text.length; i++) {
    const sign = text.charAt(i);
    if (signs.has(sign)) continue;
    const lower = sign.toLowerCase();
    kept.push(lower.length === 1 ? lower : sign); // one unit stays one unit
    places.push(i);
  }
  return { text: kept.join(""), places };
}

/** A tokenizer for captions as they are written, which takes the signs out first; spans are those of the caption as written. */
export function plainCaptions(tokenizer: Tokenizer): Tokenizer {
  return {
    ...tokenizer,
    encode: (written, maxLength) => {
      const { text, places } = plain(written);
      const encoded = tokenizer.encode(text, maxLength);
      const spans = encoded.spans.map((span): [number, number] | null =>
        span === null ? null : [places[span[0]] ?? 0, (places[span[1] - 1] ?? 0) + 1],
      );
      return { ...encoded, spans };
    },
  };
}
