/**
 * Runs tfjs-core's own jasmine specs (inside its npm package) on our native backend, in a process of their own, and prints one
 * JSON object: { passed, failed: { name: message }, skipped }.
 */
import { readFileSync, writeSync } from "node:fs";
import Module from "node:module";
import path from "node:path";
import ts from "typescript";
import { findLibraries, nativeFolder } from "../../../src/engine/native/files.js";

/* eslint-disable @typescript-eslint/no-require-imports -- everything below must be loaded after the hooks are in place */

const core = path.join(path.dirname(require.resolve("@tensorflow/tfjs-core/package.json")), "dist");

interface Hooks {
  _resolveFilename(request: string, ...rest: unknown[]): string;
  _extensions: Record<string, (module: { _compile(code: string, file: string): void }, file: string) => void>;
}

/** The specs import tfjs-core's source files: everyone in this process must, or there would be two registries of kernels. */
function useSources(): void {
  const hooks = Module as unknown as Hooks;
  const resolve = hooks._resolveFilename.bind(hooks);
  const instead: Record<string, string> = {
    "@tensorflow/tfjs-core": path.join(core, "index.js"),
    "jasmine-core/lib/jasmine-core/jasmine.js": path.join(__dirname, "jasmineShim.js"),
  };
  hooks._resolveFilename = (request, ...rest) => resolve(instead[request] ?? request, ...rest);
  const load = hooks._extensions[".js"]!;
  // tfjs-node's backend is ES5 and cannot extend a class of ES2015.
  const target = (file: string): ts.ScriptTarget =>
    file.endsWith("backends/backend.js") ? ts.ScriptTarget.ES5 : ts.ScriptTarget.ES2022;
  hooks._extensions[".js"] = (module, file) => {
    if (!file.startsWith(core + path.sep) || file.endsWith(".node.js")) {
      load(module, file);
      return;
    }
    // ES modules in files that Node takes for CommonJS; their source maps, inlined, are most of their length.
    const source = readFileSync(file, "utf8").replace(/^\/\/# sourceMappingURL=.*$/m, "");
    module._compile(
      ts.transpileModule(source, { compilerOptions: { module: ts.ModuleKind.CommonJS, target: target(file) } })
        .outputText,
      file,
    );
  };
}

interface Spec {
  fullName: string;
  status: "passed" | "failed" | "pending" | "excluded";
  failedExpectations: { message: string }[];
}

interface JasmineEnv {
  configure(options: object): void;
  addReporter(reporter: { specDone(spec: Spec): void }): void;
  execute(): Promise<unknown>;
}

async function main(): Promise<void> {
  useSources();
  const { installGlobals, jasmine } = require("jasmine-core") as {
    installGlobals: () => void;
    jasmine: { getEnv(): JasmineEnv; DEFAULT_TIMEOUT_INTERVAL: number };
  };
  installGlobals();
  jasmine.DEFAULT_TIMEOUT_INTERVAL = 20_000;
  const env = jasmine.getEnv();
  env.configure({ random: false, forbidDuplicateNames: false });
  const { registerNative } = require("../../../src/engine/native/backend.js") as {
    registerNative: (files: object, options: object) => void;
  };
  require("@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops");
  require("@tensorflow/tfjs-core/dist/register_all_gradients");
  registerNative(findLibraries(nativeFolder(), "ams engine install"), { threads: 1 });
  const util = require("@tensorflow/tfjs-core/dist/jasmine_util") as { setTestEnvs(envs: object[]): void };
  util.setTestEnvs([{ name: "test-tensorflow", backendName: "tensorflow", flags: {}, isDataSync: true }]);
  const files = [...readFileSync(path.join(core, "tests.js"), "utf8").matchAll(/^import '\.\/(.+)';$/gm)].map(
    (m) => m[1]!,
  );
  files.forEach((file) => void require(path.join(core, `${file}.js`)));

  const result = { passed: 0, failed: {} as Record<string, string>, skipped: 0 };
  env.addReporter({
    specDone: ({ fullName, status, failedExpectations }) => {
      if (status === "passed") result.passed += 1;
      else if (status === "failed") result.failed[fullName] = failedExpectations[0]?.message.split("\n", 1)[0] ?? "";
      else result.skipped += 1;
    },
  });
  await env.execute();
  writeSync(1, JSON.stringify(result) + "\n");
  process.exit(0);
}

void main();
