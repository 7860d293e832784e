/** What cells and plugins see of comms and widgets. Types only: their documentation is what Tab and Shift-Tab show. */

/** What the page sends is not known here; a cell that knows gives it a type: `const data: Point = message.data`. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
type Anything = any;

/** Bytes that travel beside the JSON of a message. */
export type Bytes = ArrayBuffer | ArrayBufferView;

/** What one side of a comm tells the other. */
export interface CommMessage {
  /** What the other side sent: JSON. */
  data: Anything;
  metadata: Record<string, unknown>;
  buffers: Uint8Array[];
}

/** What a comm is opened with. */
export interface CommOptions {
  metadata?: Record<string, unknown>;
  buffers?: Bytes[];
}

/** A line between a cell and a piece of JavaScript in the page. */
export interface Comm {
  readonly id: string;
  /** The name that both sides know the line's purpose by. */
  readonly target: string;
  readonly isOpen: boolean;
  /** Sends JSON, and bytes beside it. Throws when the comm is closed or the data is no JSON. */
  send(data: unknown, options?: CommOptions): void;
  /** Ends it on both sides. */
  close(data?: unknown, options?: CommOptions): void;
  /** Calls the handler for each message from the page; what it prints stands under the cell that called this. Returns the way to stop it. */
  onMessage(handler: (message: CommMessage) => unknown): () => void;
  /** Calls the handler once the page has closed the comm. */
  onClose(handler: (message: CommMessage) => unknown): () => void;
}

/** The global `comms`: lines between cells and the page, opened from either side. */
export interface Comms {
  /** Opens a comm to a target that JavaScript in the page has registered. */
  open(target: string, data?: unknown, options?: CommOptions): Comm;
  /** Names a target that the page may open; the handler gets each new comm. Returns the way to forget the target. */
  register(target: string, handler: (comm: Comm, opening: CommMessage) => unknown): () => void;
  /** The comms that are open. */
  all(): Comm[];
}

/** CSS of a widget's box, e.g. `{ width: "400px" }`; names with underscores, as in ipywidgets' Layout. */
export type Layout = Record<string, string | null>;

/** What every widget can do. */
export interface Widget {
  /** The id of the model and of its comm. */
  readonly id: string;
  readonly isOpen: boolean;
  /** Sends a custom message to the widget's JavaScript. */
  send(content: unknown, buffers?: Bytes[]): void;
  /** Calls the handler for each custom message of the widget's JavaScript (`model.send` there). Returns the way to stop it. */
  onMessage(handler: (content: Anything, buffers: Uint8Array[]) => unknown): () => void;
  /** Resolves at the next custom message of the widget's JavaScript. */
  nextMessage(): Promise<{ content: Anything; buffers: Uint8Array[] }>;
  /** Removes the widget from every page that shows it. */
  close(): void;
}

/** A widget as its state: named values that the kernel and the page keep the same. */
export interface Model<State extends object> extends Widget {
  /**
   * The state as it is now. Reading a name gives its value; assigning sends it to the page. A value that is changed inside
   * (`list.push(1)`) is not noticed: assign a new one.
   */
  readonly state: State;
  /** Assigns several names in one message. */
  set(values: Partial<State>): void;
  /**
   * Calls the handler whenever the value of that name has changed, in the page or by a cell; what it prints stands under the
   * cell that called this. Returns the way to stop it.
   */
  on<Name extends keyof State>(name: Name, handler: (value: State[Name], previous: State[Name]) => unknown): () => void;
  /** Resolves to the value of that name when it next changes. Rejects when the widget is closed or the cell interrupted. */
  change<Name extends keyof State>(name: Name): Promise<State[Name]>;
}

/** A widget around one value: a slider, a text, a checkbox. */
export interface Control<Value> extends Widget {
  /** The value now; assigning moves the widget in the page. */
  value: Value;
  /** Calls the handler whenever the value has changed, in the page or by a cell. Returns the way to stop it. */
  onChange(handler: (value: Value, previous: Value) => unknown): () => void;
  /** Resolves to the value when it next changes: `const v = await slider.change()` while the cell runs. */
  change(): Promise<Value>;
  label: string;
  disabled: boolean;
  /** Everything that the page knows of the widget, by ipywidgets' names. */
  readonly model: Model<Record<string, Anything>>;
}

