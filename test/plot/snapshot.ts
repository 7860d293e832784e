/** Compares a drawn SVG with the one kept under test/fixtures/plot, which a person can open and look at. */
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fixture } from "../fixtures.js";

/** How far a coordinate may be from the kept picture, in pixels. */
const tolerance = 0.6;

/**
 * Same elements, texts and colours, and coordinates within the tolerance; pictures inside (data URIs) and ids are left out, because other
 * versions of the encoders write other bytes. UPDATE_SNAPSHOTS=1 keeps the new picture instead.
 */
export function assertLooksLike(svg: string, name: string): void {
  const file = fixture(`plot/${name}.svg`);
  if (process.env["UPDATE_SNAPSHOTS"] === "1") writeFileSync(file, svg);
  assert.ok(existsSync(file), `${file} is missing: run this test with UPDATE_SNAPSHOTS=1 and look at the picture`);
  const [drawn, kept] = [parts(svg), parts(readFileSync(file, "utf8"))];
  assert.deepEqual(drawn.words, kept.words);
  const far = drawn.numbers.findIndex((value, i) => Math.abs(value - (kept.numbers[i] ?? NaN)) > tolerance);
  assert.equal(far, -1, `number ${String(far)} is ${String(drawn.numbers[far])}, kept ${String(kept.numbers[far])}`);
}

function parts(svg: string): { words: string[]; numbers: number[] } {
  const plain = svg.replace(/data:image\/(\w+);base64,[A-Za-z0-9+/=]+/g, "data:$1").replace(/(id="|#)[\w-]+/g, "$1id");
  const number = /-?\d+(?:\.\d+)?(?:e-?\d+)?/g;
  return { words: plain.replace(number, "0").split(/(?=<)/), numbers: (plain.match(number) ?? []).map(Number) };
}
