/** What the file system says when a set cannot be written, as something a person can mend. */
import { AmsError } from "../../errors.js";

const full = ["ENOSPC", "EDQUOT"];
const refused = ["EACCES", "EPERM", "EROFS", "ENOTDIR", "EEXIST", "ENAMETOOLONG"];

/** An AmsError for a full disk or a place that cannot be written; every other error as it is. */
export function writeError(error: unknown, where: string): unknown {
  const code = (error as NodeJS.ErrnoException | undefined)?.code ?? "";
  const place = "choose another place with the variable AMS_HOME (or, from code, the option folder)";
  if (full.includes(code)) {
    return new AmsError("the disk is full: the scenes could not be written", {
      where,
      hint: `free some space, or ${place}`,
      cause: error,
    });
  }
  if (refused.includes(code)) {
    return new AmsError(`the scenes could not be written (${code})`, { where, hint: place, cause: error });
  }
  return error;
}
