/** What this kernel is called, and the plugin that comes with it: all that the kernel knows of its product. */
import path from "node:path";

export const product = {
  /** The kernel's folder name in Jupyter's lists, and the name in a notebook's metadata. */
  kernelName: "ams",
  /** What people choose from. */
  displayName: "TypeScript (AMS)",
  /** In the banner of consoles, after the versions. */
  title: "AMS",
  firstSteps: "%ams shows its commands, %lsmagic all magics",
  /** The prebuilt JupyterLab extension that is installed beside the kernel: its name there, and where the build puts it. */
  labExtension: { name: "@ams-notebook/lab", folder: path.join(__dirname, "..", "lab") },
  /** Loaded when a cell uses one of the names, or when the kernel idles. */
  plugins: [{ module: path.join(__dirname, "..", "src", "commands", "plugin.js"), names: ["ams"] }],
};
