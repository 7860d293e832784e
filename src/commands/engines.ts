/** Every command that computes starts the engine first, and says once what there is to know: a slower one than could be, a slow first run. */
import type { Context } from "../context.js";
import { mendable } from "../engine/refusals.js";
import type { Surroundings } from "../engine/surroundings.js";
import type { EngineInfo, PassedOver } from "../engine/types.js";
import type { Session } from "./session.js";

export async function wantEngine(context: Context, session: Session): Promise<EngineInfo> {
  const { startEngine } = await import("../engine/index.js");
  const info = await startEngine();
  sayOnce(info, context, session);
  return info;
}

/** Why `auto` does not use an engine, in one line. */
export function whyNot({ found, hint }: PassedOver): string {
  return hint === undefined ? found : `${found} (${hint})`;
}

/**
 * Notes in one line the engines passed over that something can be done about (`ams engine` and `ams doctor` have them all), and the
 * remark, unless this session has seen them. Tests give other machines.
 */
export function sayOnce(
  { name, passedOver = [], remark }: EngineInfo,
  context: Pick<Context, "note">,
  session: Session,
  machine?: Surroundings,
): void {
  const reasons = mendable(passedOver, machine).map((one) => `${one.name}: ${whyNot(one)}`);
  const slower = reasons.length === 0 ? undefined : `engine ${name}, not the faster ${reasons.join("; nor ")}`;
  const lines = [slower, remark].filter((line) => line !== undefined);
  const text = lines.join("\n");
  if (text === (session.saidOfEngine ?? "")) return;
  session.saidOfEngine = text;
  lines.forEach((line) => context.note(line));
}
