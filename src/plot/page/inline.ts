/** The script inside a saved figure: turns every still of the document that it has not met yet into an explorer. */
import type { ExplorerSpec } from "../explorerMaps.js";
import { mountExplorer } from "./explorer.js";

for (const place of document.querySelectorAll<HTMLElement>("[data-ams-explorer]:not([data-ready])")) {
  const data = place.querySelector("script[type='application/json']")?.textContent;
  const still = place.querySelector<HTMLElement>("[data-still]");
  if (typeof data !== "string" || still === null) continue;
  place.dataset["ready"] = "";
  const root = document.createElement("div");
  try {
    if (mountExplorer(root, JSON.parse(data) as ExplorerSpec) !== undefined) continue; // the still stays
  } catch {
    continue; // also where somebody has changed the data
  }
  still.hidden = true;
  place.append(root);
}
