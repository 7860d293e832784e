/** The threads that prepare images: started when first needed, kept for the next epoch with what they have decoded. */
import { availableParallelism } from "node:os";
import path from "node:path";
import { Worker } from "node:worker_threads";
import { AmsError, type AmsErrorDetails } from "../errors.js";
import { readRegions, refuseRegions } from "./regionFeatures.js";
import { hash32 } from "../random.js";
import type {
  Augmentation,
  BadImage,
  ImageRequest,
  PlacedCrop,
  WorkerResult,
  WorkerStart,
  WorkerTask,
} from "./imageWorker.js";

/** Threads and memory for reading images. */
export interface PoolOptions {
  /** Threads; default 1 on machines with one or two cores, else one less than cores, at most 8. */
  workers?: number;
  /** Bound of all decoded images kept in memory together, in bytes. Default 1.5 GB. */
  cacheBytes?: number;
}

export interface PreparedImages {
  /** [images, 3, size, size]; zeros for bad images. */
  pixels: Float32Array;
  crops: PlacedCrop[];
  bad: BadImage[];
}

interface Pending {
  task: WorkerTask;
  resolve(result: WorkerResult): void;
  reject(error: Error): void;
}

interface Member {
  thread: Worker;
  underWork: Int32Array;
  pending: Map<number, Pending>;
}

const defaultCacheBytes = 1.5e9;
const members: (Member | undefined)[] = [];
let lastTask = 0;
let lastPass = 0;

/** A number for the cache: each epoch has its own, and evaluations belong to the epoch they follow. */
export function nextPass(): number {
  return ++lastPass;
}

export function currentPass(): number {
  return lastPass;
}

/** Threads that read images unless told otherwise: cores less one, 1 to 8. */
export function defaultWorkers(): number {
  const cores = availableParallelism();
  return cores <= 2 ? 1 : Math.min(cores - 1, 8);
}

/**
 * Decodes, crops, resizes and normalises images. An image always goes to the same thread (by its path), which may
 * still have it decoded. Images that cannot be read are listed in `bad`, at their place in the request.
 * An image at which its thread died is one of them; the rest goes to a new thread. Rejects with the signal's reason when
 * aborted, and with an `AmsError` that names the image when threads die again and again.
 */
export async function prepareImages(
  images: ImageRequest[],
  augmentation: Augmentation,
  seed: number,
  pass: number,
  options: PoolOptions,
  signal?: AbortSignal,
): Promise<PreparedImages> {
  signal?.throwIfAborted();
  const { regions } = augmentation;
  if (regions !== undefined) return readRegions(images.map(({ file }) => file), regions); // prettier-ignore
  refuseRegions(images.map(({ file }) => file));
  const workers = options.workers ?? defaultWorkers();
  const cacheBytes = (options.cacheBytes ?? defaultCacheBytes) / workers;
  const shares = Array.from({ length: workers }, () => [] as number[]); // positions in `images`
  images.forEach(({ file }, i) => shares[workers === 1 ? 0 : hash32(file) % workers]?.push(i));
  const open = new Set<{ cancel(reason: Error): void }>();
  /** A share, without what kills its thread. */
  const prepareShare = async (positions: number[], worker: number, deaths = 0): Promise<WorkerResult> => {
    const own = positions.map((i) => images[i] as ImageRequest);
    const part = send(worker, { id: ++lastTask, images: own, augmentation, seed, pass, cacheBytes });
    open.add(part);
    try {
      return await part.result;
    } catch (error) {
      const wanted = deaths < mostDeaths && !closing && signal?.aborted !== true;
      if (!(error instanceof DeathError) || !wanted) throw error;
      const rest = await prepareShare(positions.toSpliced(error.index, 1), worker, deaths + 1);
      return withBad(rest, error, 3 * augmentation.size ** 2);
    } finally {
      open.delete(part);
    }
  };
  const sent = shares.map((positions, worker) =>
    positions.length === 0 ? Promise.resolve(undefined) : prepareShare(positions, worker),
  );
  const onAbort = (): void => open.forEach((part) => part.cancel(signal?.reason as Error));
  signal?.addEventListener("abort", onAbort);
  const parts = await Promise.all(sent).finally(() => signal?.removeEventListener("abort", onAbort));
  const whole = parts.find((part) => part?.crops.length === images.length);
  return whole ?? merge(parts, shares, images.length, 3 * augmentation.size ** 2);
}

