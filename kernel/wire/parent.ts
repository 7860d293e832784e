/** Leaves when the process that started the kernel is gone: kernels outlive a killed parent otherwise. */

/** Watches the process named in JPY_PARENT_PID, once a second. */
export function watchParent(gone: () => void): void {
  if (process.platform === "win32") return; // there it is a handle, which Node cannot watch
  const parent = Number(process.env["JPY_PARENT_PID"]);
  if (!Number.isInteger(parent) || parent <= 1) return; // 1: a container's first process may well be the server itself
  const timer = setInterval(() => {
    try {
      process.kill(parent, 0);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") return; // EPERM: alive, another user's
      clearInterval(timer);
      gone();
    }
  }, 1000);
}
