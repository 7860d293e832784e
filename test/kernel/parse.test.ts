/** Where a magic is a magic and where TypeScript stays TypeScript. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import { parseMagics } from "../../kernel/magics/parse.js";
import { rewriteMagics } from "../../kernel/magics/rewrite.js";
import { isComplete } from "../../kernel/language/isComplete.js";
import { toCodePoints, toUtf16 } from "../../kernel/language/cursor.js";
import { nearest } from "../../kernel/magics/nearest.js";
import { packageRoot } from "../../src/paths.js";

const names = { isMagic: (name: string) => name === "ams", isVariable: (name: string) => name === "flag" };
const calls = (source: string): unknown[] =>
  parseMagics(source, names).calls.map(({ call, start, end, last }) => ({
    ...call,
    text: source.slice(start, end),
    last,
  }));

describe("a magic", () => {
  test("stands at the start of a statement, alone or assigned", () => {
    assert.deepEqual(calls("%ams train --epochs 2\nconst r = %ams eval --split 'a b';"), [
      {
        kind: "magic",
        name: "ams",
        args: "train --epochs 2",
        statement: true,
        text: "%ams train --epochs 2",
        last: false,
      },
      {
        kind: "magic",
        name: "ams",
        args: "eval --split 'a b'",
        statement: false,
        text: "%ams eval --split 'a b';",
        last: true,
      },
    ]);
  });

  test("may stand inside a block and after a line without a semicolon", () => {
    assert.equal(calls("if (a) {\n  %ams x\n}").length, 1);
    assert.equal(calls("const a = b\n%ams x").length, 1);
  });

  test("may contain quotes that would open a string in TypeScript", () => {
    assert.equal(calls("%ams search the dog's ball\n%ams x").length, 2);
  });

  test("may be followed by a comment, which is none of its arguments", () => {
    const args = (line: string): unknown => {
      const [found] = parseMagics(line, names).calls;
      return found?.call.kind === "shell" ? undefined : found?.call.args;
    };
    for (const [line, wanted] of [
      ["%ams data scenes   // draws them", "data scenes"],
      ["const a = %ams data scenes; // draws them", "data scenes"],
      ["%ams // the verbs", ""],
      ["%ams data http://host/a // b", "data http://host/a"],
      ["%ams search 'a // b' \"c // d\"", "search 'a // b' \"c // d\""],
      ["%ams search the dog's ball // it's one", "search the dog's ball"],
      ["%ams train? // explains", "train"],
    ] as const)
      assert.equal(args(line), wanted, line);
    assert.equal(parseMagics("%ams x // y\n", names).calls[0]?.last, true);
    assert.equal(parseMagics("%%writefile a.txt // y\nz", names).cell?.args, "a.txt");
  });

  test("of the README's five minutes runs as pasted, and shows the data", () => {
    const readme = readFileSync(path.join(packageRoot(), "README.md"), "utf8");
    const block = /## Five minutes[^]*?```\n([^]*?)```/.exec(readme)?.[1] ?? "";
    const found = parseMagics(block, names).calls.map(({ call }) => call);
    assert.ok(found.length >= 6, block);
    for (const call of found) assert.ok(call.kind === "magic" && !call.args.includes("//"), JSON.stringify(call));
    assert.match(block, /^scenes( |$)/m);
  });

  for (const [where, source] of [
    ["a template", "`\n%ams x\n${1}\n%ams y`"],
    ["a template's expression", "`${\n%ams\n}`"],
    ["a comment", "/*\n%ams x\n*/"],
    ["brackets", "f(\n%ams\n)"],
    ["a remainder that continues on the next line", "const a = b\n  %n\n"],
    ["a string after a regular expression with quotes", "const r = /['\"`]/;\nconst s = `\n%ams`"],
  ] as const)
    test(`is none inside ${where}`, () => {
      assert.deepEqual(calls(source), []);
    });

  test("of a whole cell takes the rest as its body", () => {
    assert.deepEqual(parseMagics("\n%%writefile a.txt\nlet = 1\n%ams", names).cell, {
      name: "writefile",
      args: "a.txt",
      argsStart: 13,
      body: "let = 1\n%ams",
      bodyStart: 19,
    });
  });

  test("becomes one call on the same line", () => {
    const source = "let a = 1;\nconst r = %ams eval;\n!ls -l\nr";
    const { text, toOriginal } = rewriteMagics(source, parseMagics(source, names).calls, () => "Evaluation");
    assert.equal(
      text,
      'let a = 1;\nconst r = await __magic<Evaluation>("ams", "eval", false);\nawait __shell("ls -l");\nr',
    );
    assert.equal(toOriginal(text.length - 1), source.length - 1);
  });
});

test("!command is the shell's, !variable is TypeScript's", () => {
  assert.equal(calls("!ls -la").length, 1);
  assert.equal(calls("!flag && f()").length, 0);
  assert.equal(calls("!(a || b)").length, 0);
});

test("name? asks for help, a ternary does not", () => {
  assert.deepEqual(calls("model?"), [
    { kind: "help", name: "model", args: "", magic: false, detail: 0, statement: true, text: "model?", last: true },
  ]);
  assert.equal(calls("?%ams").length, 1);
  assert.equal(calls("const x = a\n  ?b\n  : c").length, 0);
});

test("is_complete knows open brackets, templates and comments from mistakes", () => {
  for (const code of ["1", "let a = 1\na", "%lsmagic", "%ams x's", "a?", "// x", "%%time\n1", "!ls"])
    assert.equal(isComplete(code).status, "complete", code);
  for (const code of [
    "function f() {",
    "let a = [1,",
    "`abc",
    "/* x",
    "if (a) {\n  b()",
    "%%html\n<b>",
    "f(1,",
    "x =",
    "a.",
    "if (a) {} else",
    "const f = () =>",
    "import { a } from",
    "x ? 1 :",
    "@dec",
    "%%time",
    "%%time\nfor (const a of b) {",
    "%%capture x\nlet a = [",
  ])
    assert.equal(isComplete(code).status, "incomplete", code);
  for (const code of ["let = = 3", "a b c )", "'abc", "/abc", "%%time\nlet = = 3"])
    assert.equal(isComplete(code).status, "invalid", code);
  assert.deepEqual(isComplete("if (a) {"), { status: "incomplete", indent: "  " });
});

test("cursors convert between code points and UTF-16", () => {
  assert.equal(toUtf16("a😀b", 2), 3);
  assert.equal(toCodePoints("a😀b", 3), 2);
});

test("near names come nearest first", () => {
  assert.deepEqual(nearest("tran", ["eval", "train", "trace"]), ["train", "trace"]);
  assert.deepEqual(nearest("xyz", ["train"]), []);
});
