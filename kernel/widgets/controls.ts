/** The controls: ipywidgets' models (@jupyter-widgets/controls 2.0) with plain options and one typed value each. */
import util from "node:util";
import { userError } from "../magics/plugins.js";
import type { AnyModel, Check } from "./model.js";
import type {
  Button,
  ButtonOptions,
  ChoiceOptions,
  Control,
  ControlOptions,
  Layout,
  NumberOptions,
  ProgressOptions,
  RangeOptions,
  SliderOptions,
  TextOptions,
  Widget,
} from "./types.js";

export interface ControlSpec {
  /** `IntSlider` for IntSliderModel and IntSliderView. */
  model: string;
  view?: string;
  /** How texts call it. */
  kind: string;
  state: Record<string, unknown>;
  layout?: Layout | undefined;
  check?: Check;
}

/** Makes a model of the package @jupyter-widgets/controls. */
export type Make = (spec: ControlSpec) => AnyModel;

const common = ({ label = "", disabled = false }: ControlOptions): Record<string, unknown> => ({
  description: label,
  disabled,
});

export function slider(make: Make, options: SliderOptions = {}): Control<number> {
  const { integers, state } = track(options, "slider");
  const { value = state.min } = options;
  const check = within((given) => [given]);
  const model = make({
    model: integers ? "IntSlider" : "FloatSlider",
    kind: "slider",
    state: { ...common(options), ...state, value: checked("slider", check, value, state) },
    layout: options.layout,
    check,
  });
  return control(model, "value", (value) => value as number);
}

export function range(make: Make, options: RangeOptions = {}): Control<[number, number]> {
  const { integers, state } = track({ ...options, value: options.value?.[0] }, "range");
  const { value = [state.min, state.max] } = options;
  const check = within((given) => (Array.isArray(given) && given.length === 2 ? (given as unknown[]) : [undefined]));
  const model = make({
    model: integers ? "IntRangeSlider" : "FloatRangeSlider",
    kind: "range",
    state: { ...common(options), ...state, value: checked("range", check, value, state) },
    layout: options.layout,
    check,
  });
  return control(model, "value", (value) => value as [number, number]);
}

/** What both sliders share; whole numbers all through make one of integers. */
function track(
  options: Omit<SliderOptions, "value"> & { value?: number | undefined },
  kind: string,
): { integers: boolean; state: { min: number; max: number; step: number } & Record<string, unknown> } {
  const { min = 0, max = 100, vertical = false, live = true } = options;
  const { step = Number.isInteger(min) && Number.isInteger(max) && max - min >= 5 ? 1 : (max - min) / 100 } = options;
  if (!(min < max)) throw userError(`a ${kind} needs min < max, got min ${min} and max ${max}`);
  if (!(step > 0)) throw userError(`a ${kind} needs a step above 0, got ${step}`);
  const integers = [min, max, step, options.value ?? min].every(Number.isInteger);
  const digits = Math.min(6, Math.max(0, Math.ceil(-Math.log10(step))));
  return {
    integers,
    state: {
      ...{ min, max, step },
      orientation: vertical ? "vertical" : "horizontal",
      continuous_update: live,
      readout: true,
      readout_format: integers ? "d" : `.${digits}f`,
    },
  };
}

/** Whether `value` holds numbers between the state's min and max. */
function within(numbersOf: (value: unknown) => unknown[]): Check {
  return (name, value, { min = -Infinity, max = Infinity }) => {
    if (name !== "value") return undefined;
    for (const number of numbersOf(value)) {
      if (typeof number !== "number" || !Number.isFinite(number)) return `must be a number, got ${util.inspect(value)}`;
      if (number < (min as number) || number > (max as number))
        return `must be from ${String(min)} to ${String(max)}, got ${number}`;
    }
    return undefined;
  };
}

function checked<T>(kind: string, check: Check, value: T, state: Record<string, unknown> = {}): T {
  const wrong = check("value", value, state);
  if (wrong !== undefined) throw userError(`a ${kind}'s value ${wrong}`);
  return value;
}

export function choice<Value>(make: Make, kind: "dropdown" | "radio", options: ChoiceOptions<Value>): Control<Value> {
  const given = (options as ChoiceOptions<Value> | undefined)?.options;
  if (typeof given !== "object" || Object.keys(given).length === 0)
    throw userError(`a ${kind} needs options to choose from`, `widgets.${kind}({ options: ["a", "b"] })`);
  const entries: [string, Value][] = Array.isArray(given)
    ? (given as Value[]).map((value) => [typeof value === "string" ? value : util.inspect(value), value])
    : Object.entries(given as Record<string, Value>);
  const indexOf = (value: Value): number => {
    const found = entries.findIndex(([, candidate]) => util.isDeepStrictEqual(candidate, value));
    if (found < 0)
      throw userError(
        `a ${kind} has no option ${util.inspect(value)}`,
        `its options are ${entries.map(([label]) => label).join(", ")}`,
      );
    return found;
  };
  const model = make({
    model: kind === "dropdown" ? "Dropdown" : "RadioButtons",
    kind,
    state: {
      ...common(options),
      _options_labels: entries.map(([label]) => label),
      index: "value" in options ? indexOf(options.value as Value) : 0,
    },
    layout: options.layout,
    check: (name, index) =>
      name === "index" && entries[index as number] === undefined
        ? `must be from 0 to ${entries.length - 1}, got ${util.inspect(index)}`
        : undefined,
  });
  return control(model, "index", (index) => entries[index as number]?.[1] as Value, indexOf);
}

