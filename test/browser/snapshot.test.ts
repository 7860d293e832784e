/** The comparison of pictures itself, and the kept pictures: a comparison that lets a missing curve pass protects nothing. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { before, describe, test } from "node:test";
import sharp from "sharp";
import { fixture } from "../fixtures.js";
import { assertPictureLike, inkedShare, labShare, pictureDifference } from "./snapshot.js";

describe("the comparison of pictures", () => {
  const svg = readFileSync(fixture("plot/history.svg"), "utf8");
  const draw = (text: string): Promise<Buffer> =>
    sharp(Buffer.from(text)).flatten({ background: "#fff" }).png().toBuffer();
  let whole: Buffer;
  before(async () => (whole = await draw(svg)));

  test("finds no difference in the same picture kept in 256 colours", async () => {
    const kept = await sharp(whole).png({ palette: true, colours: 256, dither: 0 }).toBuffer();
    assert.equal(await pictureDifference(whole, kept), 0);
  });

  test("finds a blank picture wholly different", async () => {
    const { width, height } = await sharp(whole).metadata();
    const blank = await sharp({ create: { width, height, channels: 3, background: "#fff" } })
      .png()
      .toBuffer();
    assert.equal(await pictureDifference(blank, whole), 1);
    assert.equal(await pictureDifference(whole, blank), 1);
    assert.equal(await inkedShare(blank), 0);
  });

  test("notices each curve that is missing, also where JupyterLab draws", async () => {
    const curves = svg.match(/<path class="js-line" style="vector-effect[^>]*\/>/g) ?? [];
    assert.equal(curves.length, 10);
    for (const curve of curves) {
      const different = await pictureDifference(await draw(svg.replace(curve, "")), whole);
      assert.ok(different > labShare, `${curve.slice(0, 150)}: ${different}`);
    }
  });

  test("notices an axis title that has moved by six pixels, and one of other words", async () => {
    const moved = svg.replace(`<text class="ytitle" transform="`, `<text class="ytitle" transform="translate(0,-6) `);
    const other = svg.replace(">loss (no unit)<", ">loss<");
    for (const changed of [moved, other]) {
      assert.notEqual(changed, svg);
      const different = await pictureDifference(await draw(changed), whole);
      assert.ok(different > labShare, String(different));
    }
  });

  test("takes a picture of another size for another one", async () => {
    const { width, height } = await sharp(whole).metadata();
    const narrower = await sharp(whole)
      .extract({ left: 0, top: 0, width: width - 3, height })
      .png()
      .toBuffer();
    assert.equal(await pictureDifference(narrower, whole, 2), 1);
    assert.equal(await pictureDifference(narrower, whole, 3), 0);
  });
});

describe("the kept pictures", () => {
  const names = readdirSync(fixture("browser")).filter((name) => name.endsWith(".png"));
  assert.ok(names.length >= 5);
  for (const name of names)
    test(`${name} shows something, and a blank one is not taken for it`, async () => {
      const file = fixture(`browser/${name}`);
      assert.ok((await inkedShare(file)) > 0.02);
      const { width, height } = await sharp(file).metadata();
      const { dominant } = await sharp(file).stats();
      const blank = await sharp({ create: { width, height, channels: 3, background: dominant } })
        .png()
        .toBuffer();
      const share = { share: labShare };
      const updates = process.env["UPDATE_SNAPSHOTS"];
      delete process.env["UPDATE_SNAPSHOTS"]; // a blank picture is never kept
      try {
        await assert.rejects(assertPictureLike(blank, name.slice(0, -".png".length), share), /not as in/);
      } finally {
        if (updates !== undefined) process.env["UPDATE_SNAPSHOTS"] = updates;
      }
    });
});
