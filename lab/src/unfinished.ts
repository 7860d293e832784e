/**
 * Cells that run on while the page is loaded again. JupyterLab drops what they show, since another page asked for it; the kernel tells what
 * they have shown, and what comes then goes on in the same cell.
 */
import type { UnfinishedCell } from "../../kernel/wire/unfinished.js";
import type {
  CellModel,
  Kernel,
  KernelMessage,
  NotebookPanel,
  NotebookTracker,
  OutputAreaModel,
} from "../types/jupyter.js";

const target = "kernel.unfinished";

export function showUnfinished(notebooks: NotebookTracker, kernelName: string): void {
  const watch = (panel: NotebookPanel): void => {
    const { context, sessionContext } = panel;
    const seen = new WeakSet<Kernel>();
    const ask = async (): Promise<void> => {
      await Promise.all([context.ready, sessionContext.ready]);
      const kernel = sessionContext.session?.kernel;
      // Where the document is shared, the page that runs a cell shows it to all.
      if (!kernel || kernel.name !== kernelName || !kernel.handleComms || context.model.collaborative === true) return;
      if (panel.isDisposed || seen.has(kernel)) return;
      seen.add(kernel);
      const comm = kernel.createComm(target);
      comm.onMsg = ({ content }) => {
        for (const cell of (content.data as { cells?: UnfinishedCell[] }).cells ?? []) {
          // A cell that was changed since is not the one that runs; this page's own are shown as ever.
          const found = panel.content.widgets.find(({ model }) => model.type === "code" && model.id === cell.cell);
          const same = found?.model.sharedModel.getSource() === cell.code;
          if (found && same && cell.session !== kernel.clientId) follow(kernel, found.model, cell);
        }
      };
      comm.open({});
    };
    sessionContext.kernelChanged.connect(() => void ask());
    void ask();
  };
  notebooks.forEach(watch);
  notebooks.widgetAdded.connect((_, panel) => {
    watch(panel);
  });
}

/** Shows what the cell has shown, and what it still shows until it ends. */
function follow(kernel: Kernel, model: CellModel, { request, count, outputs }: UnfinishedCell): void {
  const show = shower(model.outputs);
  let number = count;
  const end = (): void => {
    kernel.iopubMessage.disconnect(onMessage);
    kernel.statusChanged.disconnect(onStatus);
    model.executionState = "idle";
    model.executionCount = number; // not before: JupyterLab takes a cell that has one for idle
  };
  const onMessage = (_: Kernel, { header, parent_header: parent, content }: KernelMessage): void => {
    if (parent.msg_id !== request) return;
    if (header.msg_type === "execute_input") number = content["execution_count"] as number;
    else if (header.msg_type !== "status") show(header.msg_type, content);
    else if (content["execution_state"] === "idle") end();
  };
  const onStatus = (_: Kernel, status: string): void => {
    if (["restarting", "autorestarting", "dead", "unknown"].includes(status)) end();
  };
  model.outputs.clear();
  model.trusted = true; // as for any cell that somebody runs: its code is what the kernel runs
  model.executionState = "running";
  for (const { type, content } of outputs) show(type, content);
  kernel.iopubMessage.connect(onMessage);
  kernel.statusChanged.connect(onStatus);
}

/** Puts messages into an output area as JupyterLab does for a page's own requests. */
function shower(area: OutputAreaModel): (type: string, content: Record<string, unknown>) => void {
  let places = new Map<string, number[]>();
  let clears = false;
  return (type, content) => {
    const id = (content["transient"] as { display_id?: string } | undefined)?.display_id;
    if (type === "clear_output") {
      clears = content["wait"] === true;
      area.clear(clears);
      if (!clears) places = new Map();
    } else if (type === "update_display_data") {
      for (const place of places.get(id ?? "") ?? []) area.set(place, outputOf("display_data", content));
    } else if (["stream", "display_data", "execute_result", "error"].includes(type)) {
      if (clears) places = new Map();
      clears = false;
      const place = area.add(outputOf(type, content)) - 1;
      if (id !== undefined) places.set(id, [...(places.get(id) ?? []), place]);
    }
  };
}

/** As it stands in a notebook: nothing that is meant for the moment. */
function outputOf(type: string, content: Record<string, unknown>): Record<string, unknown> {
  const { transient: _transient, ...kept } = content;
  return { output_type: type, ...kept };
}
