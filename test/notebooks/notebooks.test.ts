/** The notebooks in the repository: made from their sources, with the outputs of a run of exactly these cells. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { packageRoot } from "../../src/paths.js";

interface Output {
  output_type: string;
  data?: Record<string, unknown>;
}
interface Cell {
  cell_type: "code" | "markdown";
  source: string[];
  execution_count?: number | null;
  outputs?: Output[];
  metadata: { tags?: string[]; scrolled?: boolean };
}
interface Stamp {
  version: string;
  code: string;
}
interface Notebook {
  cells: Cell[];
  metadata: { kernelspec: { name: string }; ams?: Stamp & { outputs: string } };
}
interface Maker {
  notebookOf: (source: string) => Notebook;
  notebooks: () => { name: string; file: string; notebook: Notebook }[];
  stampOf: (notebook: Notebook) => Stamp;
  outputsHash: (notebook: Notebook) => string;
  withOutputs: (notebook: Notebook, executed: Notebook) => Notebook;
}

const folder = path.join(packageRoot(), "notebooks");

async function maker(): Promise<Maker> {
  const script = path.join(packageRoot(), "scripts", "make-notebooks.mjs");
  return (await import(pathToFileURL(script).href)) as Maker;
}

const codeOf = ({ cells }: Notebook): Cell[] => cells.filter((cell) => cell.cell_type === "code");
const mistakes = (cell: Cell): Output[] => (cell.outputs ?? []).filter(({ output_type }) => output_type === "error");

/** Without what a run leaves in it. */
function bare({ cells, ...notebook }: Notebook): Notebook {
  const { ams: _, ...metadata } = notebook.metadata;
  const clear = (cell: Cell): Cell =>
    cell.cell_type === "code" ? { ...cell, execution_count: null, outputs: [] } : cell;
  return { ...notebook, metadata, cells: cells.map(clear) };
}

describe("the notebooks", () => {
  test("are what `npm run notebooks` makes of their sources", async () => {
    const made = (await maker()).notebooks();
    assert.ok(made.length > 0);
    for (const { name, file, notebook } of made) {
      const stored = JSON.parse(readFileSync(file, "utf8")) as Notebook;
      assert.deepEqual(bare(stored), notebook, `${name} is out of date: npm run notebooks`);
      assert.equal(notebook.metadata.kernelspec.name, "ams");
    }
    const present = readdirSync(folder).filter((file) => file.endsWith(".ipynb"));
    assert.deepEqual(
      present.sort(),
      made.map(({ name }) => `${name}.ipynb`),
    );
  });

  test("hold the outputs of one run of exactly these cells, in order, by this version", async () => {
    const { notebooks, stampOf, outputsHash } = await maker();
    for (const { name, file } of notebooks()) {
      const stored = JSON.parse(readFileSync(file, "utf8")) as Notebook;
      const stale = `the outputs of ${name} are not fresh: npm run notebooks -- --execute ${name}`;
      assert.deepEqual(stored.metadata.ams, { ...stampOf(stored), outputs: outputsHash(stored) }, stale);
      const code = codeOf(stored);
      assert.deepEqual(code.map(({ execution_count }) => execution_count), code.map((_, i) => i + 1), stale); // prettier-ignore
      assert.ok(code.filter(({ outputs = [] }) => outputs.length > 0).length > code.length / 2, stale);
      for (const cell of code) {
        const meant = cell.metadata.tags?.includes("raises-exception") === true;
        assert.equal(mistakes(cell).length, meant ? 1 : 0, `${name}: ${cell.source.join("").slice(0, 80)}`);
      }
    }
  });

  test("are small, have stills for their figures, and name no folder of the machine that ran them", async () => {
    for (const { name, file } of (await maker()).notebooks()) {
      const text = readFileSync(file, "utf8");
      assert.ok(text.length < 1_500_000, `${name} has ${text.length} bytes`);
      const stored = JSON.parse(text) as Notebook;
      assert.ok(!("widgets" in stored.metadata));
      const outputs = codeOf(stored).flatMap((cell) => cell.outputs ?? []);
      for (const { data = {} } of outputs)
        if ("application/vnd.plotly.v1+json" in data) assert.ok("image/png" in data && "image/svg+xml" in data);
      const shown = JSON.stringify(outputs, (key, value: unknown) => (key === "image/png" ? "" : value));
      assert.doesNotMatch(shown, /(?<![\w+/=.-])\/(home|root|Users|tmp|work|var|opt|mnt)\//);
    }
  });
});

describe("a notebook's source", () => {
  const source =
    "# One\n\n---\n\nTwo\n\n```typescript raises-exception scrolled\n%ams nope\n\n1 + 1\n```\n\nThree\n\n```typescript\n2\n```\n";

  test("becomes code cells with tags, and Markdown cells split at rules", async () => {
    const { cells } = (await maker()).notebookOf(source);
    assert.deepEqual(
      cells.map((cell) => [cell.cell_type, cell.source.join("")]),
      [
        ["markdown", "# One"],
        ["markdown", "Two"],
        ["code", "%ams nope\n\n1 + 1"],
        ["markdown", "Three"],
        ["code", "2"],
      ],
    );
    assert.deepEqual(cells[2]?.metadata, { scrolled: true, tags: ["raises-exception", "scrolled"] });
    assert.deepEqual(cells[4]?.metadata, {});
  });

  test("takes the outputs of a run of the same code, without the machine's folders, and refuses those of other code", async () => {
    const { notebookOf, withOutputs, stampOf, outputsHash } = await maker();
    const notebook = notebookOf(source);
    const ran = (text: string): Notebook => {
      const executed = notebookOf(source);
      codeOf(executed).forEach((cell, i) => {
        cell.execution_count = i + 1;
        cell.outputs = [{ output_type: "display_data", data: { "text/plain": [text], "image/png": text } }];
      });
      return executed;
    };
    const inClone = path.join(packageRoot(), "models", "a");
    const stored = withOutputs(notebook, ran(`weights of ${inClone} (${packageRoot()})`));
    const { data } = codeOf(stored)[1]!.outputs![0]!;
    assert.deepEqual(data!["text/plain"], [`weights of ${path.join("models", "a")} (.)`]);
    assert.match(String(data!["image/png"]), new RegExp(`^weights of ${packageRoot()}`), "pictures stay as they are");
    assert.deepEqual(stored.metadata.ams, { ...stampOf(notebook), outputs: outputsHash(stored) });
    assert.deepEqual(bare(stored), notebook);
    codeOf(stored)[0]!.outputs = [];
    assert.notEqual(outputsHash(stored), stored.metadata.ams.outputs, "outputs that are dropped are noticed");
    assert.throws(() => withOutputs(notebookOf(source.replace("1 + 1", "1 + 2")), ran("")), /other code/);
  });
});
