/** The Node inspector of the main thread, spoken from the wire thread. */
import { Session, type InspectorNotification } from "node:inspector";

export interface Inspector {
  /** Sends a command of the Chrome DevTools Protocol; rejects with what the inspector says. */
  send: <T = unknown>(method: string, parameters?: object) => Promise<T>;
  /** A session that stays connected would hold up the exit of the process. */
  disconnect: () => void;
}

export function connectInspector(notify: (method: string, parameters: unknown) => void): Inspector {
  const session = new Session();
  session.connectToMainThread();
  session.on("inspectorNotification", ({ method, params }: InspectorNotification<unknown> & { params?: unknown }) => {
    notify(method, params);
  });
  return {
    send: <T>(method: string, parameters: object = {}) =>
      new Promise<T>((resolve, reject) => {
        session.post(method, parameters, (error: (Error & { code?: number }) | null, result?: object) => {
          if (error === null) resolve(result as T);
          else reject(new Error(`${method}: ${error.message}`));
        });
      }),
    disconnect: () => {
      session.disconnect();
    },
  };
}
