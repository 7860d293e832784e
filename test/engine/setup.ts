/** Puts the native engine in place for the tests, once. */
import { silentContext } from "../../src/context.js";
import { installNative } from "../../src/engine/index.js";
import { unsupported } from "../../src/engine/native/files.js";

let installed: Promise<boolean> | undefined;

/** Installs TensorFlow's libraries when they are missing -> false where the platform has none. */
export function nativeHere(): Promise<boolean> {
  installed ??=
    unsupported() === undefined ? installNative({}, silentContext).then(() => true) : Promise.resolve(false);
  return installed;
}
