import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import type { MagicContext } from "../../kernel/plugin.js";
import { plugin } from "../../src/commands/plugin.js";
import { silentContext } from "../../src/context.js";
import { displaySymbol, isDisplayable, type Displayable, type MimeBundle } from "../../src/display.js";
import { AmsError, asTyped } from "../../src/errors.js";

const [magic] = plugin.magics;
assert.ok(magic);
const line = (args: string): Promise<unknown> => magic.line(args, context);
const help = (args: string): MimeBundle => magic.help(args);
const returnType = (args: string): string => magic.returnType?.(args) ?? "any";
const context: MagicContext = { ...silentContext, cwd: process.cwd(), display: () => undefined };

describe("the kernel plugin", () => {
  test("%ams alone shows the verbs, %ams train? and %ams train --help one of them", async () => {
    assert.match(help("")["text/plain"], /%ams train/);
    assert.match(help("train")["text/plain"], /--epochs/);
    for (const args of ["", "help", "train --help", "help train"]) {
      const result = await line(args);
      assert.ok(isDisplayable(result), args);
      assert.match((await result[displaySymbol]())["text/plain"], args.includes("train") ? /--epochs/ : /%ams export/);
    }
  });

  test("a mistake is an AmsError with the nearest name", async () => {
    await assert.rejects(line("trian"), (e: unknown) => e instanceof AmsError && /train/.test(e.hint ?? ""));
    await assert.rejects(
      line("train --epoch 2"),
      (e: unknown) => e instanceof AmsError && /--epochs/.test(e.hint ?? ""),
    );
    await assert.rejects(line('search "two'), (e: unknown) => e instanceof AmsError && /quote/.test(e.message));
  });

  test("a line's result has the verb's type", () => {
    const type = (args: string): string => returnType(args).replace(/^import\(.*\)\./, "");
    assert.equal(type("train --epochs 5"), "Run");
    assert.equal(type(" evaluate"), "Evaluation");
    assert.equal(type("train --test --resume x"), "Evaluation");
    assert.equal(type("data scenes"), "OpenedDataset");
    assert.equal(type(""), "Displayable");
    assert.equal(type("train --help"), "Displayable");
    assert.equal(type("nonsense"), "unknown");
  });

  test("the types are imported from the package's index, which is there", () => {
    const file = /^import\((".*")\)\.Run$/.exec(returnType("train"))?.[1] ?? "";
    assert.ok(existsSync(`${JSON.parse(file) as string}.js`));
    assert.ok(path.isAbsolute(JSON.parse(file) as string));
    assert.match(plugin.globals?.[0]?.type ?? "", /\.Api$/);
  });

  test("Tab completes verbs and options", async () => {
    const found = await magic.complete?.("train --ep", 10);
    assert.deepEqual([found?.matches.map((match) => match.text), found?.start, found?.end], [["--epochs"], 6, 10]);
  });

  test("once started, the typed global has the same verbs and runs under the host's cell", async () => {
    const ams = plugin.globals?.[0]?.value as Record<string, (options?: unknown) => Promise<unknown>>;
    let runs = 0;
    await plugin.start?.({
      cwd: process.cwd(),
      note: () => undefined,
      widgets: {} as never,
      comms: { register: () => () => undefined } as never,
      run: (work) => {
        runs += 1;
        return work(context);
      },
    });
    // A notebook's process names commands as cells take them from here on.
    const texts = [
      ["make one: ams train, or (ams index DIR)", "make one: %ams train, or (%ams index DIR)"],
      ["`ams evaluate --split test`", "`%ams evaluate --split test`"],
      ...[
        "run: ams lab",
        "npx ams doctor",
        "AMS_ENGINE=wasm ams train",
        "/data/ams train",
        "%ams eval",
        "the ams models",
      ].map((text) => [text, text] as const),
    ];
    for (const [text, typed] of texts) assert.equal(asTyped(text), typed);
    assert.ok(Array.isArray(((await ams["runs"]?.({ last: 1 })) as { runs: unknown[] }).runs));
    assert.equal(runs, 1);
    const engine = (await ams["engine"]?.({ choice: "wasm", measure: false })) as Displayable;
    assert.match((await engine[displaySymbol]())["text/plain"], /^holds for +this kernel; .* choose for every kernel/m);
  });
});
