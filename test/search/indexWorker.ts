/** Fills an index and is killed meanwhile: argv = folder of the index, folder of the pictures, vocabulary. Writes every few images. */
import { silentContext } from "../../src/context.js";
import { startEngine } from "../../src/engine/index.js";
import { buildModel } from "../../src/model/build.js";
import { buildIndex, imagesOfFolder } from "../../src/search/index.js";

async function main([folder = "", pictures = "", vocabulary = ""]: string[]): Promise<void> {
  await startEngine("wasm");
  const model = await buildModel({ size: "tiny", seed: 5, vocabulary });
  const { source, items } = imagesOfFolder(pictures);
  const captioned = items.map((item) => ({ ...item, captions: [{ text: "a square" }, { text: `a ${item.id}` }] }));
  await buildIndex(
    model,
    { folder, gallery: { source, items: captioned }, features: "float32", writeEvery: 0.1 },
    { ...silentContext, progress: ({ done }) => process.stdout.write(`${String(done)}\n`) },
  );
}

void main(process.argv.slice(2));
