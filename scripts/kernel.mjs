// `npm run kernel -- install [--user | --sys-prefix | --prefix DIR | --folder DIR]` and `uninstall`: the kernel in other Jupyters.
import { createRequire } from "node:module";
import path from "node:path";
import { parseArgs } from "node:util";
import { build, installPackages } from "./setup/packages.mjs";
import { home, root } from "./setup/paths.mjs";
import { main, SetupError, step } from "./setup/steps.mjs";

const usage = "npm run kernel -- install|uninstall [--user | --sys-prefix | --prefix DIR | --folder DIR]";

await main(async () => {
  const { positionals, values } = arguments_();
  await step("npm packages", installPackages);
  await step("TypeScript", build);
  process.env.AMS_HOME = home;
  const { installKernel, uninstallKernel } = createRequire(import.meta.url)(
    path.join(root, "build/kernel/install/index.js"),
  );
  const place = { user: values.user, sysPrefix: values["sys-prefix"], prefix: values.prefix, folder: values.folder };
  try {
    if (positionals[0] === "uninstall") {
      console.log(`removed ${await uninstallKernel(place)}`);
      return;
    }
    const { folder, listed } = await installKernel(place);
    if (listed === true) console.log(`installed: jupyter kernelspec list shows ${folder}`);
    else if (listed === false)
      throw new SetupError(`written to ${folder}, but jupyter kernelspec list does not show it`, {
        hint: "choose the environment that jupyter runs in (--sys-prefix or --prefix), or remove the kernel that hides it",
      });
    else console.log(`written to ${folder} (no jupyter on PATH to look whether it is listed)`);
  } catch (error) {
    if (error.name !== "AmsError") throw error;
    throw new SetupError(error.message, { details: error.where ?? "", hint: error.hint });
  }
});

function arguments_() {
  try {
    const parsed = parseArgs({
      allowPositionals: true,
      options: {
        user: { type: "boolean" },
        "sys-prefix": { type: "boolean" },
        prefix: { type: "string" },
        folder: { type: "string" },
      },
    });
    if (!["install", "uninstall"].includes(parsed.positionals.join(" "))) throw new Error("say install or uninstall");
    return parsed;
  } catch (error) {
    throw new SetupError(error.message, { hint: usage });
  }
}
