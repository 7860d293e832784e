/** The attention explorer: what every word of a caption looks at, to be asked with mouse, fingers, keyboard or screen reader. */
import {
  branches,
  specProblem,
  summedMap,
  unpackScale,
  wordMap,
  wordMargin,
  type Branch,
  type ExplorerSpec,
  type ExplorerView,
  type Products,
} from "../explorerMaps.js";
import { heatColour, heatLevel, heatLevels, trueBox } from "../palette.js";
import { choice, element, rove } from "./dom.js";
import { explorerStyle } from "./style.js";

/** A scale by its index, or all of them. */
type Scale = number | "sum";

interface Place {
  x: number;
  y: number;
}

interface State {
  /** The word that is looked at, in each view. */
  words: number[];
  scale: Scale;
  branch: Branch;
  /** Added to each model's own threshold. */
  shift: number;
  /** Where a patch was chosen: its middle, as fractions of the image, since compared models may have other grids. */
  place: Place | undefined;
  boxes: boolean;
}

const branchNames: Record<Branch, { name: string; what: string; value: string }> = {
  match: {
    name: "match",
    what: "positive branch: attention over the regions above the threshold",
    value: "weight",
  },
  mismatch: { name: "mismatch", what: "negative branch: how far regions lie below the threshold", value: "distance" },
  relevance: { name: "relevance", what: "attention over all regions, normalised among the words", value: "weight" },
  similarity: { name: "similarity", what: "word-region products, where positive", value: "product" },
};

/** Draws the explorer into an empty element; returns what is wrong when the data is not an explorer's. */
export function mountExplorer(root: HTMLElement, spec: ExplorerSpec): string | undefined {
  const problem = specProblem(spec);
  if (problem !== undefined) return problem;
  const { views, title } = spec;
  const scaleCount = Math.max(...views.map(({ scales }) => scales.length));
  const state: State = {
    words: [],
    scale: scaleCount > 1 ? "sum" : 0,
    branch: offered(views)[0] ?? "match",
    shift: 0,
    place: undefined,
    boxes: true,
  };
  const data = views.map((view) => ({ view, scales: view.scales.map(unpackScale) }));
  const same = views.every(({ words }) => words.map((w) => w.label).join("\n") === views[0]?.words.map((w) => w.label).join("\n")); // prettier-ignore
  state.words = same ? data.map(() => firstWord(data[0]!)) : data.map(firstWord);
  const change = (next: Partial<State>): void => {
    Object.assign(state, next);
    draw();
  };
  const pickWord = (view: number, word: number, pin: boolean): void => {
    const words = state.words.map((before, v) => (v === view || same ? word : before));
    if (pin) change({ words });
    else draw({ ...state, words });
  };
  const panels = data.map((each, v) =>
    panel(each, views.length > 1, {
      pickWord: (word, pin) => pickWord(v, word, pin),
      leave: () => draw(),
      pickPlace: (place) => change({ place }),
      pickScale: (scale) => change({ scale }),
    }),
  );
  const controls = controlBar(data, change);

  const draw = (shown: State = state): void => {
    controls.show(shown);
    panels.forEach((each, v) => each.show(shown, shown.words[v] ?? 0));
  };
  root.className = "ams-explorer";
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", title);
  root.setAttribute("data-lm-suppress-shortcuts", "true"); // keys belong to the explorer, not to the notebook's commands
  root.append(
    element("style", {}, explorerStyle),
    element("h4", {}, title),
    controls.root,
    element("div", { class: "views" }, ...panels.map((each) => each.root)),
  );
  draw();
  return undefined;
}

interface Loaded {
  view: ExplorerView;
  scales: Products[];
}

/** The maps that each of the views has; all where they have none in common. */
function offered(views: readonly ExplorerView[]): readonly Branch[] {
  const common = branches.filter((branch) => views.every((view) => view.branches?.includes(branch) ?? true));
  return common.length > 0 ? common : branches;
}

/** Whether the score matches words with regions; that of a pooled model only has their products to show, and no threshold. */
function matches({ branches: own }: ExplorerView): boolean {
  return own?.includes("match") ?? true;
}