export interface Button extends Widget {
  label: string;
  disabled: boolean;
  /** Calls the handler for each click. Returns the way to stop it. */
  onClick(handler: () => unknown): () => void;
  /** Resolves at the next click. */
  click(): Promise<void>;
  readonly model: Model<Record<string, Anything>>;
}

/** Options that every control takes. */
export interface ControlOptions {
  label?: string;
  disabled?: boolean;
  layout?: Layout;
}

export interface SliderOptions extends ControlOptions {
  min?: number;
  max?: number;
  /** Whole numbers all through make a slider of integers. */
  step?: number;
  value?: number;
  vertical?: boolean;
  /** False: the value changes when the handle is let go. */
  live?: boolean;
}

/** A control for a pair of numbers. */
export interface RangeOptions extends Omit<SliderOptions, "value"> {
  value?: [number, number];
}

export interface ChoiceOptions<Value> extends ControlOptions {
  /** The values, shown as text; or label -> value. */
  options: readonly Value[] | Readonly<Record<string, Value>>;
  value?: Value;
}

export interface TextOptions extends ControlOptions {
  value?: string;
  placeholder?: string;
  /** Lines that are seen; more than one makes a text area. */
  rows?: number;
  /** False: the value changes with Enter or when the field is left. */
  live?: boolean;
}

export interface NumberOptions extends ControlOptions {
  value?: number;
  min?: number;
  max?: number;
  step?: number;
}

export interface ProgressOptions extends ControlOptions {
  value?: number;
  min?: number;
  max?: number;
  look?: "" | "success" | "info" | "warning" | "danger";
}

export interface ButtonOptions extends ControlOptions {
  look?: "" | "primary" | "success" | "info" | "warning" | "danger";
  /** The name of a Font Awesome icon, e.g. `play`. */
  icon?: string;
}

/** A widget of one's own: an ES module, its style and its values. */
export interface AnyOptions<State extends object> {
  /** The widget's JavaScript: an ES module as text (`export default { render({ model, el }) { ... } }`) or the URL of one. */
  esm: string;
  css?: string;
  /** The values that both sides share; names must not start with `_`. */
  state?: State;
  layout?: Layout;
}

/** Any model of any widget package, by the names that its JavaScript registers. */
export interface ModelOptions<State extends object> {
  module: string;
  /** A semver range that the package in the page must satisfy. */
  version: string;
  model: string;
  /** Without it the model has nothing to show. */
  view?: string;
  state?: State;
  layout?: Layout;
}

/** The global `widgets`: controls that the page shows and cells read, with ipywidgets' and anywidget's JavaScript. */
export interface Widgets {
  /** A widget of your own in JavaScript (anywidget). */
  any<State extends object = object>(options: AnyOptions<State>): Model<State>;
  /** A model of any widget package. */
  model<State extends object = Record<string, Anything>>(options: ModelOptions<State>): Model<State>;
  /** A number chosen with a handle; `value` is the number now. */
  slider(options?: SliderOptions): Control<number>;
  /** Two numbers, from and to, chosen with two handles. */
  range(options?: RangeOptions): Control<[number, number]>;
  /** One of the options, chosen from a list that opens. */
  dropdown<const Value>(options: ChoiceOptions<Value>): Control<Value>;
  /** One of the options, all of them seen. */
  radio<const Value>(options: ChoiceOptions<Value>): Control<Value>;
  /** A text field; with `rows` a text area. */
  text(options?: TextOptions): Control<string>;
  /** A field for a number. */
  number(options?: NumberOptions): Control<number>;
  /** A box to tick: true or false. */
  checkbox(options?: ControlOptions & { value?: boolean }): Control<boolean>;
  /** A bar that cells move by assigning `value`. */
  progress(options?: ProgressOptions): Control<number>;
  /** Shows HTML; escape what comes from data. */
  html(html: string, options?: Omit<ControlOptions, "disabled">): Control<string>;
  /** A button: `onClick(handler)`, or `await button.click()`. */
  button(options?: ButtonOptions): Button;
  /** Widgets side by side. */
  row(...children: Widget[]): Widget;
  /** Widgets one below the other. */
  column(...children: Widget[]): Widget;
}
