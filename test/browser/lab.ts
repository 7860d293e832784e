/** A real JupyterLab in a real browser: starts both, opens notebooks, runs them and reads what they show. */
import { spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { chromium, type Browser, type Page } from "playwright-core";
import { packageRoot } from "../../src/paths.js";
import { until } from "./ask.js";

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
  /** Opens a notebook whose metadata name no kernel and no language: JupyterLab asks for a kernel, and is given none. */
  openWithoutKernel(notebook: string): Promise<void>;
  /** Clicks the launcher's notebook card of that title and waits until the new notebook's kernel is idle. */
  launch(title: string): Promise<void>;
  /** Loads the page again, whatever runs; resolves when the notebook has its kernel, which may be busy. */
  reload(): Promise<void>;
  /** Adds a code cell at the end of the open notebook. */
  append(source: string): Promise<void>;
  /** Starts a cell and does not wait for its end. */
  start(cell: number): Promise<void>;
  /** Runs all cells of the open notebook and resolves to them, outputs included. */
  runAll(timeoutSeconds: number): Promise<NotebookCell[]>;
  /** Runs the cells from one number up to another (without it), each to its end. */
  run(from: number, to: number): Promise<void>;
  /** The text of an expression's value in the kernel of the open notebook. */
  evaluate(expression: string): Promise<string>;
  /** Restarts the kernel of the open notebook without asking. */
  restartKernel(): Promise<void>;
  /** Writes the open notebook to its file. */
  save(): Promise<void>;
  /** A command of JupyterLab by its id. */
  command(id: string, args?: Record<string, unknown>): Promise<unknown>;
  cells(): Promise<NotebookCell[]>;
  /** With AMS_SCREENSHOTS set: a picture of the page in that folder, for people to look at. */
  picture(name: string): Promise<void>;
  close(): Promise<void>;
}

/** A notebook's export by nbconvert, as one HTML page beside it. */
export async function exportToHtml(notebook: string): Promise<string> {
  const script = path.join(packageRoot(), "scripts", "setup", "paths.mjs");
  const setup = (await import(pathToFileURL(script).href)) as SetupPaths;
  const page = notebook.replace(/\.ipynb$/, ".html");
  const child = spawn(setup.python, ["-m", "nbconvert", "--to", "html", "--output", page, notebook], {
    env: setup.environment(),
    stdio: ["ignore", "ignore", "pipe"],
  });
  let log = "";
  child.stderr.on("data", (chunk: Buffer) => (log += chunk.toString()));
  const [code] = (await once(child, "exit")) as [number | null];
  if (code !== 0 || !existsSync(page)) throw new Error(`nbconvert made no page:\n${log.slice(-2000)}`);
  return page;
}

/** For a browser that runs as root in a container. */
export const browserArguments = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"];

/** A notebook of code cells for this kernel. */
export function notebookOf(sources: string[]): object {
  return {
    cells: sources.map((source, i) => ({
      cell_type: "code",
      execution_count: null,
      id: `cell-${i}`,
      metadata: {},
      outputs: [],
      source,
    })),
    metadata: { kernelspec: { display_name: "TypeScript (AMS)", language: "typescript", name: "ams" } },
    nbformat: 4,
    nbformat_minor: 5,
  };
}

/** `$AMS_CHROMIUM`, Debian's Chromium or an installed Chrome. */
export function findBrowser(): string | undefined {
  const chosen = process.env["AMS_CHROMIUM"];
  const places = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
  return [...(chosen === undefined ? [] : [chosen]), ...places].find((file) => existsSync(file));
}

/**
 * Starts JupyterLab on a folder and a browser on it. `kernelPath`: a Jupyter data folder whose kernels come first. `own`: the Python that
 * has JupyterLab, its whole environment and more flags; default: the private one of the set-up. `notebook`: Notebook 7 in its place.
 */
