/** What tfjs-node's kernels expect of their native addon, over TensorFlow's C API: tensors by number, and eager ops. */
import { availableParallelism } from "node:os";
import { AmsError } from "../../errors.js";
import { callKey, createAhead, keptValues, type Kind, type Known } from "./ahead.js";
import { copyMemory, type Pointer, type TensorFlow } from "./library.js";

/** `TF_DataType` numbers (tensorflow/c/tf_datatype.h). */
export const dataTypes = {
  TF_FLOAT: 1,
  TF_UINT8: 4,
  TF_INT32: 3,
  TF_STRING: 7,
  TF_COMPLEX64: 8,
  TF_INT64: 9,
  TF_BOOL: 10,
  TF_BFLOAT16: 14,
  TF_RESOURCE: 20,
} as const;

/** `TF_AttrType` numbers (tensorflow/c/c_api.h); RESOURCE is the name under which tfjs-node knows it. */
const attributeTypes = {
  TF_ATTR_STRING: 0,
  TF_ATTR_INT: 1,
  TF_ATTR_FLOAT: 2,
  TF_ATTR_BOOL: 3,
  TF_ATTR_TYPE: 4,
  TF_ATTR_SHAPE: 5,
  TF_ATTR_RESOURCE: 20,
} as const;

export type TensorData = Float32Array | Int32Array | Uint8Array | BigInt64Array | Uint8Array[];

export interface TensorMetadata {
  id: number;
  shape: number[];
  dtype: number;
}

export interface OpAttribute {
  name: string;
  /** One of the TF_ATTR numbers. */
  type: number;
  value: unknown;
}

/** The surface of tfjs-node's addon that its kernels use, without saved models. */
export type Binding = ReturnType<typeof createBinding>;

export interface BindingOptions {
  /** Threads of one op (and of the pool that runs ops); default: TensorFlow's choice, the number of cores. */
  threads?: number | undefined;
}

/** A tensor of TensorFlow's. */
interface Held extends Known {
  handle: Pointer;
}

/** Bytes of one element; strings and resources have none of their own. */
const elementBytes: Record<number, number> = {
  [dataTypes.TF_FLOAT]: 4,
  [dataTypes.TF_INT32]: 4,
  [dataTypes.TF_INT64]: 8,
  [dataTypes.TF_BOOL]: 1,
  [dataTypes.TF_UINT8]: 1,
  [dataTypes.TF_COMPLEX64]: 8,
};

/** sizeof(TF_TString), and how many bytes it holds without memory of its own. */
const STRING_BYTES = 24;
const SHORT_STRING = 22;

/**
 * A serialized ConfigProto: intra_op_parallelism_threads (field 2), inter_op_parallelism_threads (field 5) and
 * gpu_options.allow_growth (field 6 {field 4}); without the last TensorFlow takes nearly all memory of a GPU at once.
 */
export function configProto(threads: number | undefined): Uint8Array {
  const varint = (n: number): number[] => (n < 128 ? [n] : [(n & 127) | 128, ...varint(n >> 7)]);
  const counts = threads === undefined ? [] : [0x10, ...varint(threads), 0x28, ...varint(threads)];
  return Uint8Array.from([...counts, 0x32, 2, 0x20, 1]);
}

/**
 * Makes an eager context and the functions over it. One context lives as long as the process (or worker thread).
 * Every failure that TensorFlow reports is thrown as an AmsError with its message and the op's name.
 */