/** The word of the caption that clears the threshold by most, over all scales. */
function firstWord({ view, scales }: Loaded): number {
  const margins = view.words.map((word, w) =>
    word.special ? -Infinity : scales.reduce((sum, scale) => sum + wordMargin(scale, w, view.threshold), 0),
  );
  return Math.max(0, margins.indexOf(Math.max(...margins)));
}

/** The map of a word at a scale or summed; undefined where the model lacks the scale. */
function mapOf({ view, scales }: Loaded, word: number, { scale, branch, shift }: State): Float32Array | undefined {
  const threshold = view.threshold + shift;
  if (scale === "sum") return summedMap(scales, word, branch, threshold);
  return scales[scale] === undefined ? undefined : wordMap(scales[scale], word, branch, threshold);
}

/**
 * How many of the shown scales match a word, as a share of them, and its largest margin there; undefined where the model lacks the scale
 * or matches nothing anywhere.
 */
function support(
  { view, scales }: Loaded,
  word: number,
  { scale, shift }: State,
): { share: number; margin: number } | undefined {
  const asked = scale === "sum" ? scales : scales.slice(scale, scale + 1);
  if (asked.length === 0 || !matches(view)) return undefined;
  const margins = asked.map((each) => wordMargin(each, word, view.threshold + shift));
  return {
    share: margins.filter((margin) => margin > 0).length / margins.length,
    margin: Math.max(...margins),
  };
}

function controlBar(
  data: Loaded[],
  change: (next: Partial<State>) => void,
): { root: HTMLElement; show: (s: State) => void } {
  const branch = choice(
    "Map",
    offered(data.map(({ view }) => view)).map((value) => ({
      value,
      text: branchNames[value].name,
      title: branchNames[value].what,
    })),
    (value) => change({ branch: value }),
  );
  // The slider reaches all products of either model that has a threshold.
  const matching = data.filter(({ view }) => matches(view));
  const [low, high] = matching
    .flatMap(({ view, scales }) =>
      scales.map(({ products }) => [lowest(products) - view.threshold, highest(products) - view.threshold] as const),
    )
    .reduce(([a, b], [c, d]) => [Math.min(a, c), Math.max(b, d)], [0, 0]);
  const slider = element("input", {
    type: "range",
    min: String(low),
    max: String(high),
    step: String((high - low) / 200 || 1),
    value: "0",
    "aria-label": "threshold",
    keydown: (event) => event.stopPropagation(), // its arrows move it; JupyterLab would go to the next cell
    input: () => change({ shift: Math.abs(Number(slider.value)) < (high - low) / 300 ? 0 : Number(slider.value) }),
  });
  const value = element("span", {});
  const reset = element(
    "button",
    { type: "button", title: "the threshold that the model scores with", click: () => change({ shift: 0 }) },
    "the model's own",
  );
  const threshold = element("div", { class: "group" }, element("label", {}, "Threshold: ", slider), value, reset);
  const hasBoxes = data.some(({ view }) => view.words.some(({ boxes }) => boxes.length > 0));
  const boxes = element("input", { type: "checkbox", change: () => change({ boxes: boxes.checked }) });
  const legend = element("span", { class: "legend", role: "img", "aria-label": "from nothing to the strongest patch" });
  legend.style.backgroundImage = `linear-gradient(90deg,${Array.from({ length: heatLevels }, (_, i) => rgba(i)).join()})`;
  return {
    root: element(
      "div",
      { class: "bar" },
      branch.root,
      ...(matching.length > 0 ? [threshold] : []),
      ...(hasBoxes ? [element("label", { class: "group" }, boxes, " boxes of phrases")] : []),
      element("span", {}, "0 ", legend, " strongest patch"),
    ),
    show: (state) => {
      branch.show(state.branch);
      slider.value = String(state.shift);
      boxes.checked = state.boxes;
      const values = matching.map(({ view }) => (view.threshold + state.shift).toFixed(3));
      const text = [...new Set(values)].join(" and ");
      value.textContent = text;
      slider.setAttribute("aria-valuetext", text);
      reset.disabled = state.shift === 0;
    },
  };
}

