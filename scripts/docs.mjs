// `npm run docs`: the reference of the library's functions and types (typedoc.json), into out/api/.
import path from "node:path";
import { installPackages } from "./setup/packages.mjs";
import { environment, root } from "./setup/paths.mjs";
import { execute, main, step } from "./setup/steps.mjs";

await main(async () => {
  await step("npm packages", installPackages);
  await step("reference", async (say) => {
    await execute(process.execPath, [path.join(root, "node_modules", "typedoc", "bin", "typedoc")], {
      cwd: root,
      env: environment(),
      say,
    });
    return "out/api/index.html";
  });
});
