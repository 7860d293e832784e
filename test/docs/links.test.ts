/** The documents: every link leads somewhere, the README has every page and verb, the credits every package. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import { commands } from "../../src/commands/table.js";
import { packageRoot } from "../../src/paths.js";

const root = packageRoot();
const pages = [
  ...["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "models/README.md"],
  ...readdirSync(path.join(root, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];
const textOf = (page: string): string => readFileSync(path.join(root, page), "utf8");
const withoutCode = (text: string): string => text.replace(/^```[^]*?^```/gm, "").replace(/`[^`\n]*`/g, "");

/** The anchors of a page's headings, as GitHub makes them. */
function anchors(file: string): string[] {
  const headings = readFileSync(file, "utf8")
    .replace(/^```[^]*?^```/gm, "")
    .matchAll(/^#+ +(.+)$/gm);
  return [...headings].map(([, title]) =>
    title!
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .trim()
      .replace(/\s/g, "-"),
  );
}

/** What is wrong with the links of a text that stands in a page of the repository. */
function brokenLinks(page: string, text: string): string[] {
  const targets = [...withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target!);
  return targets
    .filter((target) => !/^[a-z]+:/i.test(target))
    .filter((target) => {
      const [file = "", anchor] = target.split("#");
      const place = file === "" ? path.join(root, page) : path.join(root, path.dirname(page), decodeURI(file));
      if (!existsSync(place)) return true;
      return anchor !== undefined && !(place.endsWith(".md") && anchors(place).includes(anchor));
    });
}

describe("links of the documents", () => {
  for (const page of pages) test(page, () => assert.deepEqual(brokenLinks(page, textOf(page)), []));

  for (const name of readdirSync(path.join(root, "notebooks", "source")))
    test(`notebooks/${name}, also in a copy of the notebooks alone`, () => {
      const text = textOf(`notebooks/source/${name}`);
      assert.deepEqual(brokenLinks(`notebooks/${name}`, text), []);
      assert.doesNotMatch(withoutCode(text), /\]\(\.\.\//, "name the file in backquotes instead");
      assert.doesNotMatch(text, /"\.\.\/|'\.\.\//, "what a cell writes stays in the notebook's folder");
    });

  test("a link into nothing is found", () => {
    const text = "[a](docs/nothing.md) [b](#nothing) [c](docs/kernel.md#nothing) [d](docs/kernel.md) `[e](none.md)`";
    assert.deepEqual(brokenLinks("README.md", text), ["docs/nothing.md", "#nothing", "docs/kernel.md#nothing"]);
  });

  test("the index in the README names every page", () => {
    const readme = textOf("README.md");
    assert.deepEqual(
      pages.filter((page) => page.startsWith("docs/") && !readme.includes(`](${page}`)),
      [],
    );
  });
});

test("the README's table of verbs has every verb and no other", () => {
  const section = /^## The verbs\n([^]*?)^## /m.exec(textOf("README.md"))?.[1] ?? "";
  const rows = [...section.matchAll(/^\| `(\w+)` +\| /gm)].map(([, verb]) => verb!);
  assert.deepEqual(rows.sort(), commands.map(({ name }) => name).sort());
});

test("docs/credits.md names every package that is needed at run time", () => {
  const { dependencies, optionalDependencies } = JSON.parse(textOf("package.json")) as Record<
    string,
    Record<string, string>
  >;
  const credits = textOf("docs/credits.md");
  const names = Object.keys({ ...dependencies, ...optionalDependencies });
  assert.deepEqual(
    names.filter((name) => !credits.includes(`\`${name}\``)),
    [],
  );
});
