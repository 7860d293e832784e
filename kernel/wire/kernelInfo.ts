/** What the kernel says of itself. */
import { product } from "../product.js";
import { protocolVersion, type KernelInfoReply } from "./messages.js";

export function kernelInfo(implementation: { version: string; typescript: string }): KernelInfoReply {
  return {
    status: "ok",
    protocol_version: protocolVersion,
    implementation: product.kernelName,
    implementation_version: implementation.version,
    language_info: {
      name: "typescript",
      version: implementation.typescript,
      mimetype: "text/typescript",
      file_extension: ".ts",
      pygments_lexer: "typescript",
      codemirror_mode: "typescript", // JupyterLab takes {name: "javascript", typescript: true} for JavaScript
      nbconvert_exporter: "script",
    },
    banner: `TypeScript ${implementation.typescript} on Node ${process.versions.node}, with ${product.title} ${implementation.version}: ${product.firstSteps}.`,
    help_links: [
      { text: "TypeScript handbook", url: "https://www.typescriptlang.org/docs/handbook/intro.html" },
      { text: "Node.js API", url: "https://nodejs.org/docs/latest-v20.x/api/" },
    ],
    supported_features: ["debugger", "kernel subshells"],
    debugger: true,
  };
}
