// `npm run build`: packages when needed, then the compiled sources.
import { build, installPackages } from "./setup/packages.mjs";
import { main, step } from "./setup/steps.mjs";

await main(async () => {
  await step("npm packages", installPackages);
  await step("TypeScript", build);
});
