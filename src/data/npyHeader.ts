/** The header of NumPy's .npy files: type, order and shape of the array behind it. Format: numpy.lib.format, versions 1 to 3. */

/** What every such file begins with. */
export const npyMagic = "\x93NUMPY";

export interface NpyHeader {
  /** Type of the numbers, e.g. "<f4"; "records" where the header names several. */
  type: string;
  /** True: columns first; false: rows first; undefined where the header does not say. */
  fortranOrder: boolean | undefined;
  /** Undefined where the header has none. */
  shape: number[] | undefined;
  /** Where the numbers begin, in bytes. */
  dataAt: number;
}

/**
 * Reads a header.
 * @param read the bytes of the file from a position on; fewer than asked for at its end, or it throws
 * @param fail throws the caller's error for a file that is none
 */
export function readNpyHeader(
  read: (position: number, length: number) => Buffer,
  fail: (what: string) => never,
): NpyHeader {
  const start = read(0, 12);
  if (start.length < 12 || start.toString("latin1", 0, 6) !== npyMagic) fail("it does not begin as one");
  const wide = (start[6] ?? 0) > 1;
  const headerAt = wide ? 12 : 10;
  const length = wide ? start.readUInt32LE(8) : start.readUInt16LE(8);
  const text = read(headerAt, length).toString("latin1");
  const order = /'fortran_order'\s*:\s*(True|False)/.exec(text)?.[1];
  return {
    type: /'descr'\s*:\s*'([^']*)'/.exec(text)?.[1] ?? "records",
    fortranOrder: order === undefined ? undefined : order === "True",
    shape: /'shape'\s*:\s*\(([^)]*)\)/
      .exec(text)?.[1]
      ?.split(",")
      .filter((part) => part.trim() !== "")
      .map(Number),
    dataAt: headerAt + length,
  };
}
