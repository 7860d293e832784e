/** The side panel of runs: what was trained and what trains now, with its curve, asked of a kernel every few seconds. */
import type { PanelRun } from "../../src/commands/runsPanel.js";
import { element } from "../../src/plot/page/dom.js";
import type { App, Comm, Kernel, NotebookTracker, Widget, WidgetClass } from "../types/jupyter.js";

const target = "ams.runs";
const everyMilliseconds = 3000;
const panelId = "ams-runs";

export function addRunsPanel(
  app: App,
  notebooks: NotebookTracker,
  { Widget, icon, kernelName }: { Widget: WidgetClass; icon: unknown; kernelName: string },
): void {
  const panel = new Widget();
  panel.id = panelId;
  panel.title.caption = "AMS runs";
  if (icon === undefined) panel.title.label = "Runs";
  else panel.title.icon = icon;
  panel.addClass("ams-runs");
  const list = element("div", { class: "ams-runs-list", role: "list" });
  const remark = element("p", { class: "ams-runs-remark", "aria-live": "polite" });
  panel.node.append(element("style", {}, style), element("h2", {}, "AMS runs"), remark, list);
  keepAsking(panel, notebooks, kernelName, (runs) => {
    remark.textContent =
      runs === undefined
        ? "Open a notebook with the kernel TypeScript (AMS): its runs are listed here."
        : runs.length === 0
          ? "No runs yet: %ams train makes one."
          : "";
    showRuns(list, runs ?? []);
  });
  app.shell.add(panel, "left", { rank: 600 });
  app.commands.addCommand("ams:show-runs", {
    label: "Show AMS Runs",
    execute: () => app.shell.activateById(panelId),
  });
}

/** Asks while the panel is seen; undefined where no notebook has the kernel. */
function keepAsking(
  panel: Widget,
  notebooks: NotebookTracker,
  kernelName: string,
  show: (runs: PanelRun[] | undefined) => void,
): void {
  let line: { kernel: Kernel; comm: Comm } | undefined;
  let waiting = 0;
  const ask = (): void => {
    if (!panel.isVisible || document.hidden) return;
    const kernel = findKernel(notebooks, kernelName);
    if (kernel === undefined) {
      line = undefined;
      show(undefined);
      return;
    }
    // The same kernel may have been restarted: a comm that gives no answer for a while is opened anew.
    const lost = line === undefined || line.kernel !== kernel || line.comm.isDisposed || waiting > 5;
    waiting++;
    if (!lost) return void line?.comm.send({});
    waiting = 0;
    const comm = kernel.createComm(target);
    comm.onMsg = ({ content }) => {
      waiting = 0;
      if (line?.comm === comm) show((content.data as { runs?: PanelRun[] }).runs ?? []);
    };
    comm.onClose = () => {
      if (line?.comm === comm) line = undefined;
    };
    line = { kernel, comm };
    comm.open({});
  };
  setInterval(ask, everyMilliseconds);
  panel.onAfterShow = ask;
}

function findKernel(notebooks: NotebookTracker, name: string): Kernel | undefined {
  const found: Kernel[] = [];
  const take = (kernel: Kernel | null | undefined): void => {
    const alive =
      kernel && !kernel.isDisposed && !["starting", "restarting", "autorestarting", "dead"].includes(kernel.status);
    if (alive && kernel.name === name && kernel.handleComms) found.push(kernel);
  };
  take(notebooks.currentWidget?.sessionContext.session?.kernel);
  notebooks.forEach((each) => take(each.sessionContext.session?.kernel));
  return found[0];
}

function showRuns(list: HTMLElement, runs: PanelRun[]): void {
  list.replaceChildren(
    ...runs.map((run) => {
      const { name, recipe, status, failure, step, epochs, loss, rsum } = run;
      const facts = [
        `step ${step}`,
        ...(epochs > 0 ? [`${epochs} ${epochs === 1 ? "epoch" : "epochs"}`] : []),
        ...(loss === null ? [] : [`loss ${loss.toPrecision(3)}`]),
        ...(rsum === null ? [] : [`val rSum ${rsum.toFixed(1)}`]),
        ...(failure === undefined ? [] : [failure]),
      ];
      return element(
        "div",
        { class: `ams-run ${status}`, role: "listitem", title: new Date(run.changed).toLocaleString() },
        element("div", { class: "ams-run-name" }, element("b", {}, name), element("span", {}, status)),
        element("div", { class: "ams-run-facts" }, recipe),
        curve(run.losses, name),
        element(
          "div",
          { class: "ams-run-facts" },
          ...facts.flatMap((fact, i) => [...(i === 0 ? [] : [" · "]), element("span", {}, fact)]),
        ),
      );
    }),
  );
}

/** The loss as a line; a gap where it is not a number. */
function curve(losses: (number | null)[], name: string): SVGSVGElement {
  const [width, height] = [240, 40];
  const known = losses.filter((value) => value !== null);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("role", "img");
  svg.setAttribute("preserveAspectRatio", "none");
  const [first, last] = [known[0], known.at(-1)];
  svg.setAttribute(
    "aria-label",
    first === undefined || last === undefined
      ? `${name}: no loss yet`
      : `loss of ${name}, from ${first.toPrecision(3)} to ${last.toPrecision(3)}`,
  );
  let pen = "M";
  let path = "";
  losses.forEach((value, i) => {
    if (value === null) {
      pen = "M";
      return;
    }
    const x = losses.length < 2 ? width / 2 : 1 + (i / (losses.length - 1)) * (width - 2);
    const y = high > low ? height - 3 - ((value - low) / (high - low)) * (height - 6) : height / 2;
    path += `${pen}${x.toFixed(1)} ${y.toFixed(1)}`;
    pen = "L";
  });
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}

const style = `
.ams-runs{background:var(--jp-layout-color1,#fff);color:var(--jp-ui-font-color1,#222);font-size:var(--jp-ui-font-size1,13px);overflow-y:auto;padding:8px 12px}
.ams-runs h2{font-size:var(--jp-ui-font-size1,13px);text-transform:uppercase;letter-spacing:.05em;margin:4px 0 8px}
.ams-run{border-top:1px solid var(--jp-border-color2,#ddd);padding:8px 0}
.ams-run-name{display:flex;justify-content:space-between;gap:8px}
.ams-run-name b{overflow-wrap:anywhere}
.ams-run-name span,.ams-run-facts{color:var(--jp-ui-font-color2,#555);font-size:12px}
.ams-run-facts span{white-space:nowrap}
.ams-run.training .ams-run-name span{color:#d55e00;font-weight:600}
.ams-run svg{display:block;width:100%;height:40px;margin:4px 0}
.ams-run path{fill:none;stroke:#0072b2;stroke-width:1.5;vector-effect:non-scaling-stroke}
.ams-run.training path{stroke:#d55e00}
`;
