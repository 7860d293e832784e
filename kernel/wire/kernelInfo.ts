/** What the kernel says of itself. */
import { protocolVersion, type KernelInfoReply } from "./messages.js";

export function kernelInfo(implementation: { version: string; typescript: string }): KernelInfoReply {
  return {
    status: "ok",
    protocol_version: protocolVersion,
    implementation: "ams",
    implementation_version: implementation.version,
    language_info: {
      name: "typescript",
      version: implementation.typescript,
      mimetype: "text/typescript",
      file_extension: ".ts",
      pygments_lexer: "typescript",
      codemirror_mode: { name: "javascript", typescript: true },
      nbconvert_exporter: "script",
    },
    banner: `TypeScript ${implementation.typescript} on Node ${process.versions.node}, with AMS ${implementation.version}: %ams shows its commands, %lsmagic all magics.`,
    help_links: [
      { text: "TypeScript handbook", url: "https://www.typescriptlang.org/docs/handbook/intro.html" },
      { text: "Node.js API", url: "https://nodejs.org/docs/latest-v20.x/api/" },
    ],
    supported_features: [],
  };
}
