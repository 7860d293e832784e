/** The progress of one magic as one display that is updated in place, and ends as what the work itself wants to show. */
import type { Progress } from "../../src/context.js";
import { escapeHtml } from "./html.js";
import type { MimeBundle } from "../plugin.js";

/** Milliseconds between two pictures. */
const interval = 250;

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
  let shownAt = -Infinity;
  let drawn = false;
  let drawnState: Progress | undefined;
  let timer: NodeJS.Timeout | undefined;
  const draw = (final: boolean): MimeBundle | undefined => {
    clearTimeout(timer);
    timer = undefined;
    if (latest === undefined) return undefined;
    const bundle = final ? finalPicture(latest) : picture(latest);
    show(bundle, drawn);
    drawn = true;
    drawnState = latest;
    shownAt = performance.now();
    return bundle;
  };
  return {
    update(progress) {
      latest = { ...progress };
      const wait = shownAt + interval - performance.now();
      if (wait <= 0) draw(false);
      else
        timer ??= setTimer(() => {
          draw(false);
        }, wait);
    },
    finish(stopped = false) {
      if (stopped && latest !== undefined && latest.display === undefined) {
        const { note } = latest;
        latest = { ...latest, note: note === undefined ? "stopped" : `${note}, stopped` };
      }
      // A bar without a picture of its own is already final when its last state is drawn.
      const own = latest?.display !== undefined;
      const last = own || latest !== drawnState ? draw(true) : undefined;
      latest = undefined;
      return own ? last : undefined;
    },
  };
}

/** A bar over the work's own picture. */
function picture(progress: Progress): MimeBundle {
  const own = progress.display?.();
  const below = own?.["text/html"] ?? own?.["image/svg+xml"];
  return {
    "text/html": bar(progress) + (typeof below === "string" ? below : ""),
    "text/plain": line(progress) + (own === undefined ? "" : `\n${own["text/plain"]}`),
  };
}

/** The work's own picture alone; the bar where it has none. */
function finalPicture(progress: Progress): MimeBundle {
  return progress.display?.() ?? { "text/html": bar(progress), "text/plain": line(progress) };
}

function line({ label, done, total, note }: Progress): string {
  return `${label}: ${String(done)}/${String(total)}${note === undefined ? "" : `, ${note}`}`;
}

function bar({ label, done, total, note }: Progress): string {
  const share = total > 0 ? Math.min(1, Math.max(0, done / total)) : 0;
  const percent = (share * 100).toFixed(1);
  const cell = "display:inline-block;vertical-align:middle";
  return (
    `<div style="font-family:var(--jp-code-font-family,monospace);font-size:13px;margin:2px 0">` +
    `<span style="${cell};margin-right:8px">${escapeHtml(label)}</span>` +
    `<span style="${cell};width:200px;height:10px;border-radius:5px;background:rgba(128,128,128,.3);overflow:hidden">` +
    `<span style="display:block;height:10px;width:${percent}%;background:#2a7de1"></span></span>` +
    `<span style="${cell};margin-left:8px">${String(done)}/${String(total)}${note === undefined ? "" : ` · ${escapeHtml(note)}`}</span></div>`
  );
}
