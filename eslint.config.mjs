// Rules for the TypeScript of src, kernel, test and bench: typescript-eslint's strict set with type information.
import { defineConfig } from "eslint/config";
import tseslint from "typescript-eslint";

export default defineConfig(
  { ignores: ["build/", "node_modules/", "out/", ".ams/", "test/fixtures/**", "notebooks/", "models/"] },
  {
    files: ["{src,kernel,test,bench,lab}/**/*.ts"],
    extends: [...tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      // `array[i]!` inside a loop over the array's length; noUncheckedIndexedAccess would ask for a branch that cannot happen.
      "@typescript-eslint/no-non-null-assertion": "off",
      // Numbers and booleans read the same in a template as anywhere else.
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true, allowBoolean: true }],
      // Arrow functions that only call something are fine: `() => resolve()`.
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      "@typescript-eslint/consistent-type-imports": ["error", { disallowTypeAnnotations: false }],
      "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
      "no-console": "error",
      eqeqeq: "error",
    },
  },
  {
    // node:test's `test()` and `describe()` return promises that the runner itself waits for.
    files: ["test/**/*.ts"],
    rules: {
      "@typescript-eslint/no-floating-promises": [
        "error",
        {
          allowForKnownSafeCalls: [
            { from: "package", package: "node:test", name: ["test", "it", "describe", "suite"] },
          ],
        },
      ],
    },
  },
  {
    // Programs that talk to a person: the command line, the tests' own measurements and the benchmarks.
    files: ["src/cli.ts", "bench/**/*.ts", "kernel/main.ts"],
    rules: { "no-console": "off" },
  },
);