export async function startLab(options: {
  root: string;
  browser: string;
  kernelPath?: string;
  viewport?: { width: number; height: number };
  own?: { python: string; env: NodeJS.ProcessEnv; flags: string[] };
  notebook?: boolean;
}): Promise<Lab> {
  const script = path.join(packageRoot(), "scripts", "setup", "paths.mjs");
  const setup = (await import(pathToFileURL(script).href)) as SetupPaths;
  const port = await freePort();
  const token = randomBytes(16).toString("hex");
  const settings = mkdtempSync(path.join(tmpdir(), "ams-lab-"));
  writeFileSync(path.join(settings, "overrides.json"), JSON.stringify(overrides));
  const folders = { JUPYTERLAB_WORKSPACES_DIR: settings, JUPYTERLAB_SETTINGS_DIR: settings };
  const { own } = options;
  const [module, app, pages] =
    options.notebook === true ? ["notebook", "JupyterNotebookApp", "notebooks"] : ["jupyterlab", "LabApp", "lab/tree"];
  const env = own === undefined ? setup.environment(folders) : { ...own.env, ...folders };
  if (options.kernelPath !== undefined)
    env["JUPYTER_PATH"] = [options.kernelPath, env["JUPYTER_PATH"]].filter((part) => part !== undefined).join(":");
  const server = spawn(
    own?.python ?? setup.python,
    [
      ...["-m", module, "--no-browser", "--allow-root", `--${app}.expose_app_in_browser=True`],
      `--ServerApp.root_dir=${options.root}`,
      `--ServerApp.port=${port}`,
      "--ServerApp.port_retries=0",
      `--IdentityProvider.token=${token}`,
      `--${app}.app_settings_dir=${settings}`,
      ...(own?.flags ?? []),
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
    browser = await chromium.launch({ executablePath: options.browser, args: browserArguments });
    const page = await browser.newPage({ viewport: options.viewport ?? { width: 1280, height: 900 } });
    const pageErrors: string[] = [];
    page.on("pageerror", (error) => pageErrors.push(error.message));
    return {
      page,
      pageErrors,
      close,
      cells: () => readCells(page),
      run: async (from, to) => {
        for (let cell = from; cell < to; cell++) await page.evaluate(runCell, cell);
      },
      evaluate: async (expression) => {
        const answer = await page.evaluate(evaluateInKernel, expression);
        if (answer.status !== "ok") throw new Error(`${expression}: ${answer.evalue ?? answer.status}`);
        return answer.data?.["text/plain"] ?? "";
      },
      restartKernel: () => page.evaluate(restart),
      reload: async () => {
        await page.reload();
        await page.waitForFunction(hasKernel, undefined, { timeout: 120_000, polling: 250 });
      },
      append: (source) => page.evaluate(addCell, source),
      start: (cell) => page.evaluate(startCell, cell),
      save: async () => {
        await page.evaluate(runCommand, { id: "docmanager:save" });
      },
      command: (id, args) => page.evaluate(runCommand, { id, ...(args === undefined ? {} : { args }) }),
      picture: async (name) => {
        const place = process.env["AMS_SCREENSHOTS"];
        if (place === undefined) return;
        mkdirSync(place, { recursive: true });
        await page.screenshot({ path: path.join(place, `${name}.png`) });
      },
      open: async (notebook) => {
        const place = notebook.split("/").map(encodeURIComponent).join("/");
        await page.goto(`${url}/${pages}/${place}?token=${token}`);
        // Not one that the workspace shows from before.
        await page.waitForFunction(isOpenAndIdle, notebook, { timeout: 120_000, polling: 250 });
      },
      openWithoutKernel: async (notebook) => {
        // Without the notebooks that were open before: each of them would ask for a kernel too.
        await page.goto(`${url}/lab/tree/${encodeURIComponent(notebook)}?token=${token}&reset`);
        const none = page.locator(".jp-Dialog button.jp-mod-reject").first();
        await none.waitFor({ timeout: 120_000 });
        await until(async () => {
          if (await none.isVisible()) await none.click({ timeout: 5000 }).catch(() => undefined); // gone meanwhile
          return (await none.count()) === 0;
        }, "the question for a kernel is answered");
        const name = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-KernelName");
        await name.filter({ hasText: "No Kernel" }).waitFor();
      },
      launch: async (title) => {
        await page.goto(`${url}/lab?token=${token}`);
        await page.locator(`.jp-LauncherCard[data-category="Notebook"][title="${title}"]`).click({ timeout: 120_000 });
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
  "@jupyter-widgets/jupyterlab-manager:plugin": { saveState: true },
};

// These functions run inside the page, where JupyterLab's application is exposed as `jupyterapp`.

interface JupyterApp {
  commands: { execute(id: string, args?: Record<string, unknown>): Promise<unknown> };
  shell: {
    /** null until the notebook is open. */
    currentWidget: {
      content: {
        activeCellIndex: number;
        model: { toJSON(): { cells: NotebookCell[] }; sharedModel: { addCell(cell: object): unknown } };
      };
      context?: { path: string };
      sessionContext?: { session?: { kernel?: Kernel | null } | null };
    } | null;
  };
}

interface Kernel {
  status: string;
  restart(): Promise<void>;
  requestExecute(content: object): { done: Promise<{ content: { user_expressions: { value: Evaluated } } }> };
}

interface Evaluated {
  status: string;
  evalue?: string;
  data?: Record<string, string>;
}

function runCommand({ id, args }: { id: string; args?: Record<string, unknown> }): Promise<unknown> {
  const { jupyterapp } = globalThis as unknown as { jupyterapp: JupyterApp };
  // What a command returns may be a part of the page, which cannot leave it.
  return jupyterapp.commands.execute(id, args).then(() => null);
}

async function runCell(index: number): Promise<void> {
  const { jupyterapp } = globalThis as unknown as { jupyterapp: JupyterApp };
  if (jupyterapp.shell.currentWidget !== null) jupyterapp.shell.currentWidget.content.activeCellIndex = index;
  await jupyterapp.commands.execute("notebook:run-cell");
}

/** What runs is awaited by nobody. */
function startCell(index: number): void {
  const { jupyterapp } = globalThis as unknown as { jupyterapp: JupyterApp };
  if (jupyterapp.shell.currentWidget !== null) jupyterapp.shell.currentWidget.content.activeCellIndex = index;
  void jupyterapp.commands.execute("notebook:run-cell");
}

function addCell(source: string): void {
  const { jupyterapp } = globalThis as unknown as { jupyterapp: JupyterApp };
  jupyterapp.shell.currentWidget?.content.model.sharedModel.addCell({ cell_type: "code", source, metadata: {} });
}

async function evaluateInKernel(expression: string): Promise<Evaluated> {
  const { jupyterapp } = globalThis as unknown as { jupyterapp: JupyterApp };
  const kernel = jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel;
  const content = { code: "", store_history: false, allow_stdin: false, user_expressions: { value: expression } };
  const reply = await kernel?.requestExecute(content).done;
  return reply?.content.user_expressions.value ?? { status: "no kernel" };
}

async function restart(): Promise<void> {
  const { jupyterapp } = globalThis as unknown as { jupyterapp: JupyterApp };
  await jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.restart();
}

function kernelIsIdle(): boolean {
  const { jupyterapp } = globalThis as unknown as { jupyterapp?: JupyterApp };
  return jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === "idle";
}

function isOpenAndIdle(notebook: string): boolean {
  const { jupyterapp } = globalThis as unknown as { jupyterapp?: JupyterApp };
  const shown = jupyterapp?.shell.currentWidget;
  return shown?.context?.path === notebook && shown.sessionContext?.session?.kernel?.status === "idle";
}

function hasKernel(): boolean {
  const { jupyterapp } = globalThis as unknown as { jupyterapp?: JupyterApp };
  const status = jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status;
  return status === "busy" || status === "idle";
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
