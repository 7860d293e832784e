import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import { openTokenizer } from "../../src/data/tokens.js";
import { AmsError } from "../../src/errors.js";
import { fixture } from "../fixtures.js";
import { temporaryFolder } from "./pictures.js";

interface TokenGoldens {
  captions: { text: string; ids: number[]; mask: number[] }[];
}

const { captions } = JSON.parse(readFileSync(fixture("golden/tokenizer/goldens.json"), "utf8")) as TokenGoldens;

describe("the tokenizer of bert-base-uncased", () => {
  test("gives the reference's ids and masks for all 336 captions, the tricky ones too", async () => {
    const { encode, words, vocabularySize } = await openTokenizer();
    assert.equal(captions.length, 336);
    assert.equal(vocabularySize, 30522);
    for (const { text, ids, mask } of captions) {
      const found = encode(text);
      assert.deepEqual([...found.ids], ids, JSON.stringify(text));
      assert.deepEqual([...found.mask], mask, JSON.stringify(text));
      assert.deepEqual(
        found.pieces,
        ids.map((id) => words[id]),
      );
    }
  });

  test("knows the characters of every piece: those of whole words are found in the caption", async () => {
    const { encode } = await openTokenizer();
    const stripped = (text: string): string =>
      text
        .toLowerCase()
        .normalize("NFD")
        .replace(/\p{Mn}/gu, "");
    let compared = 0;
    for (const { text } of captions) {
      const { pieces, spans, mask } = encode(text);
      let before = 0;
      spans.forEach((span, i) => {
        if (span === null) return;
        assert.ok(mask[i] === 1 && span[0] < span[1] && span[1] <= text.length);
        assert.ok(span[0] >= before || span[1] >= before, `spans of ${JSON.stringify(text)} go backwards`);
        before = span[0];
        const letters = pieces[i]!.replace(/^##(?=.)/, "");
        const original = text.slice(...span);
        if (
          /^\[.+\]$/.test(letters) ||
          /[^\p{L}\p{N}\p{P}\p{Mn}]/u.test(original) ||
          /\p{Script=Hangul}/u.test(original)
        )
          return;
        assert.equal(stripped(original), letters, JSON.stringify(text));
        compared++;
      });
    }
    assert.ok(compared > 1500, `only ${String(compared)} pieces were compared`);
  });

  test("keeps spans right where lower-casing and accents change lengths", async () => {
    const { encode } = await openTokenizer();
    const shown = (text: string) => {
      const { pieces, spans } = encode(text);
      return spans.flatMap((span, i) => (span === null ? [] : [[pieces[i], text.slice(...span)]]));
    };
    assert.deepEqual(shown("İstanbul's CAFÉ"), [
      ["istanbul", "İstanbul"],
      ["'", "'"],
      ["s", "s"],
      ["cafe", "CAFÉ"],
    ]);
    assert.deepEqual(shown("A cafe\u0301, then"), [
      ["a", "A"],
      ["cafe", "cafe\u0301"],
      [",", ","],
      ["then", "then"],
    ]);
    assert.deepEqual(shown("snow\u200bboarding 🚲 dog"), [
      ["snow", "snow"],
      ["##boarding", "boarding"],
      ["[UNK]", "🚲"],
      ["dog", "dog"],
    ]);
    assert.deepEqual(shown("a [MASK] cat"), [
      ["a", "a"],
      ["[MASK]", "[MASK]"],
      ["cat", "cat"],
    ]);
  });

  test("cuts long captions before [SEP] and says so", async () => {
    const { encode } = await openTokenizer();
    const exact = encode("dog ".repeat(28));
    const long = encode("dog ".repeat(29));
    assert.deepEqual([exact.truncated, long.truncated], [false, true]);
    assert.deepEqual([...long.ids], [...exact.ids]);
    assert.equal(long.pieces.at(-1), "[SEP]");
    assert.equal(encode("dog ".repeat(29), 40).truncated, false);
  });

  test("encodes more than 20,000 captions a second", async () => {
    const { encode } = await openTokenizer();
    const began = process.cpuUsage();
    for (let k = 0; k < 30; k++) for (const { text } of captions) encode(text);
    const perSecond = (30 * captions.length * 1e6) / process.cpuUsage(began).user;
    assert.ok(perSecond > 20_000, `${perSecond.toFixed(0)} captions/s`);
  });
});

describe("a vocabulary of one's own", () => {
  const folder = temporaryFolder();
  const written = (name: string, lines: string[]): string => {
    const file = path.join(folder, name);
    writeFileSync(file, lines.join("\n"));
    return file;
  };
  const complains = (file: string, message: RegExp): Promise<void> =>
    assert.rejects(openTokenizer(file), (error) => {
      assert.ok(error instanceof AmsError);
      assert.match(error.message, message);
      assert.ok(error.where?.startsWith(file));
      return true;
    });

  test("numbers its pieces by line, with the same rules", async () => {
    const file = written("vocab.txt", ["[PAD]", "[CLS]", "dog", "##s", "[UNK]", "[SEP]", "two", ""]);
    const { encode, vocabularySize } = await openTokenizer(file);
    assert.equal(vocabularySize, 7);
    assert.deepEqual([...encode("Two DOGS run", 7).ids], [1, 6, 2, 3, 4, 5, 0]);
  });

  test("must exist", () => complains(path.join(folder, "none.txt"), /cannot be read/));
  test("must have the pieces that the encoder needs", () =>
    complains(written("a.txt", ["[PAD]", "[UNK]", "dog"]), /lacks \[CLS\], \[SEP\]/));
  test("must have padding first", () =>
    complains(written("b.txt", ["[UNK]", "[PAD]", "[CLS]", "[SEP]"]), /\[PAD\] must be the first piece, not number 1/));
  test("must have no piece twice", () =>
    complains(written("c.txt", ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "dog", "dog"]), /"dog" twice/));
});
