/** docs/troubleshooting.md knows everything that the doctor can say: what it finds wrong, and what it advises. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import ts from "typescript";
import { packageRoot } from "../../src/paths.js";

/** The files in which the doctor's findings and advice are written. */
const sources = [
  "commands/verbs/doctor.ts",
  "engine/environment.ts",
  "engine/report.ts",
  "engine/refusals.ts",
  "engine/start.ts",
  "engine/native/files.ts",
  "engine/native/python.ts",
  "engine/native/start.ts",
  "engine/webgpu/start.ts",
];

/** Spaces as one; a value that is filled in, and markdown's escapes, do not count. */
const plain = (text: string): string => text.replace(/\\\|/g, "|").replace(/\s+/g, " ");

/** The texts of a file that are a finding (`found`, an error's message) or advice (`hint`), each with `...` for what is filled in. */
function sayings(file: string): string[] {
  const source = ts.createSourceFile(file, readFileSync(file, "utf8"), ts.ScriptTarget.Latest, true);
  const found: string[] = [];
  const collect = (node: ts.Node): void => {
    if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)) found.push(node.text);
    else if (ts.isTemplateExpression(node))
      found.push([node.head.text, ...node.templateSpans.map(({ literal }) => literal.text)].join("..."));
    else if (ts.isConditionalExpression(node)) [node.whenTrue, node.whenFalse].forEach(collect);
    else if (ts.isBinaryExpression(node)) {
      if (node.operatorToken.kind === ts.SyntaxKind.PlusToken) {
        const parts = [node.left, node.right].map((part) => {
          const before = found.length;
          collect(part);
          return found.splice(before).join("");
        });
        found.push(parts.join(""));
      } else collect(node.right);
    }
  };
  const visit = (node: ts.Node): void => {
    const named = (ts.isPropertyAssignment(node) || ts.isVariableDeclaration(node)) && node.initializer !== undefined;
    if (named && ts.isIdentifier(node.name) && ["found", "hint"].includes(node.name.text)) collect(node.initializer);
    if (ts.isNewExpression(node) && node.expression.getText() === "AmsError" && node.arguments?.[0] !== undefined)
      collect(node.arguments[0]);
    ts.forEachChild(node, visit);
  };
  visit(source);
  // What is only filled-in values and punctuation says nothing by itself.
  return found.filter((text) => /[a-z]{3}/i.test(text.replaceAll("...", ""))).map(plain);
}

test("every finding and every piece of advice of the doctor is in docs/troubleshooting.md", () => {
  const page = plain(readFileSync(path.join(packageRoot(), "docs", "troubleshooting.md"), "utf8"));
  const said = sources.flatMap((name) => sayings(path.join(packageRoot(), "src", name)));
  assert.ok(said.length > 50, `only ${String(said.length)} sayings were found: is the doctor written otherwise now?`);
  assert.deepEqual(
    said.filter((text) => !page.includes(text)),
    [],
  );
});
