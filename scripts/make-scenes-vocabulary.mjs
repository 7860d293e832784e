// Makes assets/scenes-vocab.txt: the word pieces of BERT that the captions of the scenes use, and all single characters,
// so that the small model's table has some hundred rows instead of 30,522. Run after `npm run build`.
import { writeFileSync } from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const root = path.dirname(path.dirname(new URL(import.meta.url).pathname));
const build = process.env.AMS_BUILD ?? path.join(root, "build");
const { openScenes } = require(path.join(build, "src/data/emojiScenes/index.js"));
const { openTokenizer } = require(path.join(build, "src/data/tokens.js"));
const { silentContext } = require(path.join(build, "src/context.js"));

const data = await openScenes({ counts: { train: 24000 } }, silentContext);
const tokenizer = await openTokenizer();
const used = new Set();
for (const item of Object.values(data.splits).flat()) {
  for (const { text } of item.captions) {
    for (const id of tokenizer.encode(text).ids) used.add(tokenizer.words[id]);
  }
}
const special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
const characters = tokenizer.words.filter((word) => /^(##)?[!-~]$/.test(word));
const rest = tokenizer.words.filter((word) => used.has(word) && !special.includes(word) && !characters.includes(word));
const words = [...special, ...characters, ...rest];
writeFileSync(path.join(root, "assets/scenes-vocab.txt"), `${words.join("\n")}\n`);
process.stdout.write(`${words.length} word pieces\n`);