export function createBinding(tensorflow: TensorFlow, { threads }: BindingOptions = {}) {
  const tf = tensorflow;
  const status = tf.TF_NewStatus() as Pointer;
  const check = (where: string): void => {
    if (tf.TF_GetCode(status) === 0) return;
    // Of a queued op it also says that all later ones are given up, which `recover` ends.
    const message = String(tf.TF_Message(status)).replace(
      /Encountered when executing an operation using EagerExecutor.*/s,
      "",
    );
    ahead?.recover();
    throw new AmsError(`TensorFlow: ${message.trim()}`, {
      where,
      hint: "check the shapes and types of the tensors; when memory ran out, use a smaller batch or model",
    });
  };
  let ahead: ReturnType<typeof createAhead>;

  const options = tf.TFE_NewContextOptions() as Pointer;
  const proto = configProto(threads);
  tf.TFE_ContextOptionsSetConfig(options, proto, proto.length, status);
  check("thread and memory settings");
  const context = tf.TFE_NewContext(options, status) as Pointer;
  check("starting TensorFlow");
  tf.TFE_DeleteContextOptions(options);
  // One thread is one thread: JavaScript's and TensorFlow's work take turns then.
  if ((threads ?? availableParallelism()) > 1) ahead = createAhead(tf, context, status);
  const devices = listDevices();
  let gpu = devices.find((device) => device.type === "GPU");
  /** The CPU, when there is a GPU that TensorFlow would choose by itself and may not. */
  let instead: string | undefined;

  function listDevices(): { name: string; type: string; bytes: number }[] {
    const list = tf.TFE_ContextListDevices(context, status) as Pointer;
    check("listing devices");
    const found = Array.from({ length: Number(tf.TF_DeviceListCount(list)) }, (_, i) => ({
      name: String(tf.TF_DeviceListName(list, i, status)),
      type: String(tf.TF_DeviceListType(list, i, status)),
      /** Of memory that TensorFlow may use there. */
      bytes: Number(tf.TF_DeviceListMemoryBytes(list, i, status)),
    }));
    tf.TF_DeleteDeviceList(list);
    return found;
  }

  const tensors = new Map<number, Held>();
  let nextId = 0;

  const insert = (held: Held): number => {
    tensors.set(nextId, held);
    return nextId++;
  };

  const heldBy = (id: number, where: string): Held => {
    const held = tensors.get(id);
    if (held === undefined) throw new Error(`${where}: there is no tensor ${String(id)}; was it disposed?`);
    return held;
  };
  const handleOf = (id: number, where: string): Pointer => heldBy(id, where).handle;

  // Reused for every call: the addresses of an op's results, and how many there are.
  let results = new BigUint64Array(16);
  const resultCount = new Int32Array(1);

  /** What a tensor is; waits until it is computed. */
  function kindOf(handle: Pointer): Kind {
    const rank = tf.TFE_TensorHandleNumDims(handle, status) as number;
    const shape = new Array<number>(Math.max(rank, 0));
    for (let i = 0; i < rank; i++) shape[i] = Number(tf.TFE_TensorHandleDim(handle, i, status));
    return { shape, dtype: tf.TFE_TensorHandleDataType(handle) as number };
  }

  function stringTensor(shape: BigInt64Array, values: Uint8Array[]): Pointer {
    const tensor = tf.TF_AllocateTensor(
      dataTypes.TF_STRING,
      shape,
      shape.length,
      values.length * STRING_BYTES,
    ) as Pointer;
    const data = tf.TF_TensorData(tensor) as Pointer;
    values.forEach((bytes, i) => {
      const string = data + BigInt(i * STRING_BYTES);
      tf.TF_StringInit(string);
      tf.TF_StringCopy(string, bytes, bytes.length);
    });
    return tensor;
  }

  /** Long strings own memory which a tensor made here would never free: an op's result does, so it takes their place. */
  function ownedStrings(tensor: Pointer, handle: Pointer, count: number): Pointer {
    const copied = new Int32Array([0, 2147483647]);
    const [position, length] = [0, 1].map((i) => createTensor([], dataTypes.TF_INT32, copied.subarray(i, i + 1)));
    const id = insert({ handle, shape: [count], dtype: dataTypes.TF_STRING });
    const attributes = [{ name: "T", type: attributeTypes.TF_ATTR_TYPE, value: dataTypes.TF_INT32 }];
    const [copy] = executeOp("Substr", attributes, [id, position as number, length as number], 1);
    const data = tf.TF_TensorData(tensor) as Pointer;
    for (let i = 0; i < count; i++) tf.TF_StringDealloc(data + BigInt(i * STRING_BYTES));
    for (const used of [id, position, length]) deleteTensor(used as number);
    const owned = handleOf((copy as TensorMetadata).id, "Substr");
    tensors.delete((copy as TensorMetadata).id);
    return owned;
  }

  /**
   * A tensor with a copy of `values`. int64 takes an Int32Array of pairs (low, high), as tfjs-node hands them over; strings
   * are arrays of bytes. int32 and strings stay on the host, where GPU kernels expect them; others go to the device.
   */
  function createTensor(shape: number[], dtype: number, values: TensorData): number {
    const dims = BigInt64Array.from(shape, BigInt);
    const count = shape.reduce((product, n) => product * n, 1);
    if (Array.isArray(values)) {
      const tensor = stringTensor(dims, values);
      let handle = tf.TFE_NewTensorHandle(tensor, status) as Pointer;
      check("createTensor");
      if (values.some((bytes) => bytes.length > SHORT_STRING)) handle = ownedStrings(tensor, handle, count);
      tf.TF_DeleteTensor(tensor);
      return insert({ handle, shape: [...shape], dtype });
    }
    const bytes = count * (elementBytes[dtype] ?? 0);
    if (bytes !== values.byteLength) {
      throw new Error(
        `createTensor: shape [${shape.join(", ")}] of type ${String(dtype)} needs ${String(bytes)} bytes, got ${String(values.byteLength)}`,
      );
    }
    const tensor = tf.TF_AllocateTensor(dtype, dims, dims.length, bytes) as Pointer | null;
    if (tensor === null) {
      throw new AmsError(`no memory for a tensor of ${(bytes / 2 ** 20).toFixed(0)} MiB`, {
        where: `shape [${shape.join(", ")}]`,
        hint: "use a smaller batch or a smaller model",
      });
    }
    copyMemory(tf.TF_TensorData(tensor) as Pointer, values, bytes);
    const handle = tf.TFE_NewTensorHandle(tensor, status) as Pointer;
    tf.TF_DeleteTensor(tensor);
    check("createTensor");
    const kept = dtype === dataTypes.TF_INT32 || dtype === dataTypes.TF_INT64 ? keptValues(values as Int32Array) : {};
    if (gpu === undefined || dtype === dataTypes.TF_INT32) return insert({ handle, shape: [...shape], dtype, ...kept });
    const copy = tf.TFE_TensorHandleCopyToDevice(handle, context, gpu.name, status) as Pointer;
    tf.TFE_DeleteTensorHandle(handle);
    check("copying to the GPU");
    return insert({ handle: copy, shape: [...shape], dtype });
  }

  function deleteTensor(id: number): void {
    tf.TFE_DeleteTensorHandle(handleOf(id, "deleteTensor"));
    tensors.delete(id);
  }

  /** A copy of a tensor's values; blocks until they are computed. Strings come as arrays of bytes. */
  function tensorDataSync(id: number): TensorData {
    const handle = handleOf(id, "tensorDataSync");
    const dtype = tf.TFE_TensorHandleDataType(handle) as number;
    const tensor = tf.TFE_TensorHandleResolve(handle, status) as Pointer;
    check("reading a tensor");
    try {
      const data = tf.TF_TensorData(tensor) as Pointer;
      const bytes = Number(tf.TF_TensorByteSize(tensor));
      if (dtype === dataTypes.TF_STRING) return readStrings(data, Number(tf.TF_TensorElementCount(tensor)));
      const values = emptyArray(dtype, bytes);
      copyMemory(values, data, bytes);
      return values;
    } finally {
      tf.TF_DeleteTensor(tensor);
    }
  }

  function readStrings(data: Pointer, count: number): Uint8Array[] {
    return Array.from({ length: count }, (_, i) => {
      const string = data + BigInt(i * STRING_BYTES);
      const bytes = new Uint8Array(Number(tf.TF_StringGetSize(string)));
      if (bytes.length > 0) copyMemory(bytes, tf.TF_StringGetDataPointer(string) as Pointer, bytes.length);
      return bytes;
    });
  }

  function setAttribute(op: Pointer, { name, type, value }: OpAttribute): void {
    switch (type) {
      case attributeTypes.TF_ATTR_BOOL:
        if (Array.isArray(value)) tf.TFE_OpSetAttrBoolList(op, name, Uint8Array.from(value.map(Number)), value.length);
        else tf.TFE_OpSetAttrBool(op, name, value === true ? 1 : 0);
        break;
      case attributeTypes.TF_ATTR_TYPE:
        tf.TFE_OpSetAttrType(op, name, value as number);
        break;
      case attributeTypes.TF_ATTR_INT:
        if (Array.isArray(value)) {
          tf.TFE_OpSetAttrIntList(op, name, BigInt64Array.from(value as number[], BigInt), value.length);
        } else tf.TFE_OpSetAttrInt(op, name, value as number);
        break;
      case attributeTypes.TF_ATTR_FLOAT:
        if (Array.isArray(value)) tf.TFE_OpSetAttrFloatList(op, name, Float32Array.from(value), value.length);
        else tf.TFE_OpSetAttrFloat(op, name, value as number);
        break;
      case attributeTypes.TF_ATTR_STRING: {
        const bytes = Buffer.from(String(value), "utf8");
        tf.TFE_OpSetAttrString(op, name, bytes, bytes.length);
        break;
      }
      case attributeTypes.TF_ATTR_SHAPE: {
        const dims = BigInt64Array.from(value as number[], BigInt);
        tf.TFE_OpSetAttrShape(op, name, dims, dims.length, status);
        check(`attribute ${name}`);
        break;
      }
      default:
        throw new Error(`attribute ${name} has an unknown type ${String(type)}`);
    }
  }

  /** Names that are functions here. */
  const functions = new Set<string>();

  /** How many `queued` are around the call. */
  let depth = 0;
  const mayQueue = (): boolean => depth > 0 && ahead !== undefined && gpu === undefined;

  /**
   * Runs one op on tensors by number; the results are new tensors. Within `queued` it is only queued where their shapes are known from
   * an earlier call; what fails in it is told by a later call or by the reading of a result.
   */
  function executeOp(
    name: string,
    attributes: readonly OpAttribute[],
    inputs: readonly number[],
    outputs: number,
  ): TensorMetadata[] {
    const held = inputs.map((id) => heldBy(id, name));
    const key = mayQueue() ? callKey(name, attributes, held, functions.has(name)) : undefined;
    const known = key === undefined ? undefined : ahead?.get(key);
    if (known !== undefined) ahead?.queue();
    else if (ahead?.atOnce() === true) check(`an op shortly before ${name}`);
    const op = tf.TFE_NewOp(context, name, status) as Pointer;
    check(name);
    try {
      if (instead !== undefined) {
        tf.TFE_OpSetDevice(op, instead, status);
        check(name);
      }
      for (const { handle } of held) {
        tf.TFE_OpAddInput(op, handle, status);
        check(name);
      }
      for (const attribute of attributes) setAttribute(op, attribute);
      if (outputs > results.length) results = new BigUint64Array(outputs);
      resultCount[0] = outputs;
      tf.TFE_Execute(op, results, resultCount, status);
      check(known === undefined ? name : `${name} or an op shortly before it`);
      const handles = Array.from({ length: resultCount[0] }, (_, i) => results[i]!);
      const kinds = known ?? handles.map(kindOf);
      if (known === undefined && key !== undefined) ahead?.learn(key, kinds);
      return handles.map((handle, i) => {
        const { shape, dtype } = kinds[i]!;
        return { id: insert({ handle, shape, dtype }), shape: [...shape], dtype };
      });
    } finally {
      tf.TFE_DeleteOp(op);
    }
  }

  /** The ops that `work` calls for are queued, as far as they can be: on the CPU, with two threads or more. */
  function queued<T>(work: () => T): T {
    depth++;
    try {
      return work();
    } finally {
      depth--;
    }
  }

  /** Waits until all that is queued is computed, and throws what failed in it -> whether anything was. */
  function settle(): boolean {
    const waited = ahead?.atOnce() === true;
    if (waited) check("a queued op");
    return waited;
  }

  /** Marks the end of the queue -> a function, to be called once, that waits until TensorFlow has come there, and throws what failed until then. */
  function mark(): () => void {
    return queued(() => {
      if (!mayQueue()) return () => undefined;
      const one = createTensor([], dataTypes.TF_INT32, Int32Array.of(0));
      const type = { name: "T", type: attributeTypes.TF_ATTR_TYPE, value: dataTypes.TF_INT32 };
      try {
        const [copy] = executeOp("Identity", [type], [one], 1) as [TensorMetadata];
        return () => {
          kindOf(handleOf(copy.id, "mark"));
          deleteTensor(copy.id);
          check("a queued op");
        };
      } finally {
        deleteTensor(one);
      }
    });
  }

  /** Adds a function (a FunctionDef message); its name is then an op's. */
  function addFunction(name: string, proto: Uint8Array): void {
    tf.TFE_ContextAddFunctionDef(context, proto, proto.length, status);
    check("adding a function");
    functions.add(name);
  }

  return {
    ...dataTypes,
    ...attributeTypes,
    TF_Version: String(tf.TF_Version()),
    devices,
    createTensor,
    deleteTensor,
    tensorDataSync,
    executeOp,
    addFunction,
    getNumOfTensors: (): number => tensors.size,
    queued,
    settle,
    mark,
    /** Gives up what is queued, after an error elsewhere. */
    giveUp: (): void => ahead?.recover(),
    getNumOfSavedModels: (): number => 0,
    /** Whether a GPU's float32 products may round their inputs to TF32 (10 bits of mantissa); given a value, sets it. */
    tensorFloat32: (on?: boolean): boolean => {
      if (on !== undefined) tf._ZN3tsl32enable_tensor_float_32_executionEb(on);
      return tf._ZN3tsl33tensor_float_32_execution_enabledEv() as boolean;
    },
    /** Whether ops and tensors go to the GPU, where there is one (they do from the start), or to the CPU. */
    useGpu: (on: boolean): void => {
      const found = devices.find((device) => device.type === "GPU");
      gpu = on ? found : undefined;
      instead = on || found === undefined ? undefined : devices.find((device) => device.type === "CPU")?.name;
    },
    isUsingGpuDevice: (): boolean => gpu !== undefined,
  };
}

/** The typed array that tfjs-node's kernels expect for a type; complex numbers are pairs of floats. */
function emptyArray(dtype: number, bytes: number): Float32Array | Int32Array | Uint8Array | BigInt64Array {
  switch (dtype) {
    case dataTypes.TF_FLOAT:
    case dataTypes.TF_COMPLEX64:
      return new Float32Array(bytes / 4);
    case dataTypes.TF_INT32:
      return new Int32Array(bytes / 4);
    case dataTypes.TF_INT64:
      return new BigInt64Array(bytes / 8);
    case dataTypes.TF_BOOL:
    case dataTypes.TF_UINT8:
    case dataTypes.TF_RESOURCE:
      return new Uint8Array(bytes);
    default:
      throw new Error(`tensors of TensorFlow type ${String(dtype)} cannot be read; cast them first`);
  }
}
