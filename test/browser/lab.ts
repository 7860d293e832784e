/** A real JupyterLab in a real browser: starts both, opens notebooks, runs them and reads what they show. */
import { spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { chromium, type Browser, type Page } from "playwright-core";
import { packageRoot } from "../../src/paths.js";

/** What scripts/setup/paths.mjs gives: the private Python and the environment of everything that Jupyter starts. */
interface SetupPaths {
  python: string;
  environment(extra?: NodeJS.ProcessEnv): NodeJS.ProcessEnv;
}

export interface Output {
  output_type: "stream" | "display_data" | "execute_result" | "error";
  name?: string;
  text?: string | string[];
  data?: Record<string, unknown>;
  ename?: string;
  evalue?: string;
}

export interface NotebookCell {
  cell_type: "code" | "markdown" | "raw";
  source: string | string[];
  outputs?: Output[];
}

export interface Lab {
  page: Page;
  /** Everything that went wrong in the page's own scripts. */
  pageErrors: string[];
  /** Opens a notebook (relative to the root folder) and waits until its kernel is idle. */
  open(notebook: string): Promise<void>;
  /** Runs all cells of the open notebook and resolves to them, outputs included. */
  runAll(timeoutSeconds: number): Promise<NotebookCell[]>;
  cells(): Promise<NotebookCell[]>;
  close(): Promise<void>;
}

/** `$AMS_CHROMIUM`, Debian's Chromium or an installed Chrome. */
export function findBrowser(): string | undefined {
  const chosen = process.env["AMS_CHROMIUM"];
  const places = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
  return [...(chosen === undefined ? [] : [chosen]), ...places].find((file) => existsSync(file));
}

/** Starts JupyterLab on a folder and a browser on it. `kernelPath`: a Jupyter data folder whose kernels come first. */
export async function startLab(options: {
  root: string;
  browser: string;
  kernelPath?: string;
  viewport?: { width: number; height: number };
}): Promise<Lab> {
  const script = path.join(packageRoot(), "scripts", "setup", "paths.mjs");
  const setup = (await import(pathToFileURL(script).href)) as SetupPaths;
  const port = await freePort();
  const token = randomBytes(16).toString("hex");
  const settings = mkdtempSync(path.join(tmpdir(), "ams-lab-"));
  writeFileSync(path.join(settings, "overrides.json"), JSON.stringify(overrides));
  const env = setup.environment({ JUPYTERLAB_WORKSPACES_DIR: settings, JUPYTERLAB_SETTINGS_DIR: settings });
  if (options.kernelPath !== undefined)
    env["JUPYTER_PATH"] = [options.kernelPath, env["JUPYTER_PATH"]].filter((part) => part !== undefined).join(":");
  const server = spawn(
    setup.python,
    [
      ...["-m", "jupyterlab", "--no-browser", "--allow-root", "--LabApp.expose_app_in_browser=True"],
      `--ServerApp.root_dir=${options.root}`,
      `--ServerApp.port=${port}`,
      "--ServerApp.port_retries=0",
      `--IdentityProvider.token=${token}`,
      `--LabApp.app_settings_dir=${settings}`,
    ],
    { env, stdio: ["ignore", "pipe", "pipe"] },
  );
  let log = "";
  for (const stream of [server.stdout, server.stderr]) stream.on("data", (chunk: Buffer) => (log += chunk.toString()));
  let browser: Browser | undefined;
  const close = async (): Promise<void> => {
    await browser?.close();
    await stop(server);
    rmSync(settings, { recursive: true, force: true });
  };
  try {
    const url = `http://127.0.0.1:${port}`;
    await answers(`${url}/api/status?token=${token}`, server, () => log);
    browser = await chromium.launch({
      executablePath: options.browser,
      args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
    });
    const page = await browser.newPage({ viewport: options.viewport ?? { width: 1280, height: 900 } });
    const pageErrors: string[] = [];
    page.on("pageerror", (error) => pageErrors.push(error.message));
    return {
      page,
      pageErrors,
      close,
      cells: () => readCells(page),
      open: async (notebook) => {
        const place = notebook.split("/").map(encodeURIComponent).join("/");
        await page.goto(`${url}/lab/tree/${place}?token=${token}`);
        await page.waitForFunction(kernelIsIdle, undefined, { timeout: 120_000, polling: 250 });
      },
      runAll: async (timeoutSeconds) => {
        const done = page.evaluate(runAllCells);
        const late = sleep(timeoutSeconds * 1000, "late", { ref: false });
        if ((await Promise.race([done, late])) === "late")
          throw new Error(`the notebook still runs after ${timeoutSeconds} s`);
        return readCells(page);
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** No news, and every cell drawn (by default JupyterLab draws only those in view). */
const overrides = {
  "@jupyterlab/apputils-extension:notification": { fetchNews: "false", checkForUpdates: false },
  "@jupyterlab/notebook-extension:tracker": { windowingMode: "none" },
};

// These functions run inside the page, where JupyterLab's application is exposed as `jupyterapp`.

interface JupyterApp {
  commands: { execute(id: string): Promise<unknown> };
  shell: {
    /** null until the notebook is open. */
    currentWidget: {
      content: { model: { toJSON(): { cells: NotebookCell[] } } };
      sessionContext?: { session?: { kernel?: { status: string } | null } | null };
    } | null;
  };
}

function kernelIsIdle(): boolean {
  const { jupyterapp } = globalThis as unknown as { jupyterapp?: JupyterApp };
  return jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === "idle";
}

async function runAllCells(): Promise<string> {
  const { jupyterapp } = globalThis as unknown as { jupyterapp: JupyterApp };
  await jupyterapp.commands.execute("notebook:run-all-cells");
  return "done";
}

function readCells(page: Page): Promise<NotebookCell[]> {
  return page.evaluate(() => {
    const { jupyterapp } = globalThis as unknown as { jupyterapp: JupyterApp };
    return jupyterapp.shell.currentWidget?.content.model.toJSON().cells ?? [];
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

async function answers(url: string, server: ChildProcess, log: () => string): Promise<void> {
  for (const end = Date.now() + 90_000; Date.now() < end;) {
    if (server.exitCode !== null) break;
    try {
      if ((await fetch(url)).ok) return;
    } catch {
      // not listening yet
    }
    await sleep(200);
  }
  throw new Error(`JupyterLab does not answer:\n${log().slice(-2000)}`);
}

async function stop(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const ended = once(server, "exit");
  server.kill("SIGTERM");
  const late = await Promise.race([ended.then(() => false), sleep(15_000, true, { ref: false })]);
  if (late) {
    server.kill("SIGKILL");
    await ended;
  }
}
