/** The progress of one magic as one display that is updated in place, and ends as what the work itself wants to show. */
import type { Progress } from "../../src/context.js";
import { escapeHtml } from "./html.js";
import type { MimeBundle } from "../plugin.js";

/** Milliseconds between two pictures: of a bar, and of work that draws its own, which is larger. */
const interval = { bar: 250, own: 1000 };
/** A picture that takes long is drawn more rarely: at most this share of the time goes into drawing. */
const drawingShare = 0.02;

export interface ProgressDisplay {
  update: (progress: Progress) => void;
  /**
   * Shows the last state for good; of work that was `stopped` it says so, since its count stays where it is.
   * Returns the work's own last picture, where it has one.
   */
  finish: (stopped?: boolean) => MimeBundle | undefined;
}

/** @param show draws the first picture or, with `update`, replaces it */
export function createProgressDisplay(
  show: (bundle: MimeBundle, update: boolean) => void,
  setTimer: (callback: () => void, ms: number) => NodeJS.Timeout,
): ProgressDisplay {
  let latest: Progress | undefined;
  let nextAt = -Infinity;
  let drawn = false;
  let drawnState: Progress | undefined;
  let timer: NodeJS.Timeout | undefined;
  const draw = (): MimeBundle | undefined => {
    clearTimeout(timer);
    timer = undefined;
    if (latest === undefined) return undefined;
    const began = performance.now();
    const bundle = picture(latest);
    show(bundle, drawn);
    drawn = true;
    drawnState = latest;
    const now = performance.now();
    nextAt = now + Math.max(latest.display === undefined ? interval.bar : interval.own, (now - began) / drawingShare);
    return bundle;
  };
  return {
    update(progress) {
      latest = { ...progress };
      // A stage is drawn as it begins: nothing may come between before it ends.
      const wait = progress.label === drawnState?.label ? nextAt - performance.now() : 0;
      if (wait <= 0) draw();
      else timer ??= setTimer(draw, wait);
    },
    finish(stopped = false) {
      if (stopped && latest !== undefined && latest.display === undefined) {
        const { note } = latest;
        latest = { ...latest, note: note === undefined ? "stopped" : `${note}, stopped` };
      }
      // A bar without a picture of its own is already final when its last state is drawn.
      const own = latest?.display !== undefined;
      const last = own || latest !== drawnState ? draw() : undefined;
      latest = undefined;
      return own ? last : undefined;
    },
  };
}

/** The work's own picture; a bar where it has none. */
function picture(progress: Progress): MimeBundle {
  return progress.display?.() ?? { "text/html": bar(progress), "text/plain": line(progress) };
}

/** "12/40" and the remark, as far as there are any. */
function details({ done, total, note }: Progress): string[] {
  return [...(total > 0 ? [`${String(done)}/${String(total)}`] : []), ...(note === undefined ? [] : [note])];
}

function line(progress: Progress): string {
  const rest = details(progress).join(", ");
  return rest === "" ? progress.label : `${progress.label}: ${rest}`;
}

function bar(progress: Progress): string {
  const { label, done, total } = progress;
  const percent = ((total > 0 ? Math.min(1, Math.max(0, done / total)) : 0) * 100).toFixed(1);
  const cell = "display:inline-block;vertical-align:middle";
  const track =
    `<span style="${cell};width:200px;height:10px;border-radius:5px;background:rgba(128,128,128,.3);overflow:hidden">` +
    `<span style="display:block;height:10px;width:${percent}%;background:#2a7de1"></span></span>`;
  return (
    `<div style="font-family:var(--jp-code-font-family,monospace);font-size:13px;margin:2px 0">` +
    `<span style="${cell};margin-right:8px">${escapeHtml(label)}</span>${total > 0 ? track : ""}` +
    `<span style="${cell};margin-left:8px">${details(progress).map(escapeHtml).join(" · ")}</span></div>`
  );
}
