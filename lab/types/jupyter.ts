/** As much of JupyterLab's packages as the extension uses; at run time they come from JupyterLab itself (see share.ts). */

export interface Widget {
  id: string;
  readonly node: HTMLElement;
  readonly title: { label: string; caption: string; icon: unknown; iconClass: string };
  readonly isVisible: boolean;
  readonly isDisposed: boolean;
  addClass(name: string): void;
  dispose(): void;
  onAfterShow?(message: unknown): void;
  onResize?(message: unknown): void;
}

export type WidgetClass = new () => Widget;

export interface MimeModel {
  data: Record<string, unknown>;
  trusted: boolean;
}

export interface MimeRenderer extends Widget {
  renderModel(model: MimeModel): Promise<void>;
}

export interface MimeExtension {
  id: string;
  rendererFactory: { safe: boolean; mimeTypes: string[]; createRenderer(options: { mimeType: string }): MimeRenderer };
  rank: number;
  dataType: "json" | "string";
}

export interface Comm {
  open(data?: unknown): unknown;
  send(data: unknown): unknown;
  close(): unknown;
  onMsg: (message: { content: { data: unknown } }) => void;
  onClose: () => void;
  isDisposed: boolean;
}

export interface Kernel {
  id: string;
  name: string;
  status: string;
  handleComms: boolean;
  isDisposed: boolean;
  /** Of this connection: requests of the page carry it as their session. */
  clientId: string;
  createComm(target: string): Comm;
  iopubMessage: Signal<Kernel, KernelMessage>;
  statusChanged: Signal<Kernel, string>;
}

export interface KernelMessage {
  header: { msg_type: string };
  parent_header: { msg_id?: string };
  content: Record<string, unknown>;
}

export interface NotebookPanel extends Widget {
  /** `collaborative`: the document is shared with other pages, of which one shows what runs. */
  context: { ready: Promise<void>; model: { collaborative?: boolean } };
  content: { widgets: readonly { model: CellModel }[] };
  sessionContext: {
    session: { kernel: Kernel | null } | null;
    ready: Promise<void>;
    kernelChanged: Signal;
  };
}

export interface CellModel {
  id: string;
  type: string;
  trusted: boolean;
  sharedModel: { getSource(): string };
  /** Of code cells. */
  executionCount: number | null;
  executionState?: "idle" | "running";
  outputs: OutputAreaModel;
}

export interface OutputAreaModel {
  length: number;
  /** Returns how many there are then; a stream goes into the last output if that is one of the same name. */
  add(output: Record<string, unknown>): number;
  set(index: number, output: Record<string, unknown>): void;
  clear(wait?: boolean): void;
}

export interface Signal<Sender = unknown, Argument = unknown> {
  connect(slot: (sender: Sender, argument: Argument) => void): void;
  disconnect(slot: (sender: Sender, argument: Argument) => void): void;
}

export interface NotebookTracker {
  currentWidget: NotebookPanel | null;
  widgetAdded: Signal<NotebookTracker, NotebookPanel>;
  forEach(each: (panel: NotebookPanel) => void): void;
}

export interface App {
  commands: {
    addCommand(id: string, options: Record<string, unknown>): unknown;
    execute(id: string, args?: Record<string, unknown>): Promise<unknown>;
  };
  shell: { add(widget: Widget, area: string, options?: object): void; activateById(id: string): void };
  serviceManager: {
    contents: {
      newUntitled(options: object): Promise<{ path: string }>;
      save(path: string, model: object): Promise<unknown>;
    };
  };
}

export interface Launcher {
  add(item: { command: string; category: string; rank: number; args?: object; kernelIconUrl?: string }): unknown;
}

/** A file browser's folder, where a new notebook belongs. */
export interface FileBrowser {
  model: { path: string };
}

export interface EditorExtensionRegistry {
  addExtension(factory: { name: string; factory(options: { model: { mimeType: string } }): unknown }): void;
}

export interface Plugin {
  id: string;
  autoStart: true;
  requires?: unknown[];
  optional?: unknown[];
  activate(app: App, ...services: never[]): void;
}