interface Actions {
  pickWord(word: number, pin: boolean): void;
  leave(): void;
  pickPlace(place: Place | undefined): void;
  pickScale(scale: Scale): void;
}

interface Panel {
  root: HTMLElement;
  show(state: State, word: number): void;
}

function panel(loaded: Loaded, named: boolean, actions: Actions): Panel {
  const { view, scales } = loaded;
  const caption = captionOf(view, actions);
  const stage = stageOf(view, actions);
  const said = element("p", { class: "said", "aria-live": "polite" });
  const list = element("ul", { class: "words", "aria-label": "words that look at the chosen patch" });
  const heard = element("p", { class: "heard", role: "status" });
  const all: Scale[] = scales.length > 1 ? [...scales.keys(), "sum"] : [0];
  const thumbs = all.map((scale) => {
    const { thumb, canvas } = thumbnailOf(view);
    const about = scale === "sum" ? undefined : view.scales[scale];
    const total = view.scales.reduce((sum, { score, weight = 1 }) => sum + weight * score, 0);
    const weighted = view.scales.some(({ weight = 1 }) => weight !== 1);
    const button = element(
      "button",
      {
        type: "button",
        "aria-label": scale === "sum" ? "sum of the scales" : `${about?.name ?? ""} ${about?.detail ?? ""}`,
        ...(weighted
          ? { title: scale === "sum" ? "each scale times its learned weight" : "score, and its weight in the sum" }
          : {}),
        click: () => actions.pickScale(scale),
      },
      thumb,
      scale === "sum" ? "sum" : (about?.name ?? ""),
      element("small", {}, about?.detail ?? ""),
      element("small", {}, `S = ${(about?.score ?? total).toFixed(2)}`),
      ...(about !== undefined && weighted ? [element("small", {}, `× ${(about.weight ?? 1).toFixed(2)}`)] : []),
    );
    return { scale, button, canvas };
  });
  const scaleRow = element(
    "div",
    { class: "scales", role: "group", "aria-label": "scales" },
    ...thumbs.map(({ button }) => button),
  );
  rove(scaleRow);
  const table = tableOf(loaded, all, actions);
  let live: State | undefined;
  table.root.addEventListener("toggle", () => {
    if (live !== undefined) table.show(live);
  });
  return {
    root: element(
      "section",
      { class: "view", "aria-label": view.name },
      ...(named ? [element("h4", {}, view.name)] : []),
      caption.root,
      element("div", { class: "body" }, stage.root, element("div", { class: "side" }, said, list, heard)),
      scaleRow,
      table.root,
    ),
    show: (state, word) => {
      live = state;
      const map = mapOf(loaded, word, state);
      caption.show(state, loaded, word);
      stage.show(state, map, view.words[word]?.boxes ?? []);
      for (const { scale, button, canvas } of thumbs) {
        button.setAttribute("aria-pressed", String(scale === state.scale));
        paint(canvas, view, mapOf(loaded, word, { ...state, scale }));
      }
      const text = describe(loaded, word, state, map);
      if (said.textContent !== text) said.textContent = text;
      showWords(list, heard, loaded, state, actions);
      table.show(state);
    },
  };
}

/** What a screen reader is told, and everybody sees, of the word at the chosen scale. */
function describe(loaded: Loaded, word: number, state: State, map: Float32Array | undefined): string {
  const { view } = loaded;
  const label = `“${view.words[word]?.label ?? ""}”`;
  const at = state.scale === "sum" ? "summed over the scales" : `at ${view.scales[state.scale]?.name ?? "this scale"}`;
  const found = support(loaded, word, state);
  if (map === undefined) return noScale(view, state);
  const matched =
    found === undefined
      ? "."
      : found.share === 0
        ? `: no region matches it (best ${(-found.margin).toFixed(2)} below the threshold).`
        : state.scale === "sum"
          ? `: matched at ${Math.round(found.share * view.scales.length)} of ${view.scales.length} scales.`
          : `: matched, best region ${found.margin.toFixed(2)} above the threshold.`;
  const patches = map.subarray(view.hasCls ? 1 : 0);
  const top = highest(patches);
  const { value } = branchNames[state.branch];
  const best = patches.indexOf(top);
  const strongest =
    top > 0
      ? ` Strongest patch: ${placeOf(best, view.grid)}, ${value} ${top.toFixed(2)}.`
      : ` No patch has a ${value} above 0.`;
  const cls = view.hasCls && (map[0] ?? 0) >= 0.005 ? ` Whole image: ${(map[0] ?? 0).toFixed(2)}.` : "";
  return `${label} ${at}${matched}${strongest}${cls}`;
}

