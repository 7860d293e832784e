// `npm run demo`: sets everything up, executes the tour with the kernel, writes it to out/ and says what was reached.
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { setUp } from "./setup/index.mjs";
import { environment, python, root } from "./setup/paths.mjs";
import { bold, dim, execute, main, runHere, seconds, SetupError, step } from "./setup/steps.mjs";

const tour = path.join(root, "notebooks", "00-tour.ipynb");
const out = path.join(root, "out");
const executed = path.join(out, "00-tour.ipynb");
const page = path.join(out, "00-tour.html");
const results = path.join(root, "notebooks", "out", "tour-results.json"); // beside the tour, wherever that is copied

await main(async () => {
  const started = Date.now();
  console.log(bold("Setting up") + dim(" (everything stays inside this folder)"));
  await setUp();
  console.log(
    `\n${bold("Executing notebooks/00-tour.ipynb")}` +
      dim(" (three to five minutes on two cores, the longest part a training)"),
  );
  mkdirSync(environment().IPYTHONDIR, { recursive: true }); // IPython warns when its folder is not there
  rmSync(results, { force: true });
  const code = await runHere(python, [script("execute_notebook.py"), tour, executed], {
    cwd: root,
    env: environment(),
  });
  await step("HTML page", (say) =>
    execute(python, [script("notebook_page.py"), executed, page], { cwd: root, env: environment(), say }).then(
      () => "",
    ),
  );
  if (code !== 0)
    throw new SetupError("a cell of the tour failed; its error stands above", {
      hint: `look at ${path.relative(root, executed)} in JupyterLab: npm run lab`,
    });
  console.log(`\n${bold("What was reached")}`);
  console.log(
    existsSync(results) ? resultsTable(JSON.parse(readFileSync(results, "utf8"))) : "  (the tour wrote no results)",
  );
  console.log(`\n  executed notebook   ${path.relative(root, executed)}`);
  console.log(`  as a page           ${path.relative(root, page)}`);
  console.log(`  in JupyterLab       ${bold("npm run lab")}`);
  console.log(dim(`\n  ${seconds(started)} in all`));
});

function script(name) {
  return path.join(root, "scripts", name);
}

/** The tour's rows {what, split, images, i2t: {r1, r5, r10}, t2i: {...}, rsum} as aligned columns. */
function resultsTable({ rows }) {
  const table = [
    ["", "gallery", "images", "i2t R@1", "R@5", "R@10", "t2i R@1", "R@5", "R@10", "rSum"],
    ...rows.map(({ what, split, images, i2t, t2i, rsum }) => [
      what,
      split,
      String(images),
      ...[i2t.r1, i2t.r5, i2t.r10, t2i.r1, t2i.r5, t2i.r10, rsum].map((value) => value.toFixed(1)),
    ]),
  ];
  const widths = table[0].map((_, i) => Math.max(...table.map((row) => row[i].length)));
  const line = (row) =>
    "  " + row.map((cell, i) => (i < 2 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join("  ");
  return table.map(line).join("\n");
}
