/** Which comms are open, as seen on the wire: comm_info_request is answered from here while a cell runs. */

export interface CommTable {
  /** Takes note of a message in either direction; other types than comm_open and comm_close change nothing. */
  note: (type: string, content: unknown) => void;
  list: (target?: string) => Record<string, { target_name: string }>;
}

export function createCommTable(): CommTable {
  const targets = new Map<string, string>();
  return {
    note(type, content) {
      if (type !== "comm_open" && type !== "comm_close") return;
      const { comm_id: id, target_name: target } = (content ?? {}) as Record<string, unknown>;
      if (typeof id !== "string") return;
      if (type === "comm_open" && typeof target === "string") targets.set(id, target);
      else targets.delete(id);
    },
    list: (target) =>
      Object.fromEntries(
        [...targets]
          .filter(([, name]) => target === undefined || target === name)
          .map(([id, name]) => [id, { target_name: name }]),
      ),
  };
}
