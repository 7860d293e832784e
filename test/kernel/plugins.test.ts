/** Plugins that load by themselves: when a cell needs them, with failures that do not end the session. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createPlugins, type Plugins } from "../../kernel/magics/plugins.js";

function setUp(importModule: (specifier: string) => unknown): { plugins: Plugins; notes: string[]; globals: string[] } {
  const notes: string[] = [];
  const globals: string[] = [];
  const plugins = createPlugins([{ module: "own", names: ["ams"] }], {
    importModule: (specifier) => Promise.resolve().then(() => importModule(specifier)),
    forgetModule: () => undefined,
    addDisplay: () => undefined,
    addGlobal: (name, _value, type) => globals.push(`${name}: ${type}`),
    host: {
      cwd: "/",
      note: (line) => notes.push(line),
      run: () => Promise.reject(new Error("not here")),
      widgets: {} as never,
      comms: {} as never,
    },
    log: () => undefined,
  });
  return { plugins, notes, globals };
}
const magic = { name: "ams", summary: "", help: () => ({ "text/plain": "" }), line: () => Promise.resolve(1) };
const plugin = { name: "ams", version: "1", magics: [magic], globals: [{ name: "ams", value: {}, type: "Api" }] };

test("a plugin loads with the first text that names it, once", async () => {
  let loads = 0;
  const { plugins, globals } = setUp(() => ({ plugin: (loads++, plugin) }));
  assert.ok(plugins.isMagic("ams"));
  await plugins.loadFor("1 + 1; const amsterdam = 2");
  assert.equal(loads, 0);
  await plugins.loadFor("%ams train");
  await plugins.loadFor("await ams.train()");
  assert.deepEqual([loads, globals, plugins.get("ams").name], [1, ["ams: Api"], "ams"]);
});

test("a failure is a warning for the cell that needs the plugin, and the next cell tries again", async () => {
  let broken = true;
  const { plugins, notes } = setUp(() => {
    if (broken) throw new Error("no engine\nstack");
    return { plugin };
  });
  await plugins.loadFor();
  assert.deepEqual(notes, []);
  await plugins.loadFor("%ams");
  assert.deepEqual(notes, ["warning: ams cannot be used, the plugin did not load: no engine"]);
  broken = false;
  await plugins.loadFor("%ams");
  assert.equal(plugins.get("ams").name, "ams");
});

test("a module that is no plugin is refused by name", async () => {
  const { plugins } = setUp(() => ({}));
  await assert.rejects(plugins.load("lodash"), /lodash is not a kernel plugin/);
});
