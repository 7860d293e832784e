/** JupyterLab's debugger on TypeScript cells, clicked by a browser: breakpoint in the gutter, stop, step, variables, continue. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import type { Locator } from "playwright-core";
import { installKernel } from "../../kernel/install/index.js";
import { findBrowser, notebookOf, startLab, type Lab } from "./lab.js";

const browser = findBrowser();

const sources = [
  [
    "interface Point { x: number; y: number }",
    "function length({ x, y }: Point): number {",
    "  const squared = x * x + y * y;",
    "  return Math.sqrt(squared);",
    "}",
    "const far: Point = { x: 3, y: 4 };",
    "const result = length(far);",
    "result",
  ].join("\n"),
  "throw new RangeError('not caught');",
];

describe("the debugger in JupyterLab", { skip: browser === undefined ? "no Chromium on this machine" : false }, () => {
  const folder = mkdtempSync(path.join(tmpdir(), "ams debugger "));
  let lab: Lab;
  before(async () => {
    const kernelPath = path.join(folder, "share");
    await installKernel({ folder: kernelPath });
    writeFileSync(path.join(folder, "debug.ipynb"), JSON.stringify(notebookOf(sources)));
    lab = await startLab({ root: folder, browser: browser ?? "", kernelPath, viewport: { width: 1400, height: 900 } });
    await lab.open("debug.ipynb");
  });
  after(async () => {
    await lab.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const find = (selector: string): Locator => lab.page.locator(selector);
  const frames = (): Locator => find(".jp-DebuggerCallstackFrame");
  const variable = (name: string): Locator =>
    find(".jp-DebuggerVariables-body jp-tree-item").filter({ hasText: name }).first();
  const stoppedAt = async (...names: (string | RegExp)[]): Promise<void> => {
    await frames()
      .filter({ hasText: names[0] ?? "" })
      .first()
      .waitFor({ timeout: 20_000 });
    await lab.page.waitForFunction(
      `document.querySelectorAll(".jp-DebuggerCallstackFrame").length === ${names.length}`,
    );
  };
  /** Tries up to five times; the last failure counts. */
  const until = async (attempt: () => Promise<void>): Promise<void> => {
    for (let tries = 1; ; tries++)
      try {
        await attempt();
        return;
      } catch (error) {
        if (tries === 5) throw error;
      }
  };
  let running: Promise<void>;

  test("is switched on by its button", async () => {
    await find(".jp-DebuggerBugButton[aria-disabled=false]").first().click();
    await find(".jp-DebuggerBugButton[aria-pressed=true]").first().waitFor();
  });

  test("a click beside a line sets a breakpoint, and the cell stops there", async () => {
    const gutter = find(".jp-CodeCell").nth(0).locator(".cm-breakpoint-gutter .cm-gutterElement");
    // The first element is CodeMirror's invisible spacer.
    // JupyterLab draws the gutter anew when its debugger has started: a click just before that is lost.
    await until(async () => {
      if ((await find(".jp-DebuggerBreakpoint").count()) === 0) await gutter.nth(3).click({ force: true });
      await find(".jp-DebuggerBreakpoint").first().waitFor({ timeout: 5000 });
    });
    running = lab.run(0, 1);
    await stoppedAt("length", /cell/);
    await find(".jp-CodeCell").nth(0).locator(".jp-DebuggerEditor-highlight").waitFor();
    await lab.picture("debugger-1-stopped");
    assert.match((await frames().first().textContent()) ?? "", /length/);
    await variable("x").waitFor();
    assert.match((await variable("x").textContent()) ?? "", /3/);
  });

  test("a step shows the next line and its variables", async () => {
    await lab.command("debugger:next");
    await variable("squared").filter({ hasText: "25" }).waitFor();
    await lab.picture("debugger-2-step");
  });

  test("continue runs the cell to its end", async () => {
    await lab.command("debugger:continue");
    await running;
    const [cell] = await lab.cells();
    assert.equal(cell?.outputs?.find(({ output_type: type }) => type === "execute_result")?.data?.["text/plain"], "5");
    await frames().first().waitFor({ state: "detached" });
    await variable("far").waitFor();
    await lab.picture("debugger-3-globals");
  });

  test("an uncaught exception stops where it is thrown", async () => {
    await lab.command("debugger:pause-on-exceptions", { filter: "uncaught" });
    running = lab.run(1, 2);
    await stoppedAt(/cell/);
    await lab.picture("debugger-4-exception");
    await lab.command("debugger:continue");
    await running;
    const error = (await lab.cells())[1]?.outputs?.find(({ output_type: type }) => type === "error");
    assert.equal(error?.evalue, "not caught");
  });

  test("raises nothing in the page", () => {
    assert.deepEqual(lab.pageErrors, []);
  });
});
