/** The compiler parts of tslab that the kernel uses, on the kernel's own TypeScript. */
import Module, { createRequire } from "node:module";
import ts from "typescript";

/** What tslab says of code that a console was given. */
interface Completeness {
  completed: boolean;
  /** White space that the next line may begin with; absent where the code is complete. */
  indent?: string;
}

type Converter = { isCompleteCode: (code: string) => Completeness };
let converter: Converter | undefined;

/** Whether something is still missing at the very end, and how deep the next line begins. */
export function isCompleteCode(code: string): Completeness {
  converter ??= loadConverter();
  return converter.isCompleteCode(code);
}

/** tslab asks for its patched copy of an older TypeScript; this part of it needs nothing of the patches. */
function loadConverter(): Converter {
  const loader = Module as unknown as { _load: (request: string, ...rest: unknown[]) => unknown };
  const load = loader._load;
  loader._load = (request, ...rest) => (request === "@tslab/typescript-for-tslab" ? ts : load(request, ...rest));
  try {
    return createRequire(__filename)("tslab/dist/converter") as Converter;
  } finally {
    loader._load = load;
  }
}
