/** The globals `comms` and `widgets` of cells: comms, widget models on them, and the control comm that a reloaded page asks. */
import { randomUUID } from "node:crypto";
import util from "node:util";
import { userError } from "../magics/plugins.js";
import { separate, join } from "./buffers.js";
import { createComms, type CommCenter, type CommHost } from "./comms.js";
import * as controls from "./controls.js";
import { createModel, widgetTarget, type AnyModel, type LiveModel, type ModelHost, type ModelSpec } from "./model.js";
import type { AnyOptions, Layout, Model, ModelOptions, Widgets } from "./types.js";

export interface WidgetHost extends CommHost {
  /** The signal of the running cell, if the caller belongs to it. */
  cellSignal: () => AbortSignal | undefined;
}

export interface WidgetCenter {
  comms: CommCenter;
  widgets: Widgets;
}

const controlTarget = "jupyter.widget.control";
const controlsPackage = { module: "@jupyter-widgets/controls", version: "2.0.0" };
const basePackage = { module: "@jupyter-widgets/base", version: "2.0.0" };
const anywidgetPackage = { module: "anywidget", version: "~0.11.*" };

export function createWidgets(host: WidgetHost): WidgetCenter {
  const comms = createComms(host);
  const live = new Map<string, LiveModel>();
  const modelHost: ModelHost = { comms, ...host };

  const add = (spec: Omit<ModelSpec, "id" | "closed">, id: string): AnyModel => {
    const made = createModel({ ...spec, id, closed: () => live.delete(id) }, modelHost);
    live.set(id, made);
    return made.model;
  };

  /** The names that every model of a package needs before its values. */
  const identity = (from: { module: string; version: string }, model: string, view: string | undefined) => ({
    _model_module: from.module,
    _model_module_version: from.version,
    _model_name: model,
    _view_module: from.module,
    _view_module_version: from.version,
    _view_name: view ?? null,
    _view_count: null,
  });
  /** A model of CSS that other models point at. */
  const helper = (from: { module: string; version: string }, name: string, state: Record<string, unknown>): string => {
    const id = randomUUID();
    const start = { ...identity(from, `${name}Model`, name === "Layout" ? "LayoutView" : "StyleView"), ...state };
    if (name !== "Layout") Object.assign(start, { _view_module: basePackage.module });
    add({ state: start, names: Object.keys(state), kind: "layout" }, id);
    return `IPY_MODEL_${id}`;
  };
  const layoutOf = (layout: Layout | undefined): Record<string, unknown> =>
    layout === undefined ? {} : { layout: helper(basePackage, "Layout", layout) };

  /** ipywidgets cuts labels off at 80 pixels unless the style says otherwise. */
  const labelStyle = (model: string, label: unknown): Record<string, unknown> =>
    typeof label === "string" && label.length > 11 && model !== "Button" && model !== "Checkbox"
      ? { style: helper(controlsPackage, "DescriptionStyle", { description_width: "initial" }) }
      : {};

  const makeControl: controls.Make = ({ model, view, kind, state, layout, check }) =>
    add(
      {
        state: {
          ...identity(controlsPackage, `${model}Model`, `${view ?? model}View`),
          _dom_classes: [],
          ...layoutOf(layout),
          ...labelStyle(model, state["description"]),
          ...state,
        },
        names: Object.keys(state),
        kind,
        check,
        text: controlText,
      },
      randomUUID(),
    );

  const any = <State extends object>(options: AnyOptions<State>): Model<State> => {
    const { esm, css, state = {}, layout } = (options as AnyOptions<State> | undefined) ?? ({} as AnyOptions<State>);
    if (typeof esm !== "string" || esm.trim() === "")
      throw userError(
        "a widget needs `esm`, the JavaScript that draws it",
        'widgets.any({ esm: "export default { render({ model, el }) { el.textContent = model.get(\'text\') } }", state: { text: "hello" } })',
      );
    if (css !== undefined && typeof css !== "string") throw userError("a widget's `css` must be a text", undefined);
    const values = stateOf(state);
    return add(
      {
        state: {
          ...identity(anywidgetPackage, "AnyModel", "AnyView"),
          _dom_classes: [],
          _anywidget_id: "widgets.any",
          _esm: esm,
          ...(css === undefined ? {} : { _css: css }),
          ...layoutOf(layout),
          ...values,
        },
        names: Object.keys(values),
        kind: "widget",
      },
      randomUUID(),
    ) as unknown as Model<State>;
  };

  const model = <State extends object>(options: ModelOptions<State>): Model<State> => {
    const { module, version, model: name, view, state = {}, layout } = options;
    for (const [key, value] of Object.entries({ module, version, model: name }))
      if (typeof value !== "string" || value === "")
        throw userError(
          `a model needs \`${key}\``,
          'widgets.model({ module: "@jupyter-widgets/controls", version: "2.0.0", model: "PlayModel", view: "PlayView" })',
        );
    const values = Object.fromEntries(Object.entries(state));
    return add(
      {
        state: { ...identity({ module, version }, name, view), _dom_classes: [], ...layoutOf(layout), ...values },
        names: Object.keys(values),
        kind: name,
      },
      randomUUID(),
    ) as unknown as Model<State>;
  };

  // A page that was loaded again asks for the state of everything in one message.
  comms.registerOwn(controlTarget, (comm) => {
    comm.receive = ({ data }) => {
      const { method } = (data ?? {}) as { method?: unknown };
      if (method !== "request_states")
        throw userError(`the page sent the unknown method ${JSON.stringify(method ?? null)}`, undefined, controlTarget);
      const states = [...live].map(([id, { full }]) => {
        const state = full();
        const { _model_name: model_name, _model_module: model_module, _model_module_version: version } = state;
        return [id, { model_name, model_module, model_module_version: version, state }];
      });
      const { value, paths, buffers } = separate(Object.fromEntries(states), "the widgets' state");
      comm.send({ method: "update_states", states: value, buffer_paths: paths }, { buffers });
    };
  });
  // A widget that JavaScript in the page makes: kept, so that every page sees it.
  comms.registerOwn(widgetTarget, (comm, { data, buffers }) => {
    const { state, buffer_paths: paths } = (data ?? {}) as Record<string, unknown>;
    if (typeof state !== "object" || state === null || Array.isArray(state)) {
      comm.close();
      throw userError("the page opened a widget without a state", undefined, `widget ${comm.id}`);
    }
    const values = state as Record<string, unknown>;
    join(values, paths, buffers);
    add({ state: values, names: Object.keys(values), kind: "widget", comm }, comm.id);
  });

  const widgets: Widgets = {
    any,
    model,
    slider: (options) => controls.slider(makeControl, options),
    range: (options) => controls.range(makeControl, options),
    dropdown: (options) => controls.choice(makeControl, "dropdown", options),
    radio: (options) => controls.choice(makeControl, "radio", options),
    text: (options) => controls.text(makeControl, options),
    number: (options) => controls.number(makeControl, options),
    checkbox: (options) => controls.checkbox(makeControl, options),
    progress: (options) => controls.progress(makeControl, options),
    html: (html, options) => controls.html(makeControl, html, options),
    button: (options) => controls.button(makeControl, options),
    row: (...children) => controls.box(makeControl, "row", children),
    column: (...children) => controls.box(makeControl, "column", children),
  };
  return { comms, widgets };
}

/** The names of an own widget's state: the page's JavaScript keeps those with an underscore for itself. */
function stateOf(state: object): Record<string, unknown> {
  if (typeof state !== "object" || (state as unknown) === null || Array.isArray(state))
    throw userError("a widget's state must be an object", "widgets.any({ esm, state: { count: 0 } })");
  for (const name of Object.keys(state))
    if (name.startsWith("_") || name === "layout")
      throw userError(
        `a widget's state cannot have the name "${name}"`,
        "names with an underscore and `layout` are kept",
      );
  return Object.fromEntries(Object.entries(state));
}

/** `slider learning rate: 5`, where widgets cannot be shown. */
function controlText(state: Record<string, unknown>): string {
  const { description, value, index, _options_labels: labels, children } = state;
  const shown = Array.isArray(labels) ? (labels as unknown[])[index as number] : value;
  const text = shown === undefined ? "" : util.inspect(shown, { breakLength: Infinity, maxStringLength: 200 });
  const count = Array.isArray(children) ? `of ${children.length} widgets` : "";
  return [description === "" ? undefined : description, text, count].filter(Boolean).join(" ");
}