/** What stands in place of a map that the model does not have: no word of it is matched or missed there. */
function noScale({ scales }: ExplorerView, { scale }: State): string {
  const has = scales.length === 1 ? "one scale" : `${scales.length} scales`;
  return `This model has no scale ${Number(scale) + 1}: it has ${has}.`;
}

function placeOf(patch: number, grid: number): string {
  return `row ${Math.floor(patch / grid) + 1}, column ${(patch % grid) + 1}`;
}

function captionOf(
  view: ExplorerView,
  actions: Actions,
): { root: HTMLElement; show: (state: State, loaded: Loaded, word: number) => void } {
  const buttons: { word: number; button: HTMLButtonElement }[] = [];
  const chip = (word: number, text: string): HTMLButtonElement => {
    const button = element(
      "button",
      {
        type: "button",
        click: () => actions.pickWord(word, true),
        focus: () => actions.pickWord(word, false),
        blur: () => actions.leave(),
        pointerenter: () => actions.pickWord(word, false),
        pointerleave: () => actions.leave(),
      },
      text,
    );
    buttons.push({ word, button });
    return button;
  };
  const parts = view.caption.map(({ text, word, cut }) =>
    word !== undefined && view.words[word] !== undefined
      ? chip(word, text)
      : element(
          "span",
          cut === true ? { class: "cut", title: "cut off: the caption is longer than the model reads" } : {},
          text,
        ),
  );
  const specials = view.words.flatMap(({ special, label }, w) => (special ? [" ", chip(w, label)] : []));
  const root = element(
    "div",
    { class: "caption", role: "group", "aria-label": "words of the caption" },
    ...parts,
    element("span", { class: "special" }, ...specials),
  );
  rove(root);
  return {
    root,
    show: (state, loaded, chosen) => {
      for (const { word, button } of buttons) {
        const share = support(loaded, word, state)?.share;
        button.setAttribute("aria-pressed", String(word === chosen));
        button.classList.toggle("none", share === 0);
        button.style.setProperty("--support", share ? (0.12 + 0.33 * share).toFixed(2) : "0");
        const matched =
          share === undefined
            ? matches(view)
              ? ", not asked: the model lacks this scale"
              : ""
            : share === 0
              ? ", no region matches"
              : `, matched at ${Math.round(share * 100)} % of the scales shown`;
        button.setAttribute("aria-label", `${view.words[word]?.label ?? ""}${matched}`);
      }
    },
  };
}