/** Threads that may die over one request. */
const mostDeaths = 3;

/** A thread that died over one of its images. */
class DeathError extends AmsError {
  constructor(
    /** Position of the image in the thread's task. */
    readonly index: number,
    message: string,
    details: AmsErrorDetails,
  ) {
    super(message, details);
  }
}

/** The result with one more image, which is bad, at `index`. */
function withBad(rest: WorkerResult, { index, message, where, hint }: DeathError, each: number): WorkerResult {
  const pixels = new Float32Array(rest.pixels.length + each);
  pixels.set(rest.pixels.subarray(0, index * each));
  pixels.set(rest.pixels.subarray(index * each), (index + 1) * each);
  const moved = rest.bad.map((entry) => (entry.index < index ? entry : { ...entry, index: entry.index + 1 }));
  const none: PlacedCrop = { top: 0, left: 0, width: 0, height: 0, flip: false, imageWidth: 0, imageHeight: 0 };
  return {
    id: rest.id,
    pixels,
    crops: rest.crops.toSpliced(index, 0, none),
    bad: [...moved, { index, message, where, hint }].sort((a, b) => a.index - b.index),
  };
}

function merge(parts: (WorkerResult | undefined)[], shares: number[][], count: number, each: number): PreparedImages {
  const pixels = new Float32Array(count * each);
  const crops = new Array<PlacedCrop>(count);
  const bad: BadImage[] = [];
  parts.forEach((part, worker) => {
    shares[worker]?.forEach((i, k) => {
      if (part === undefined) return;
      pixels.set(part.pixels.subarray(k * each, (k + 1) * each), i * each);
      crops[i] = part.crops[k] as PlacedCrop;
    });
    part?.bad.forEach((entry) => bad.push({ ...entry, index: shares[worker]?.[entry.index] ?? 0 }));
  });
  return { pixels, crops, bad: bad.sort((a, b) => a.index - b.index) };
}

function send(worker: number, task: WorkerTask): { result: Promise<WorkerResult>; cancel(reason: Error): void } {
  const member = (members[worker] ??= startMember(worker));
  const { pending, thread } = member;
  const result = new Promise<WorkerResult>((resolve, reject) => {
    pending.set(task.id, { task, resolve, reject });
  }).finally(() => {
    pending.delete(task.id);
    if (pending.size === 0) thread.unref(); // an idle thread keeps no program alive
  });
  thread.ref();
  thread.postMessage(task);
  return {
    result,
    cancel: (reason) => {
      thread.postMessage({ cancel: task.id });
      pending.get(task.id)?.reject(reason);
    },
  };
}

function startMember(worker: number): Member {
  const underWork = new Int32Array(new SharedArrayBuffer(8));
  const thread = new Worker(path.join(__dirname, "imageWorker.js"), {
    name: "images",
    workerData: { underWork } satisfies WorkerStart,
    execArgv: [], // flags such as --input-type of the program are not for this file
  });
  const member: Member = { thread, underWork, pending: new Map() };
  let failure: unknown;
  thread.on("message", (result: WorkerResult) => member.pending.get(result.id)?.resolve(result));
  thread.on("error", (error) => (failure = error));
  thread.on("exit", () => {
    if (members[worker] === member) members[worker] = undefined; // the next request starts a new one
    for (const pending of [...member.pending.values()]) pending.reject(died(member, pending.task, failure));
  });
  return member;
}

function died({ underWork }: Member, task: WorkerTask, cause: unknown): DeathError {
  const index = underWork[0] === task.id ? (underWork[1] ?? 0) : 0;
  const image = task.images[index];
  const reason = cause instanceof Error ? `: ${cause.message}` : "";
  return new DeathError(index, `the thread that prepares images has stopped${reason}`, {
    where: image?.file ?? "",
    hint: "look at this image; if it is a very large one, make it smaller or give the program more memory",
    cause,
  });
}

let closing = false;

/** Stops the threads and frees their decoded images; requests under way fail. The next request starts new ones. */
export async function closeImageWorkers(): Promise<void> {
  closing = true;
  try {
    await Promise.all(imageThreads().map((thread) => thread.terminate()));
  } finally {
    closing = false;
  }
}

/** The threads that are running now. */
export function imageThreads(): Worker[] {
  return members.flatMap((member) => (member === undefined ? [] : [member.thread]));
}
