/** What JupyterLab's side panel shows of the runs: asked by a comm, answered from disk, also while a training runs. */
import { statSync } from "node:fs";
import path from "node:path";
import type { Comms } from "../../kernel/plugin.js";
import { thin } from "../plot/sparkline.js";
import { readRuns, readSteps, runFolder, type StoredRun } from "./runList.js";

/** The comm that the panel opens; each message asks once, and gets one answer. */
export const runsTarget = "ams.runs";

export interface PanelRun {
  name: string;
  recipe: string;
  status: StoredRun["status"];
  /** What went wrong in one that failed. */
  failure?: string;
  step: number;
  epochs: number;
  loss: number | null;
  /** The best validation rSum. */
  rsum: number | null;
  /** Losses from the first step to the last, thinned. */
  losses: (number | null)[];
  /** Milliseconds since 1970. */
  changed: number;
}

const mostRuns = 30;
const points = 120;
const curves = new Map<string, { key: string; losses: (number | null)[] }>();

export function serveRuns(comms: Comms): void {
  comms.register(runsTarget, (comm) => {
    const answer = (): void => comm.send({ runs: panelRuns() });
    comm.onMessage(answer);
    answer();
  });
}

/** The latest runs; a curve is read again only when its log has grown. */
export function panelRuns(): PanelRun[] {
  return readRuns()
    .slice(0, mostRuns)
    .map(({ name, recipe, status, failure, epochs, lastStep, changed }) => {
      const best = Math.max(...epochs.map(({ evaluation }) => evaluation?.rsum ?? -Infinity));
      return {
        name,
        recipe,
        status,
        ...(status === "failed" && failure !== undefined ? { failure } : {}),
        step: lastStep?.step ?? 0,
        epochs: epochs.length,
        loss: finite(lastStep?.loss ?? NaN),
        rsum: finite(best),
        losses: curveOf(name),
        changed: changed.getTime(),
      };
    });
}

function curveOf(name: string): (number | null)[] {
  const { size, mtimeMs } = statSync(path.join(runFolder(name), "steps.jsonl"));
  const key = `${size} ${mtimeMs}`;
  const known = curves.get(name);
  if (known?.key === key) return known.losses;
  const losses = thin(
    readSteps(name).map(({ loss }) => loss),
    points,
  ).map(finite);
  curves.set(name, { key, losses });
  return losses;
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? Number(value.toPrecision(5)) : null;
}
