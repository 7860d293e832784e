/** Whether saved outputs still look like what the cells show now: their kinds and labels, whatever the numbers are. */

export interface Output {
  output_type: string;
  name?: string;
  ename?: string;
  data?: Record<string, unknown>;
}
export interface Cell {
  cell_type: string;
  source: string | string[];
  outputs?: Output[];
  metadata?: { tags?: string[] };
}
/** A text as notebooks store it: one, or its lines. */
type Stored = string | string[] | undefined;
interface Titled {
  title?: { text?: string } | string;
}

const plotly = "application/vnd.plotly.v1+json";

/**
 * What differs between the outputs of a notebook's saved cells and those of a run of the same cells with other parameters, a line for
 * each cell that differs; empty where nothing does. An output's shape is its MIME types, a figure's titles and names of traces, and
 * the headers of a table. Numbers are not compared, nor how often a shape comes: epochs, seeds and pictures may be fewer.
 */
export function differences(saved: Cell[], executed: Cell[]): string[] {
  const [before, now] = [codeOf(saved), codeOf(executed)];
  if (before.length !== now.length) return [`${before.length} code cells are saved, ${now.length} were executed`];
  return before.flatMap((cell, i) => {
    const [old, current] = [shapesOf(cell), shapesOf(now[i]!)];
    const gone = [...old].filter((shape) => !current.has(shape)).map((shape) => `saved ${shape}`);
    const added = [...current].filter((shape) => !old.has(shape)).map((shape) => `now ${shape}`);
    const head = textOf(cell.source).split("\n")[0]!;
    return gone.length + added.length === 0 ? [] : [`code cell ${i + 1}, ${head}: ${[...gone, ...added].join("; ")}`];
  });
}

function codeOf(cells: Cell[]): Cell[] {
  return cells.filter((cell) => cell.cell_type === "code" && !cell.metadata?.tags?.includes("injected-parameters"));
}

function shapesOf({ outputs = [] }: Cell): Set<string> {
  return new Set(outputs.filter((output) => !isBar(output)).map(shapeOf));
}

/** A bar of progress comes where the work takes long, e.g. where scenes are not drawn yet. */
function isBar({ output_type, data = {} }: Output): boolean {
  return (
    output_type === "display_data" && /^<div[^>]*><span[^]*;width:[\d.]+%/.test(textOf(data["text/html"] as Stored))
  );
}

function shapeOf({ output_type, name, ename, data = {} }: Output): string {
  if (output_type === "stream") return `text on ${name}`;
  if (output_type === "error") return `error ${ename}`;
  const parts = Object.keys(data).sort();
  if (plotly in data) parts.push(figureShape(data[plotly] as Parameters<typeof figureShape>[0]));
  const headers = headersOf(textOf(data["text/html"] as Stored));
  if (headers.length > 0) parts.push(`columns ${headers.join(" | ")}`);
  return `${output_type}: ${parts.join(", ")}`;
}

function figureShape({
  data,
  layout,
}: {
  data: { name?: string }[];
  layout: Record<string, unknown> & Titled;
}): string {
  const axes = Object.keys(layout)
    .filter((key) => /^[xy]axis\d*$/.test(key))
    .sort()
    .map((key) => `${key} "${titleOf(layout[key] as Titled)}"`);
  const traces = new Set(data.map(({ name = "" }) => withoutNumbers(name)));
  return [`title "${titleOf(layout)}"`, ...axes, `traces ${[...traces].join(" | ")}`].join(", ");
}

function titleOf({ title = "" }: Titled): string {
  return withoutNumbers(typeof title === "string" ? title : (title.text ?? ""));
}

function textOf(stored: Stored): string {
  return [stored ?? ""].flat().join("");
}

function headersOf(html: string): string[] {
  const heads = html.match(/<thead[^]*?<\/thead>/g) ?? [];
  const cells = heads.flatMap((head) => [...head.matchAll(/<th\b[^>]*>([^]*?)<\/th>/g)]);
  return cells.map(([, content]) => withoutNumbers(content!.replace(/<[^>]*>/g, "").trim()));
}

/** Numbers as #; a name that ends in one or is cut short, as those of trainings, as NAME. */
function withoutNumbers(text: string): string {
  return text.replace(/[\w-]*…[\w-]*|[A-Za-z]\w*(-\w+)*-\d+\b/g, "NAME").replace(/\d+([.,]\d+)*/g, "#");
}