/** The image with the map over it; clicks and arrow keys choose a patch. */
function stageOf(
  view: ExplorerView,
  actions: Actions,
): { root: HTMLElement; show: (state: State, map: Float32Array | undefined, boxes: Box[]) => void } {
  const { grid } = view;
  const image = element("img", { alt: "the image of this caption", src: view.picture, draggable: "false" });
  const canvas = canvasOf(view);
  const marks = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  marks.setAttribute("viewBox", "0 0 1 1");
  marks.setAttribute("preserveAspectRatio", "none");
  let patch: number | undefined;
  const root = element(
    "div",
    {
      class: "stage",
      tabindex: "0",
      role: "application",
      "aria-roledescription": "patches",
      "aria-label": `image in ${grid} by ${grid} patches: arrow keys choose one, Escape none`,
      click: (event) => {
        const { left, top, width, height } = root.getBoundingClientRect();
        const { clientX, clientY } = event as MouseEvent;
        const clicked = patchAt({ x: (clientX - left) / width, y: (clientY - top) / height }, grid);
        actions.pickPlace(clicked === patch ? undefined : middleOf(clicked, grid));
      },
      keydown: (event) => {
        const { key } = event as KeyboardEvent;
        const move = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[key];
        if (move === undefined && key !== "Escape") return;
        event.preventDefault();
        event.stopPropagation();
        actions.pickPlace(move === undefined ? undefined : middleOf(neighbour(patch, move, grid), grid));
      },
    },
    image,
    canvas,
  );
  root.append(marks);
  root.style.setProperty("--wide", `${Math.round(Math.min(360, 360 / view.aspect))}px`);
  root.style.aspectRatio = `1 / ${view.aspect}`;
  return {
    root,
    show: (state, map, boxes) => {
      patch = state.place === undefined ? undefined : patchAt(state.place, grid);
      paint(canvas, view, map);
      canvas.dataset["strongest"] = map === undefined ? "" : String(highest(map.subarray(view.hasCls ? 1 : 0)));
      const picked =
        patch === undefined
          ? []
          : [{ x: (patch % grid) / grid, y: Math.floor(patch / grid) / grid, width: 1 / grid, height: 1 / grid }];
      marks.replaceChildren(
        ...(state.boxes ? boxes : []).flatMap((box) => [outline(box, "#000", 4), outline(box, trueBox, 2)]),
        ...picked.flatMap((box) => [outline(box, "#fff", 4), outline(box, "#d55e00", 2)]),
      );
    },
  };
}

/** The patch that holds a place, by its number, row by row. */
function patchAt({ x, y }: Place, grid: number): number {
  const at = (f: number): number => Math.max(0, Math.min(grid - 1, Math.floor(f * grid)));
  return at(y) * grid + at(x);
}

function middleOf(patch: number, grid: number): Place {
  return { x: ((patch % grid) + 0.5) / grid, y: (Math.floor(patch / grid) + 0.5) / grid };
}

/** The patch beside another, at the edge the same one; the middle where none was chosen. */
function neighbour(patch: number | undefined, [right = 0, down = 0]: number[], grid: number): number {
  const middle = Math.floor(grid / 2);
  if (patch === undefined) return middle * grid + middle;
  const inside = (at: number): number => Math.max(0, Math.min(grid - 1, at));
  return inside(Math.floor(patch / grid) + down) * grid + inside((patch % grid) + right);
}

type Box = ExplorerView["words"][number]["boxes"][number];

function outline({ x, y, width, height }: Box, colour: string, thick: number): SVGRectElement {
  const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  for (const [name, value] of Object.entries({ x, y, width, height, stroke: colour, "stroke-width": thick }))
    rect.setAttribute(name, String(value));
  rect.setAttribute("fill", "none");
  rect.setAttribute("vector-effect", "non-scaling-stroke");
  return rect;
}

/** The words in the order of what they have at the chosen patch: as a list, and in one line to be heard where the patch is chosen by keys. */
function showWords(list: HTMLElement, heard: HTMLElement, loaded: Loaded, state: State, actions: Actions): void {
  const { view } = loaded;
  const patch = state.place === undefined ? undefined : patchAt(state.place, view.grid);
  // Made anew only when it changes: a press that moves the focus redraws, and would take the button away before it is let go.
  const key = JSON.stringify([patch, state.scale, state.branch, state.shift]);
  if (list.dataset["key"] === key) return;
  list.dataset["key"] = key;
  if (patch === undefined) {
    list.replaceChildren(element("li", { style: "display:block" }, "Choose a patch to see which words look at it."));
    heard.textContent = "";
    return;
  }
  const rows = view.words
    .map((word, w) => ({ label: word.label, w, value: mapOf(loaded, w, state)?.[patch + (view.hasCls ? 1 : 0)] ?? 0 }))
    .filter(({ value }) => value > 0)
    .sort((a, b) => b.value - a.value)
    .slice(0, 8);
  const most = rows[0]?.value ?? 1;
  const place = placeOf(patch, view.grid);
  const heading = element(
    "li",
    { style: "display:block" },
    state.scale !== "sum" && loaded.scales[state.scale] === undefined
      ? `Patch ${place}: ${noScale(view, state)}`
      : rows.length === 0
        ? `No word looks at patch ${place}.`
        : `Words that look at patch ${place}:`,
  );
  heard.textContent = `${heading.textContent} ${rows.map(({ label, value }) => `${label} ${value.toFixed(2)}`).join(", ")}`;
  list.replaceChildren(
    heading,
    ...rows.map(({ label, w, value }) => {
      const bar = element("i", {});
      bar.style.width = `${(100 * value) / most}%`;
      return element(
        "li",
        {},
        element("button", { type: "button", click: () => actions.pickWord(w, true) }, label),
        bar,
        element("span", {}, value.toFixed(3)),
      );
    }),
  );
}

