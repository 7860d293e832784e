/** Every command that computes starts the engine first, and says once when it is a slower one than could be. */
import type { Context } from "../context.js";
import type { EngineInfo } from "../engine/types.js";
import type { Session } from "./session.js";

export async function wantEngine(context: Context, session: Session): Promise<EngineInfo> {
  const { startEngine } = await import("../engine/index.js");
  const info = await startEngine();
  if (info.warning !== undefined && session.saidWarning !== info.warning) {
    session.saidWarning = info.warning;
    context.note(info.warning);
  }
  return info;
}
