/** The plan of a training as rows of the model's table. */
import { formatBytes } from "../../display.js";
import type { TrainingPlan } from "../../train/plan.js";
import { formatCount, formatSeconds } from "./format.js";

export function planRows(plan: TrainingPlan): [string, string][] {
  const { batchSize, epochs, flops, precision, memory, advice, speed, training } = plan;
  const hours = training?.hours;
  const saves = memory.recomputed < memory.needed;
  return [
    [
      "a step",
      `${batchSize} pairs in ${precision}, ${formatFlops(flops.total)}FLOP (encoders ${formatFlops(flops.encoders)}, scores ${formatFlops(flops.scores)})`,
    ],
    [
      "memory",
      `${formatBytes(memory.needed)} for a step${saves ? `, ${formatBytes(memory.recomputed)} with --recompute` : ""}, ${Math.round(100 * (memory.margin - 1))} % to spare included; ${formatBytes(memory.available)} are available` +
        (advice === undefined ? "" : `: ${advice}`),
    ],
    ...(speed === undefined
      ? []
      : ([
          ["speed", `${formatFlops(speed.flops)}FLOP/s measured here: ${formatSeconds(speed.secondsPerStep)} a step`],
        ] as [string, string][])),
    [
      "training",
      training === undefined
        ? `${epochs} epochs; open a data set (or give --data) to see how long that takes`
        : `${epochs} epochs of ${formatCount(training.pairs)} pairs (${training.data}, ${training.split}), ${formatCount(training.steps)} steps` +
          (hours === undefined ? "" : `: about ${formatSeconds(3600 * hours)}, without loading images and validation`),
    ],
  ];
}

/** 12.5e12 -> "12.5 T"; to be followed by a unit. */
function formatFlops(value: number): string {
  const [size, prefix] = (
    [
      [1e15, "P"],
      [1e12, "T"],
      [1e9, "G"],
      [1e6, "M"],
      [1e3, "k"],
    ] as const
  ).find(([least]) => value >= least) ?? [1, ""];
  return `${(value / size).toPrecision(3)} ${prefix}`;
}
