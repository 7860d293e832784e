/** LanceDB (npm `@lancedb/lancedb`), the embedded vector store, loaded when an index is used and never before. */
import type { Table } from "apache-arrow";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { npmCommand } from "../npmCommand.js";
import { AmsError } from "../errors.js";
import { packageRoot } from "../paths.js";

/** The parts of it that are used here; the package is optional, so that its own types may be missing. */
/** Rows come all at once (`toArrow`) or, by iteration, batch by batch. */
export interface LanceQuery extends AsyncIterable<Pick<Table, "numRows" | "getChild">> {
  where(predicate: string): LanceQuery;
  select(columns: string[]): LanceQuery;
  limit(rows: number): LanceQuery;
  toArrow(): Promise<Table>;
}

export interface LanceTable {
  add(rows: Table): Promise<unknown>;
  delete(predicate: string): Promise<unknown>;
  countRows(): Promise<number>;
  query(): LanceQuery;
  vectorSearch(vector: Float32Array): LanceQuery & { distanceType(type: "dot"): LanceQuery };
  /** Joins small pieces, and removes versions older than the date and the rows deleted from the rest. */
  optimize(options: { cleanupOlderThan: Date }): Promise<unknown>;
  /** Oldest first. */
  listVersions(): Promise<{ timestamp: Date }[]>;
  stats(): Promise<{ fragmentStats: { numFragments: number } }>;
  close(): void;
}

export interface LanceConnection {
  openTable(name: string): Promise<LanceTable>;
  createTable(name: string, rows: Table, options: { mode: "overwrite" }): Promise<LanceTable>;
  close(): void;
}

interface Lance {
  connect: (folder: string) => Promise<LanceConnection>;
}

/**
 * The line that puts the package where the one in `root` finds it, beside the same copy of apache-arrow: into a clone, among the packages of
 * a project, or into the package itself where that holds its own (in a wheel, whose Node brings the npm, or installed for all users). Install scripts of
 * other makers' packages are not needed.
 */
export function lanceInstallation(root = packageRoot(), npm = npmCommand()): string {
  const around = path.dirname(root);
  const project = path.dirname(around);
  const ofPackages = path.basename(around) === "node_modules";
  if (ofPackages && existsSync(path.join(project, "package.json"))) {
    const { optionalDependencies } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")) as {
      optionalDependencies: Record<string, string>;
    };
    return `npm install --ignore-scripts --prefix "${project}" @lancedb/lancedb@${optionalDependencies["@lancedb/lancedb"]}`;
  }
  if (ofPackages || existsSync(path.join(around, "launch.py")))
    return `${npm} install --omit=dev --ignore-scripts --no-package-lock --prefix "${root}"`;
  return `npm install --include=optional --prefix "${root}"`;
}

/**
 * Loads the package. Throws an AmsError where it is not installed or has no binary for this machine (macOS on Intel, 32-bit systems); all but the
 * stored index works without it.
 */
export async function loadLance(load: (name: string) => Promise<unknown> = (name) => import(name)): Promise<Lance> {
  process.env["LANCEDB_LOG"] ??= "error"; // else it warns on the terminal of every table that it creates
  try {
    return (await load("@lancedb/lancedb")) as Lance;
  } catch (cause) {
    const reason = cause instanceof Error ? (cause.message.split("\n")[0] ?? "") : String(cause);
    throw new AmsError(`the vector store of the index cannot be loaded: ${reason}`, {
      where: `npm package @lancedb/lancedb on ${process.platform} ${process.arch}, Node ${process.versions.node}`,
      hint: `${lanceInstallation()} (it comes for Linux, Windows and macOS on Apple chips); searching without --index works meanwhile`,
      cause,
    });
  }
}
