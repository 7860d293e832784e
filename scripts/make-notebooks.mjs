// `npm run notebooks [-- --execute [NAME...]]`: notebooks/source/NAME.md -> notebooks/NAME.ipynb, so that notebooks are read and
// reviewed as text. `--execute` runs them (all, or those whose name begins so) with the kernel and stores their outputs; without it
// the outputs that are there stay where the code is still the same.
//
// A fenced block marked `typescript` is a code cell; further words after it are the cell's tags, e.g. `raises-exception`; `scrolled`
// gives long outputs a box that scrolls. Everything between is a Markdown cell, split where a line holds only `---`.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { environment, home, python, root } from "./setup/paths.mjs";
import { main, runHere, SetupError } from "./setup/steps.mjs";

const folder = path.join(root, "notebooks");
const sources = path.join(folder, "source");

/** The notebook (nbformat 4.5) of one source text, without outputs. */
export function notebookOf(source) {
  const cells = [];
  const add = (kind, text, tags = []) => {
    const trimmed = text.replace(/^\n+|\s+$/g, "");
    if (trimmed === "") return;
    cells.push({
      cell_type: kind,
      ...(kind === "code" ? { execution_count: null } : {}),
      id: `cell-${String(cells.length + 1).padStart(2, "0")}`,
      metadata: { ...(tags.includes("scrolled") ? { scrolled: true } : {}), ...(tags.length > 0 ? { tags } : {}) },
      ...(kind === "code" ? { outputs: [] } : {}),
      source: trimmed.split(/(?<=\n)/),
    });
  };
  // Odd parts are the fenced cells: [text, tags, code, text, tags, code, ..., text].
  const parts = source.split(/^```typescript([^\n]*)\n(.*?)^```$/ms);
  for (let i = 0; i < parts.length; i += 3) {
    for (const text of parts[i].split(/^---$/m)) add("markdown", text);
    if (i + 2 < parts.length) add("code", parts[i + 2], parts[i + 1].split(/\s+/).filter(Boolean));
  }
  return {
    cells,
    metadata: {
      kernelspec: { display_name: "TypeScript (AMS)", language: "typescript", name: "ams" },
      language_info: { file_extension: ".ts", mimetype: "text/typescript", name: "typescript" },
    },
    nbformat: 4,
    nbformat_minor: 5,
  };
}

const codeOf = ({ cells }) => cells.filter((cell) => cell.cell_type === "code");
const hash = (value) => createHash("sha256").update(JSON.stringify(value)).digest("hex").slice(0, 16);

/** What outputs must have been made by to be fresh: the code cells' texts, and the package's version. */
export function stampOf(notebook) {
  const { version } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8"));
  return { version, code: hash(codeOf(notebook).map(({ source }) => [source].flat().join(""))) };
}

/** A hash of all outputs in their order: it tells outputs that were changed, dropped or written by hand. */
export function outputsHash(notebook) {
  return hash(codeOf(notebook).map(({ execution_count, outputs }) => [execution_count, outputs]));
}

/** The notebook with the outputs of an executed one, and the stamp that says so. Throws where that one's code is another. */
export function withOutputs(notebook, executed) {
  const stamp = stampOf(notebook);
  if (stampOf(executed).code !== stamp.code) throw new Error("the executed notebook has other code");
  const ran = codeOf(executed);
  let next = 0;
  const cells = notebook.cells.map((cell) => {
    if (cell.cell_type !== "code") return cell;
    const { execution_count, outputs } = ran[next++];
    return { ...cell, execution_count, outputs: joined(outputs).map(withoutPlaces) };
  });
  const full = { ...notebook, cells };
  const ams = { ...stamp, outputs: outputsHash(full) };
  return { ...full, metadata: { ams, ...notebook.metadata } };
}

/** The executed notebook with its pictures at most 900 pixels wide and in 64 colours: stills, for where the figures themselves are not drawn. */
export async function withSmallPictures(executed) {
  const { default: sharp } = await import("sharp");
  const small = async (base64) => {
    const picture = Buffer.from(base64, "base64");
    const resized = sharp(picture).resize({ width: 900, withoutEnlargement: true });
    const less = await resized.png({ palette: true, colours: 64, effort: 10 }).toBuffer();
    return less.length < picture.length ? less.toString("base64") : base64;
  };
  for (const { outputs } of codeOf(executed))
    for (const { data } of outputs)
      if (data?.["image/png"] !== undefined) data["image/png"] = await small([data["image/png"]].flat().join(""));
  return executed;
}

