/**
 * What the contents of requests must look like. A client's mistake is answered with an error that names the field; behind
 * this check the contents are trusted. (A schema library would hold up the first kernel_info_reply by 60 ms.)
 */

type Kind = "text" | "flag" | "count" | "whole" | "texts" | "hist_access_type";

const kinds: Record<Kind, { expected: string; test: (value: unknown) => boolean }> = {
  text: { expected: "a string", test: (value) => typeof value === "string" },
  flag: { expected: "true or false", test: (value) => typeof value === "boolean" },
  count: { expected: "a number from 0", test: (value) => Number.isSafeInteger(value) && (value as number) >= 0 },
  whole: { expected: "a whole number", test: (value) => Number.isSafeInteger(value) },
  texts: {
    expected: "an object of strings",
    test: (value) => isObject(value) && Object.values(value).every((entry) => typeof entry === "string"),
  },
  hist_access_type: {
    expected: '"range", "tail" or "search"',
    test: (value) => value === "range" || value === "tail" || value === "search",
  },
};

/** Field -> kind; with a question mark it may be left out or null. */
const fields: Record<string, Record<string, Kind | `${Kind}?`>> = {
  execute_request: {
    code: "text",
    silent: "flag?",
    store_history: "flag?",
    user_expressions: "texts?",
    allow_stdin: "flag?",
    stop_on_error: "flag?",
  },
  complete_request: { code: "text", cursor_pos: "count" },
  inspect_request: { code: "text", cursor_pos: "count", detail_level: "count?" },
  is_complete_request: { code: "text" },
  history_request: {
    hist_access_type: "hist_access_type",
    output: "flag?",
    raw: "flag?",
    unique: "flag?",
    session: "whole?",
    start: "whole?",
    stop: "whole?",
    n: "whole?",
    pattern: "text?",
  },
  comm_info_request: { target_name: "text?" },
  comm_open: { comm_id: "text", target_name: "text" },
  comm_msg: { comm_id: "text" },
  comm_close: { comm_id: "text" },
  shutdown_request: { restart: "flag?" },
  debug_request: { command: "text" },
  delete_subshell_request: { subshell_id: "text" },
  input_reply: { value: "text" },
};

/** What is wrong with the content of a request, in words; undefined when nothing is. */
export function problemOf(type: string, content: unknown): string | undefined {
  if (!isObject(content)) return `the content of ${type} must be an object, got ${show(content)}`;
  for (const [name, kind] of Object.entries(fields[type] ?? {})) {
    const { expected, test } = kinds[kind.replace("?", "") as Kind];
    const value = content[name];
    const missing = value === undefined || value === null;
    if (missing && kind.endsWith("?")) continue;
    if (!test(value)) return `"${name}" of ${type} must be ${expected}, got ${missing ? "nothing" : show(value)}`;
  }
  return undefined;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function show(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
