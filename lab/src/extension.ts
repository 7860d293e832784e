/** The plugins: magics in colour, a launcher card, the panel of runs, and the outputs of cells that ran on. Each does without what a front end lacks. */
import type {
  App,
  EditorExtensionRegistry,
  FileBrowser,
  Launcher,
  NotebookTracker,
  Plugin,
  WidgetClass,
} from "../types/jupyter.js";
import { logo } from "./logo.js";
import { extensionOf } from "./magics.js";
import { addRunsPanel } from "./runs.js";
import { shared, wanted } from "./share.js";
import { showUnfinished } from "./unfinished.js";

const kernelName = "ams";

export async function extensionPlugins(): Promise<Plugin[]> {
  const { Widget } = await wanted<{ Widget: WidgetClass }>("@lumino/widgets");
  const tracker = (await shared<{ INotebookTracker: unknown }>("@jupyterlab/notebook"))?.INotebookTracker;
  const launcher = (await shared<{ ILauncher: unknown }>("@jupyterlab/launcher"))?.ILauncher;
  const browser = (await shared<{ IDefaultFileBrowser: unknown }>("@jupyterlab/filebrowser"))?.IDefaultFileBrowser;
  const editors = await shared<{
    IEditorExtensionRegistry: unknown;
    EditorExtensionRegistry: { createImmutableExtension(extension: unknown): unknown };
  }>("@jupyterlab/codemirror");
  const code = await wanted<Parameters<typeof extensionOf>[0]>("@codemirror/view");
  const { LabIcon } = (await shared<{ LabIcon?: new (options: object) => unknown }>("@jupyterlab/ui-components")) ?? {};
  const icon = LabIcon === undefined ? undefined : new LabIcon({ name: "ams-notebook:logo", svgstr: logo });

  const plugins: (Plugin | false)[] = [
    editors !== undefined && {
      id: "@ams-notebook/lab:magics",
      autoStart: true,
      requires: [editors.IEditorExtensionRegistry],
      activate: (_app: App, registry: EditorExtensionRegistry) =>
        registry.addExtension({
          name: "ams-notebook:magics",
          factory: ({ model }) => editors.EditorExtensionRegistry.createImmutableExtension(extensionOf(code, model)),
        }),
    },
    launcher !== undefined && {
      id: "@ams-notebook/lab:launcher",
      autoStart: true,
      requires: [launcher],
      optional: browser === undefined ? [] : [browser],
      activate: (app: App, cards: Launcher, files?: FileBrowser | null) => {
        app.commands.addCommand("ams:new-notebook", {
          label: "AMS notebook",
          caption: "A notebook that opens the embedded scenes, the small model, and what its words look at",
          icon,
          execute: () => newNotebook(app, files?.model.path ?? ""),
        });
        cards.add({ command: "ams:new-notebook", category: "AMS", rank: 0 });
      },
    },
    tracker !== undefined && {
      id: "@ams-notebook/lab:runs",
      autoStart: true,
      requires: [tracker],
      activate: (app: App, notebooks: NotebookTracker) => addRunsPanel(app, notebooks, { Widget, icon, kernelName }),
    },
    tracker !== undefined && {
      id: "@ams-notebook/lab:unfinished",
      autoStart: true,
      requires: [tracker],
      activate: (_app: App, notebooks: NotebookTracker) => showUnfinished(notebooks, kernelName),
    },
  ];
  return plugins.filter((plugin) => plugin !== false);
}

/** What the new notebook begins with: nothing is run until somebody does. */
const cells: [type: "code" | "markdown", source: string][] = [
  ["markdown", "# A first look\n\nRun the cells one by one (Shift-Enter). `%ams` alone lists the verbs."],
  ["code", "const scenes = %ams data scenes\nscenes"],
  ["code", "%ams build --checkpoint scenes-small"],
  ["code", "%ams plot attention --split test --item 3"],
  ["code", 'const hits = %ams search "two canoes on the sea"\nhits'],
];

async function newNotebook(app: App, folder: string): Promise<unknown> {
  const { path } = await app.serviceManager.contents.newUntitled({ path: folder, type: "notebook" });
  const content = {
    cells: cells.map(([type, source], i) => ({
      cell_type: type,
      id: `first-${i}`,
      metadata: {},
      source,
      ...(type === "code" ? { execution_count: null, outputs: [] } : {}),
    })),
    metadata: { kernelspec: { name: kernelName, display_name: "TypeScript (AMS)", language: "typescript" } },
    nbformat: 4,
    nbformat_minor: 5,
  };
  await app.serviceManager.contents.save(path, { type: "notebook", format: "json", content });
  return app.commands.execute("docmanager:open", { path, factory: "Notebook", kernel: { name: kernelName } });
}