/** The outputs with each run of prints to the same stream as one, as they were printed. */
function joined(outputs) {
  const result = [];
  for (const output of outputs) {
    const last = result.at(-1);
    if (output.output_type === "stream" && last?.output_type === "stream" && last.name === output.name)
      last.text = [last.text, output.text]
        .flat()
        .join("")
        .split(/(?<=\n)/);
    else result.push({ ...output });
  }
  return result;
}

/** Places of this machine, the longest first, and what stands for them in a notebook that others read. */
const places = [
  [home, ".ams"],
  [`${root}/`, ""],
  [root, "."],
  [homedir(), "~"],
  [tmpdir(), "TMP"],
]
  .sort(([a], [b]) => b.length - a.length)
  // Not within a longer name, nor by chance within a picture's base64.
  .map(([place, name]) => [
    new RegExp(`(?<![\\w+/=.-])${escaped(place)}${place.endsWith("/") ? "" : "(?![\\w-])"}`, "g"),
    name,
  ]);

function escaped(text) {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

/** The same value without the folders of this machine in its texts: what lies in the clone is named from there. */
function withoutPlaces(value) {
  if (Array.isArray(value)) return value.map(withoutPlaces);
  if (typeof value === "object" && value !== null)
    return Object.fromEntries(
      Object.entries(value).map(([key, part]) => [key, key === "image/png" ? part : withoutPlaces(part)]),
    );
  return typeof value === "string" ? places.reduce((text, [place, name]) => text.replace(place, name), value) : value;
}

/** Every source as {name, file, notebook}: what the .ipynb files hold, but for outputs. */
export function notebooks() {
  return readdirSync(sources)
    .filter((file) => file.endsWith(".md"))
    .sort()
    .map((source) => ({
      name: source.replace(/\.md$/, ""),
      file: path.join(folder, source.replace(/\.md$/, ".ipynb")),
      notebook: notebookOf(readFileSync(path.join(sources, source), "utf8")),
    }));
}

/** The notebook that is stored, if its outputs were made by the same code and version; undefined otherwise. */
function stored({ file, notebook }) {
  if (!existsSync(file)) return undefined;
  const found = JSON.parse(readFileSync(file, "utf8"));
  const { version, code } = stampOf(notebook);
  return found.metadata.ams?.version === version && found.metadata.ams.code === code ? found : undefined;
}

/** Writes the notebook with the outputs of an executed one, if there is one. */
export function write({ name, file, notebook }, executed) {
  const full = executed === undefined ? notebook : withOutputs(notebook, executed);
  const text = `${JSON.stringify(full, null, 1)}\n`;
  writeFileSync(file, text);
  const size = `${full.cells.length} cells, ${Math.ceil(text.length / 1000)} kB`;
  const remark = executed === undefined ? `; no fresh outputs: npm run notebooks -- --execute ${name}` : "";
  console.log(`notebooks/${name}.ipynb: ${size}${remark}`);
}

/** Runs the notebook as it is in its folder, and returns it with its outputs. Throws a SetupError when a cell fails. */
async function execute(book) {
  write(book, undefined);
  const work = mkdtempSync(path.join(tmpdir(), "ams-notebook-"));
  const out = path.join(work, path.basename(book.file));
  try {
    const args = [path.join(root, "scripts", "execute_notebook.py"), book.file, out, "--timeout", "7200"];
    const code = await runHere(python, args, { cwd: root, env: environment() });
    if (code !== 0) {
      throw new SetupError(`a cell of ${book.name} failed; its error stands above`, {
        hint: `mend notebooks/source/${book.name}.md; the notebook is left without outputs`,
      });
    }
    return await withSmallPictures(JSON.parse(readFileSync(out, "utf8")));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await main(async () => {
    const { values, positionals } = parseArgs({ allowPositionals: true, options: { execute: { type: "boolean" } } });
    const wanted = ({ name }) => positionals.length === 0 || positionals.some((word) => name.startsWith(word));
    const books = notebooks();
    const chosen = values.execute ? books.filter(wanted) : [];
    if (positionals.length > 0 && (chosen.length === 0 || !values.execute)) {
      throw new SetupError(`no notebook to execute is called ${positionals.join(" or ")}`, {
        hint: `write npm run notebooks -- --execute NAME with one of ${books.map(({ name }) => name).join(", ")}`,
      });
    }
    for (const book of books) write(book, chosen.includes(book) ? undefined : stored(book));
    if (chosen.length === 0) return;
    const { setUp } = await import("./setup/index.mjs");
    await setUp();
    mkdirSync(environment().IPYTHONDIR, { recursive: true }); // IPython warns when its folder is not there
    for (const book of chosen) write(book, await execute(book));
  });
}
