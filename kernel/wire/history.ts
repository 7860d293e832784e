/** The inputs and results of this session, for history_request. */
import type { HistoryReply, HistoryRequest } from "./messages.js";

export interface History {
  add: (line: number, input: string) => void;
  setOutput: (line: number, output: string | null) => void;
  answer: (request: HistoryRequest) => HistoryReply;
}

interface Entry {
  line: number;
  input: string;
  output: string | null;
}

/** The one session that is kept; `range` calls it 0, replies call it 1. */
const session = 1;

export function createHistory(): History {
  const entries: Entry[] = [];
  const select = (request: HistoryRequest): Entry[] => {
    switch (request.hist_access_type) {
      case "range": {
        const asked = request.session ?? 0;
        if (asked !== 0 && asked !== session) return [];
        const start = request.start ?? 0;
        const stop = request.stop ?? Infinity; // exclusive, as in IPython
        return entries.filter(({ line }) => line >= start && line < stop);
      }
      case "tail":
        return tail(entries, request.n);
      case "search": {
        const pattern = glob(request.pattern ?? "*");
        let found = entries.filter(({ input }) => pattern.test(input));
        if (request.unique === true) {
          // The last of equal inputs stands for all of them.
          const latest = new Map(found.map((entry) => [entry.input, entry]));
          found = found.filter((entry) => latest.get(entry.input) === entry);
        }
        return tail(found, request.n);
      }
    }
  };
  return {
    add(line, input) {
      entries.push({ line, input, output: null });
    },
    setOutput(line, output) {
      const entry = entries.findLast((candidate) => candidate.line === line);
      if (entry !== undefined) entry.output = output;
    },
    answer: (request) => ({
      status: "ok",
      history: select(request).map(({ line, input, output }) => [
        session,
        line,
        request.output === true ? [input, output] : input,
      ]),
    }),
  };
}

function tail(entries: Entry[], n: number | null | undefined): Entry[] {
  if (n === undefined || n === null) return entries;
  return n <= 0 ? [] : entries.slice(-n);
}

/** As IPython's history: `*`, `?`, `[abc]`, `[a-z]` and `[^abc]`; the rest stands for itself. */
function glob(pattern: string): RegExp {
  const source = pattern.replace(/\[\^?\]?[^\]]*\]|[^]/g, (part) => {
    if (part === "*") return "[^]*";
    if (part === "?") return "[^]";
    if (part.length === 1) return part.replace(/[.+^${}()|[\]\\/-]/, "\\$&");
    const negated = part[1] === "^";
    const members = part.slice(negated ? 2 : 1, -1).replace(/[\\\]^[]/g, "\\$&");
    return `[${negated ? "^" : ""}${members}]`;
  });
  try {
    return new RegExp(`^${source}$`);
  } catch {
    return /(?!)/; // a range that runs backwards matches nothing
  }
}