export function text(make: Make, options: TextOptions = {}): Control<string> {
  const { value = "", placeholder = "", rows = 1, live = true } = options;
  const check = ofType("string");
  const model = make({
    model: rows > 1 ? "Textarea" : "Text",
    kind: "text",
    state: {
      ...common(options),
      value: checked("text", check, value),
      placeholder,
      continuous_update: live,
      ...(rows > 1 ? { rows } : {}),
    },
    layout: options.layout,
    check,
  });
  return control(model, "value", (given) => given as string);
}

export function number(make: Make, options: NumberOptions = {}): Control<number> {
  const { min, max, step } = options;
  const { value = Math.max(min ?? 0, Math.min(max ?? 0, 0)) } = options;
  const bounded = min !== undefined || max !== undefined;
  const bounds = { min: min ?? -Number.MAX_VALUE, max: max ?? Number.MAX_VALUE };
  const check = within((given) => [given]);
  const model = make({
    model: bounded ? "BoundedFloatText" : "FloatText",
    view: "FloatText",
    kind: "number",
    state: {
      ...common(options),
      ...(bounded ? bounds : {}),
      value: checked("number", check, value, bounds),
      step: step ?? null,
      continuous_update: false,
    },
    layout: options.layout,
    check,
  });
  return control(model, "value", (given) => given as number);
}

export function checkbox(make: Make, options: ControlOptions & { value?: boolean } = {}): Control<boolean> {
  const check = ofType("boolean");
  const model = make({
    model: "Checkbox",
    kind: "checkbox",
    state: { ...common(options), value: checked("checkbox", check, options.value ?? false) },
    layout: options.layout,
    check,
  });
  return control(model, "value", (value) => value as boolean);
}

export function progress(make: Make, options: ProgressOptions = {}): Control<number> {
  const { min = 0, max = 1, value = min, look = "" } = options;
  if (!(min < max)) throw userError(`a progress needs min < max, got min ${min} and max ${max}`);
  const check = within((given) => [given]);
  const { description } = common(options);
  const model = make({
    model: "FloatProgress",
    view: "Progress",
    kind: "progress",
    state: { description, min, max, value: checked("progress", check, value, { min, max }), bar_style: look },
    layout: options.layout,
    check,
  });
  return control(model, "value", (given) => given as number);
}

export function html(make: Make, value: string, options: ControlOptions = {}): Control<string> {
  const check = ofType("string");
  const { description } = common(options);
  const model = make({
    model: "HTML",
    kind: "html",
    state: { description, value: checked("html", check, value) },
    layout: options.layout,
    check,
  });
  return control(model, "value", (given) => given as string);
}

export function button(make: Make, options: ButtonOptions = {}): Button {
  const { look = "", icon = "" } = options;
  const model = make({
    model: "Button",
    kind: "button",
    state: { ...common(options), button_style: look, icon },
    layout: options.layout,
  });
  const isClick = (content: unknown): boolean => (content as { event?: unknown } | null)?.event === "click";
  const own: Omit<Button, keyof Widget | "label" | "disabled"> = {
    model,
    onClick: (handler) => model.onMessage((content: unknown) => (isClick(content) ? handler() : undefined)),
    async click() {
      while (!isClick((await model.nextMessage()).content));
    },
  };
  return over(model, labelled(model, own));
}

export function box(make: Make, kind: "row" | "column", children: Widget[]): Widget {
  const wrong = children.findIndex((child) => typeof (child as Partial<Widget> | undefined)?.id !== "string");
  if (wrong >= 0) throw userError(`a ${kind} holds widgets only`, undefined, `its child ${wrong + 1}`);
  return make({
    model: kind === "row" ? "HBox" : "VBox",
    kind,
    state: { children: children.map(({ id }) => `IPY_MODEL_${id}`) },
  });
}

/** A control over one name of a model's state. */
function control<Value>(
  model: AnyModel,
  name: string,
  read: (value: unknown) => Value,
  write: (value: Value) => unknown = (value) => value,
): Control<Value> {
  const own: Omit<Control<Value>, keyof Widget | "label" | "disabled"> = {
    model,
    get value() {
      return read(model.state[name]);
    },
    set value(value) {
      model.state[name] = write(value);
    },
    onChange: (handler) => model.on(name, (value, previous) => handler(read(value), read(previous))),
    change: async () => read(await model.change(name)),
  };
  return over(model, labelled(model, own));
}

/** What the model does as a widget, and the given members before it. */
function over<T extends object>(model: AnyModel, own: T): T & Widget {
  return Object.create(model, Object.getOwnPropertyDescriptors(own)) as T & Widget;
}

function labelled<T extends object>(model: AnyModel, own: T): T & { label: string; disabled: boolean } {
  return Object.defineProperties(own, {
    label: {
      get: () => model.state["description"],
      set: (label: string) => {
        model.set({ description: label });
      },
    },
    disabled: {
      get: () => model.state["disabled"] ?? false,
      set: (disabled: boolean) => {
        model.set({ disabled });
      },
    },
  }) as T & { label: string; disabled: boolean };
}

function ofType(type: "string" | "boolean"): Check {
  return (name, value) =>
    name === "value" && typeof value !== type
      ? `must be a ${type === "string" ? "text" : "boolean"}, got ${util.inspect(value)}`
      : undefined;
}
