/** Flickr30K Entities: phrases and boxes come to the captions that they belong to, whatever was done to their blanks. */
import assert from "node:assert/strict";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import { silentContext } from "../../src/context.js";
import type { Dataset } from "../../src/data/dataset.js";
import { addEntities, readBoxes, readSentences } from "../../src/data/entities.js";
import { temporaryFolder } from "./pictures.js";

const sentences = [
  `[/EN#1/people/clothing Two young men] with [/EN#2/bodyparts shaggy hair] look at [/EN#0/notvisual what] " they " do in [/EN#3/scene the yard] .`,
  `[/EN#1/people They] wait .`,
];
const object = (names: string[], inner: string): string =>
  `<object>${names.map((name) => `<name>${name}</name>`).join("")}${inner}</object>`;
const bndbox = (...[x1, y1, x2, y2]: (number | string)[]): string =>
  `<bndbox><xmin>${String(x1)}</xmin><ymin>${String(y1)}</ymin><xmax>${String(x2)}</xmax><ymax>${String(y2)}</ymax></bndbox>`;
const xml =
  `<?xml version="1.0"?>\n<annotation>\n<filename>7.jpg</filename><size><width>500</width><height>375</height></size>\n` +
  object(["1"], bndbox(11, 21, 110, 320)) +
  object(["1", "2"], bndbox(201, 1, 300, 375)) +
  object(["3"], "<scene>1</scene><nobndbox>1</nobndbox>") +
  `</annotation>`;

function written(): string {
  const folder = temporaryFolder();
  for (const part of ["Annotations", "Sentences"]) mkdirSync(path.join(folder, part));
  writeFileSync(path.join(folder, "Annotations", "7.xml"), xml);
  writeFileSync(path.join(folder, "Sentences", "7.txt"), `${sentences.join("\r\n")}\r\n`);
  return folder;
}

function datasetOf(...captions: string[]): Dataset {
  const item = (id: string) => ({ id, image: `/x/${id}`, captions: captions.map((text) => ({ text })) });
  return { name: "flickr30k", root: "/x", splits: { test: [item("7.jpg")], val: [item("8.jpg")] }, fingerprint: "f" };
}

describe("phrases and boxes", () => {
  test("reach captions that were not cut into tokens", async () => {
    const text = 'Two young men with shaggy hair look at what "they" do in the yard.';
    const notes: string[] = [];
    const context = { ...silentContext, note: (line: string) => notes.push(line) };
    const captions = [text, "They wait.", "Another."];
    const { splits, fingerprint, boxesRead } = await addEntities(datasetOf(...captions), written(), context);
    const [item] = splits["test"]!;
    assert.deepEqual(item!.objects, [
      { box: { x: 10, y: 20, width: 100, height: 300 }, label: "people" },
      { box: { x: 200, y: 0, width: 100, height: 375 }, label: "people" },
    ]);
    assert.deepEqual(
      item!.captions[0]!.phrases!.map(({ start, end, objects, type }) => [text.slice(start, end), objects, type]),
      [
        ["Two young men", [0, 1], "people"],
        ["shaggy hair", [1], "bodyparts"],
        ["what", [], "notvisual"],
        ["the yard", [], "scene"],
      ],
    );
    assert.deepEqual(item!.captions[1]!.phrases, [{ start: 0, end: 4, objects: [0, 1], type: "people" }]);
    assert.equal(item!.captions[2]!.phrases, undefined);
    assert.equal(splits["val"]![0]!.objects, undefined);
    assert.equal(fingerprint, "f");
    assert.match(notes[0] ?? "", /^read 5 phrases of 2 captions, and 2 boxes$/);
    assert.match(notes[1] ?? "", /1 images and 1 captions have no phrases.*8\.jpg \(no Ann.*caption 3 of 7\.jpg/);
    assert.deepEqual(boxesRead, {
      phrases: 5,
      boxes: 2,
      captions: 2,
      imagesWithout: ["8.jpg"],
      captionsWithout: [{ id: "7.jpg", caption: 2 }],
    });
  });

  test("are refused when no image has them", async () => {
    const folder = written();
    rmSync(path.join(folder, "Annotations", "7.xml"));
    await assert.rejects(addEntities(datasetOf("x"), folder, silentContext), {
      message: /no image of the data set has boxes/,
      where: folder,
    });
  });

  test("can be stopped", async () => {
    const signal = AbortSignal.abort(new Error("enough"));
    await assert.rejects(addEntities(datasetOf("x"), written(), { ...silentContext, signal }), /enough/);
  });
});

describe("files that cannot be right", () => {
  const boxes = (text: string, message: RegExp, where: string): void => {
    assert.throws(() => readBoxes(text, "7.xml"), { name: "AmsError", message, where } as never);
  };
  test("XML that is truncated or broken", () => {
    boxes(xml.slice(0, -20), /boxes cannot be read: unclosed tag/, "7.xml, line 4");
    boxes("no xml", /cannot be read/, "7.xml, line 1");
    boxes("", /cannot be read/, "7.xml, line 1");
  });
  test("a box without numbers", () => {
    boxes(`<a>${object(["1"], bndbox("left", 1, 2, 3))}</a>`, /xmin is not a number: "left"/, "7.xml, line 1");
    boxes(`<a>${object(["1"], bndbox("", 1, 2, 3))}</a>`, /xmin is not a number: ""/, "7.xml, line 1");
    boxes(`<a>${object(["1"], bndbox(9, 1, 2, 3))}</a>`, /the largest last/, "7.xml, line 1");
    boxes(`<a>${object(["1"], "<bndbox><xmin>1</xmin></bndbox>")}</a>`, /needs xmin, ymin/, "7.xml, line 1");
  });
  test("a phrase without its end or number", () => {
    const wrong = (text: string): void => {
      assert.throws(() => readSentences(`fine .\n${text}`, "7.txt"), {
        message: /this phrase is not/,
        where: "7.txt, line 2",
      });
    };
    wrong("[/EN#1/people Two men run .");
    wrong("[/EN#x/people Two men] run .");
  });
});
