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
  createComm(target: string): Comm;
}

export interface NotebookPanel extends Widget {
  sessionContext: { session: { kernel: Kernel | null } | null };
}

export interface Signal {
  connect(slot: () => void): void;
}

export interface NotebookTracker {
  currentWidget: NotebookPanel | null;
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