/** Every word at every scale, drawn when it is opened. */
function tableOf(
  loaded: Loaded,
  all: Scale[],
  actions: Actions,
): { root: HTMLDetailsElement; show: (state: State) => void } {
  const { view } = loaded;
  const root = element("details", {}, element("summary", {}, "All words at every scale"));
  let cells: { word: number; scale: Scale; canvas: HTMLCanvasElement; head: HTMLElement }[] | undefined;
  const build = (): NonNullable<typeof cells> => {
    const made: NonNullable<typeof cells> = [];
    const heads = all.map((scale) => element("th", { scope: "col" }, scale === "sum" ? "sum" : (view.scales[scale]?.name ?? ""))); // prettier-ignore
    const rows = view.words.map(({ label }, word) => {
      const head = element("th", { scope: "row" }, label);
      const maps = all.map((scale) => {
        const { thumb, canvas } = thumbnailOf(view);
        made.push({ word, scale, canvas, head });
        const name = `${label}, ${scale === "sum" ? "sum" : (view.scales[scale]?.name ?? "")}`;
        const pick = (): void => {
          actions.pickScale(scale);
          actions.pickWord(word, true);
        };
        return element("td", {}, element("button", { type: "button", "aria-label": name, click: pick }, thumb));
      });
      return element("tr", {}, head, ...maps);
    });
    const table = element("table", {}, element("tr", {}, element("td", {}), ...heads), ...rows);
    root.append(table);
    rove(table, all.length);
    return made;
  };
  return {
    root,
    show: (state) => {
      if (!root.open) return;
      cells ??= build();
      for (const { word, scale, canvas, head } of cells) {
        paint(canvas, view, mapOf(loaded, word, { ...state, scale }));
        head.classList.toggle("none", support(loaded, word, { ...state, scale: "sum" })?.share === 0);
      }
    },
  };
}

function thumbnailOf(view: ExplorerView): { thumb: HTMLElement; canvas: HTMLCanvasElement } {
  const canvas = canvasOf(view);
  const thumb = element("span", { class: "thumb" }, element("img", { alt: "", src: view.picture }), canvas);
  thumb.style.aspectRatio = `1 / ${view.aspect}`;
  return { thumb, canvas };
}

function canvasOf({ grid }: ExplorerView): HTMLCanvasElement {
  return element("canvas", { width: String(grid), height: String(grid), "aria-hidden": "true" });
}

/** One pixel a patch, in the colours of the still figure; each map is scaled to its own strongest patch. */
function paint(canvas: HTMLCanvasElement, { grid, hasCls }: ExplorerView, map: Float32Array | undefined): void {
  const context = canvas.getContext("2d");
  if (context === null) return;
  const image = context.createImageData(grid, grid);
  const patches = map?.subarray(hasCls ? 1 : 0) ?? new Float32Array(grid * grid);
  const top = highest(patches);
  for (let i = 0; i < grid * grid; i++) image.data.set(heatColour(heatLevel(patches[i] ?? 0, top)), 4 * i);
  context.putImageData(image, 0, 0);
}

function rgba(level: number): string {
  const [r, g, b, a] = heatColour(level);
  return `rgba(${r},${g},${b},${(a / 255).toFixed(2)})`;
}

function highest(values: Float32Array): number {
  return values.reduce((a, b) => Math.max(a, b), -Infinity);
}

function lowest(values: Float32Array): number {
  return values.reduce((a, b) => Math.min(a, b), Infinity);
}
