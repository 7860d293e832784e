// `npm run lab [-- --port 8890 --no-browser ...]`: the same set-up, then JupyterLab with the notebooks folder open.
import { spawn } from "node:child_process";
import { isClone, setUp } from "./setup/index.mjs";
import { environment, python, root } from "./setup/paths.mjs";
import { main } from "./setup/steps.mjs";

await main(async () => {
  await setUp();
  console.log("\nStarting JupyterLab (Ctrl-C twice ends it)\n");
  const flags = process.argv.slice(2);
  const given = (name) => flags.some((flag) => flag === name || flag.startsWith(`${name}=`));
  const defaults = [
    ["--ServerApp.root_dir", isClone ? root : process.cwd()],
    ["--LabApp.default_url", isClone ? "/lab/tree/notebooks" : "/lab"],
    ["--MultiKernelManager.default_kernel_name", "ams"],
  ].flatMap(([name, value]) => (given(name) ? [] : [`${name}=${value}`]));
  // The server refuses to run as root unless told; containers have no other user.
  if (process.getuid?.() === 0 && !given("--allow-root")) defaults.push("--allow-root");
  return await new Promise((resolve, reject) => {
    const ignore = () => undefined; // Ctrl-C belongs to JupyterLab, which asks before it ends
    process.on("SIGINT", ignore);
    const child = spawn(python, ["-m", "jupyterlab", ...defaults, ...flags], {
      cwd: isClone ? root : process.cwd(),
      env: environment(),
      stdio: "inherit",
    });
    process.on("SIGTERM", () => child.kill("SIGTERM"));
    child.on("error", reject);
    child.on("close", (code) => resolve(code ?? 1));
  });
});
