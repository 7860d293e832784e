/** The few C library calls around loading a library: dlopen with flags of our own, and a silent stderr meanwhile. */
import { closeSync, openSync } from "node:fs";
import { constants, devNull } from "node:os";
import { AmsError } from "../../errors.js";
import { koffi } from "./koffi.js";

const RTLD_LAZY = 1;
const RTLD_GLOBAL = 0x100;
/** Without it the libraries are closed at exit while their threads still run, and the process dies with signal 11. */
const RTLD_NODELETE = 0x1000;

interface LibC {
  dlopen: (file: string, flags: number) => bigint | null;
  dlerror: () => string | null;
  dup: (fd: number) => number;
  dup2: (from: number, to: number) => number;
  close: (file: number) => number;
  setenv: (name: string, value: string, overwrite: number) => number;
  sigfillset: (set: Uint8Array) => number;
  sigdelset: (set: Uint8Array, signal: number) => number;
  pthread_sigmask: (how: number, set: Uint8Array, before: null) => number;
}

let libc: LibC | undefined;

function openLibC(): LibC {
  if (libc === undefined) {
    const self = koffi.load(null);
    libc = {
      dlopen: self.func("void *dlopen(const char *file, int flags)") as LibC["dlopen"],
      dlerror: self.func("const char *dlerror()") as LibC["dlerror"],
      dup: self.func("int dup(int fd)") as LibC["dup"],
      dup2: self.func("int dup2(int from, int to)") as LibC["dup2"],
      close: self.func("int close(int file)") as LibC["close"],
      setenv: self.func("int setenv(const char *name, const char *value, int overwrite)") as LibC["setenv"],
      sigfillset: self.func("int sigfillset(void *set)") as LibC["sigfillset"],
      sigdelset: self.func("int sigdelset(void *set, int signal)") as LibC["sigdelset"],
      pthread_sigmask: self.func(
        "int pthread_sigmask(int how, const void *set, void *before)",
      ) as LibC["pthread_sigmask"],
    };
  }
  return libc;
}

/**
 * Loads a shared library for good and makes its symbols visible to the libraries loaded after it.
 * @throws AmsError with the loader's own words and `hint` when the file is not a library of this machine.
 */
export function loadForGood(file: string, hint: string): void {
  const { dlopen, dlerror } = openLibC();
  if (dlopen(file, RTLD_LAZY | RTLD_GLOBAL | RTLD_NODELETE) === null) {
    throw new AmsError(`the library could not be loaded: ${dlerror() ?? "no reason given"}`, { where: file, hint });
  }
}

/**
 * Leaves signals (an interrupt, a window that changes its size) to the other threads of the process, Node's own, where their handlers
 * do the same: one that arrives in this thread while TensorFlow computes damages the heap, about one in two hundred. The thread's own
 * faults, and what only ever concerns it, are not among them.
 */
export function leaveSignalsToOthers(): void {
  if (process.platform === "win32") return;
  const { sigfillset, sigdelset, pthread_sigmask } = openLibC();
  const set = new Uint8Array(128); // as large as any system's
  sigfillset(set);
  for (const own of ["SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGABRT", "SIGTRAP", "SIGSYS"] as const) {
    sigdelset(set, constants.signals[own]);
  }
  pthread_sigmask(process.platform === "darwin" ? 1 : 0, set, null);
}

/** Sets a variable in the C environment; in a worker thread `process.env` is only a copy of it. */
export function setEnvironment(name: string, value: string): void {
  openLibC().setenv(name, value, 1);
}

/**
 * Runs `work` with the process's stderr (file descriptor 2) on the null device: TensorFlow writes two lines there while it
 * loads, whatever its log level, and they would show as errors in a notebook. Nothing of JavaScript's own is lost: `work` is
 * synchronous. Who sets TF_CPP_MIN_LOG_LEVEL to 0, 1 or 2 wants to read what TensorFlow says (why it finds no GPU, say).
 */
export function withSilentStderr<T>(work: () => T): T {
  if (/^[0-2]$/.test(process.env["TF_CPP_MIN_LOG_LEVEL"] ?? "")) return work();
  const { dup, dup2, close } = openLibC();
  const saved = dup(2);
  const sink = openSync(devNull, "w");
  dup2(sink, 2);
  try {
    return work();
  } finally {
    dup2(saved, 2);
    closeSync(sink);
    close(saved); // a file that Node did not open: in a worker thread it would warn
  }
}
