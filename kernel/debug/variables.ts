/** Values of the inspected thread as the debugger's variables, with numbers that stand for their members. */
import util from "node:util";
import type { Runtime } from "node:inspector";
import type { Inspector } from "./inspector.js";
import type { Variable } from "./protocol.js";
import { DebugError } from "./protocol.js";

/** Lists longer than this are shown in pieces: a tensor's values have millions. */
const piece = 500;

/** What a number stands for. */
type Container =
  | { objectId: string; start?: number; count?: number }
  /** Several objects as one, the first with a name wins: the blocks of a function. */
  | { objectIds: string[]; hide: (name: string) => boolean };

/** Node's types do not know `#private` fields. */
type Properties = Runtime.GetPropertiesReturnType & {
  privateProperties?: { name: string; value?: Runtime.RemoteObject; get?: Runtime.RemoteObject }[];
};

export interface Variables {
  /** A number for the members of some objects together. */
  scope: (objectIds: string[], hide?: (name: string) => boolean) => number;
  describe: (name: string, value: Runtime.RemoteObject) => Variable;
  members: (reference: number) => Promise<Variable[]>;
  /** The names in some objects. */
  names: (objectIds: string[]) => Promise<string[]>;
  /** The numbers given so far stand for nothing any more. */
  clear: () => void;
}

/** @param withTypes whether variables tell their types */
export function createVariables(inspector: () => Inspector, withTypes: () => boolean): Variables {
  const containers = new Map<number, Container>();
  let last = 0;
  const add = (container: Container): number => {
    containers.set(++last, container);
    return last;
  };
  const describe = (name: string, value: Runtime.RemoteObject): Variable => {
    const { objectId } = value;
    const open = objectId !== undefined && value.subtype !== "null" && value.type !== "symbol";
    return {
      name,
      value: show(value),
      ...(withTypes() ? { type: value.className ?? value.subtype ?? value.type } : {}),
      variablesReference: open ? add({ objectId }) : 0,
      evaluateName: name,
    };
  };
  const properties = async (objectId: string): Promise<Properties> =>
    inspector().send<Properties>("Runtime.getProperties", {
      objectId,
      ownProperties: true,
      generatePreview: true,
    });
  const membersOf = async (objectId: string): Promise<Variable[]> => {
    const { result, internalProperties = [], privateProperties = [] } = await properties(objectId);
    const own = [...result, ...privateProperties].map(({ name, value, get }) => {
      if (value !== undefined) return describe(name, value);
      return { name, value: get === undefined ? "(setter)" : "(getter)", variablesReference: 0 };
    });
    const inner = internalProperties
      .filter(({ name, value }) => value !== undefined && !/^\[\[(Prototype|Scopes|FunctionLocation)\]\]$/.test(name))
      .map(({ name, value }) => describe(name, value!));
    return [...own, ...inner];
  };
  /** Some of a list's elements, copied there: the properties of all of a long one would take seconds. */
  const slice = async (objectId: string, start: number, count: number): Promise<Variable[]> => {
    const { result } = await inspector().send<Runtime.CallFunctionOnReturnType>("Runtime.callFunctionOn", {
      objectId,
      functionDeclaration: "function (start, count) { return Array.prototype.slice.call(this, start, start + count); }",
      arguments: [{ value: start }, { value: count }],
      silent: true,
    });
    const members = await membersOf(result.objectId ?? "");
    return members
      .filter(({ name }) => /^\d+$/.test(name))
      .map((member) => ({ ...member, name: String(Number(member.name) + start) }));
  };
  const lengthOf = async (objectId: string): Promise<number> => {
    const { result } = await inspector().send<Runtime.CallFunctionOnReturnType>("Runtime.callFunctionOn", {
      objectId,
      functionDeclaration:
        "function () { return Array.isArray(this) || (ArrayBuffer.isView(this) && !(this instanceof DataView)) ? this.length : -1; }",
      returnByValue: true,
      silent: true,
    });
    return Number(result.value);
  };
  return {
    describe,
    scope: (objectIds, hide = () => false) => add({ objectIds, hide }),
    async members(reference) {
      const container = containers.get(reference);
      if (container === undefined)
        throw new DebugError(`there are no variables of number ${reference}: the program has gone on since`);
      if ("objectIds" in container) {
        const seen = new Map<string, Variable>();
        for (const objectId of container.objectIds)
          for (const member of await membersOf(objectId))
            if (!seen.has(member.name) && !container.hide(member.name) && !member.name.startsWith("[["))
              seen.set(member.name, member);
        return [...seen.values()];
      }
      const { objectId, start, count } = container;
      if (start !== undefined && count !== undefined) return slice(objectId, start, count);
      const length = await lengthOf(objectId);
      if (length <= piece) return membersOf(objectId);
      // At most as many pieces as a piece has elements; larger lists have larger pieces.
      const size = piece * Math.ceil(length / (piece * piece));
      return Array.from({ length: Math.ceil(length / size) }, (_, i) => {
        const from = i * size;
        const here = Math.min(size, length - from);
        return {
          name: `[${from} … ${from + here - 1}]`,
          value: "",
          variablesReference: add({ objectId, start: from, count: Math.min(here, 20 * piece) }),
        };
      });
    },
    async names(objectIds) {
      const all = await Promise.all(objectIds.map(properties));
      return all.flatMap(({ result }) => result.map(({ name }) => name));
    },
    clear() {
      containers.clear();
    },
  };
}

/** A value in one line, as Node shows values. */
export function show(value: Runtime.RemoteObject): string {
  switch (value.type) {
    case "string":
      return util.inspect(value.value, { maxStringLength: 2000 });
    case "function":
      return `ƒ ${/^(?:async\s+)?(?:function\*?\s*|class\s+)?([\w$]*)/.exec(value.description ?? "")?.[1] ?? ""}()`;
    case "undefined":
      return "undefined";
    default:
      break;
  }
  if (value.subtype === "null") return "null";
  if (value.preview !== undefined && value.subtype !== "error" && value.subtype !== "date")
    return preview(value.preview);
  return value.description ?? String(value.value);
}

function preview({ description = "", properties, entries, overflow, subtype }: Runtime.ObjectPreview): string {
  const more = overflow ? ["…"] : [];
  const list = (parts: string[]): string => [...parts, ...more].join(", ");
  const plainName = description === "Object" || (description.startsWith("Array(") && !overflow);
  const head = plainName ? "" : `${description} `;
  if (entries !== undefined)
    return `${head}{${list(entries.map(({ key, value }) => (key === undefined ? "" : `${brief(key)} => `) + brief(value)))}}`;
  const own = properties.map(({ name, type, subtype: kind, value = "" }) => ({
    name,
    text: brief({ type, subtype: kind, description: value }),
  }));
  if (subtype === "array" || subtype === "typedarray")
    return `${head}[${list(own.filter(({ name }) => /^\d+$/.test(name)).map(({ text }) => text))}]`;
  if (own.length === 0 && !plainName) return description;
  return `${head}{${list(own.map(({ name, text }) => `${name}: ${text}`))}}`;
}

/** A value inside a preview. */
function brief(value: { type: string; subtype?: string | undefined; description?: string | undefined }): string {
  const { type, subtype, description = "" } = value;
  if (type === "string") return util.inspect(description);
  if (type === "function") return "ƒ";
  if (type === "accessor") return "(getter)";
  if (subtype === "null") return "null";
  return description === "Object" ? "{…}" : description;
}
