/** TensorFlow's C API (`tensorflow/c/c_api.h`, `c/eager/c_api.h`, `c/tf_tstring.h`): the functions that the binding calls. */
import type { LibraryFiles } from "./files.js";
import { koffi, type CFunction } from "./koffi.js";
import { leaveSignalsToOthers, loadForGood, setEnvironment } from "./libc.js";

/** An address in native memory. */
export type Pointer = bigint;
/** What a `void *` argument takes: an address or the memory of a typed array. */
export type Memory = Pointer | NodeJS.ArrayBufferView;

const prototypes = {
  TF_Version: "const char *TF_Version()",
  TF_NewStatus: "void *TF_NewStatus()",
  TF_DeleteStatus: "void TF_DeleteStatus(void *status)",
  TF_GetCode: "int TF_GetCode(void *status)",
  TF_Message: "const char *TF_Message(void *status)",
  TF_AllocateTensor: "void *TF_AllocateTensor(int dtype, void *dims, int rank, size_t bytes)",
  TF_DeleteTensor: "void TF_DeleteTensor(void *tensor)",
  TF_TensorData: "void *TF_TensorData(void *tensor)",
  TF_TensorByteSize: "size_t TF_TensorByteSize(void *tensor)",
  TF_TensorElementCount: "int64_t TF_TensorElementCount(void *tensor)",
  TF_StringInit: "void TF_StringInit(void *string)",
  TF_StringCopy: "void TF_StringCopy(void *string, void *source, size_t size)",
  TF_StringGetDataPointer: "void *TF_StringGetDataPointer(void *string)",
  TF_StringGetSize: "size_t TF_StringGetSize(void *string)",
  TF_StringDealloc: "void TF_StringDealloc(void *string)",
  TF_DeviceListMemoryBytes: "int64_t TF_DeviceListMemoryBytes(void *list, int index, void *status)",
  // tsl::enable_tensor_float_32_execution(bool) and its question: C++ functions, the only way to them.
  _ZN3tsl32enable_tensor_float_32_executionEb: "void _ZN3tsl32enable_tensor_float_32_executionEb(bool on)",
  _ZN3tsl33tensor_float_32_execution_enabledEv: "bool _ZN3tsl33tensor_float_32_execution_enabledEv()",
  TFE_NewContextOptions: "void *TFE_NewContextOptions()",
  TFE_ContextOptionsSetConfig:
    "void TFE_ContextOptionsSetConfig(void *options, void *proto, size_t size, void *status)",
  TFE_DeleteContextOptions: "void TFE_DeleteContextOptions(void *options)",
  TFE_NewContext: "void *TFE_NewContext(void *options, void *status)",
  TFE_ContextAddFunctionDef: "void TFE_ContextAddFunctionDef(void *context, void *proto, size_t size, void *status)",
  TFE_ContextListDevices: "void *TFE_ContextListDevices(void *context, void *status)",
  TF_DeviceListCount: "int TF_DeviceListCount(void *list)",
  TF_DeviceListName: "const char *TF_DeviceListName(void *list, int index, void *status)",
  TF_DeviceListType: "const char *TF_DeviceListType(void *list, int index, void *status)",
  TF_DeleteDeviceList: "void TF_DeleteDeviceList(void *list)",
  TFE_NewTensorHandle: "void *TFE_NewTensorHandle(void *tensor, void *status)",
  TFE_DeleteTensorHandle: "void TFE_DeleteTensorHandle(void *handle)",
  TFE_TensorHandleDataType: "int TFE_TensorHandleDataType(void *handle)",
  TFE_TensorHandleNumDims: "int TFE_TensorHandleNumDims(void *handle, void *status)",
  TFE_TensorHandleDim: "int64_t TFE_TensorHandleDim(void *handle, int index, void *status)",
  TFE_TensorHandleResolve: "void *TFE_TensorHandleResolve(void *handle, void *status)",
  TFE_TensorHandleCopyToDevice:
    "void *TFE_TensorHandleCopyToDevice(void *handle, void *context, const char *device, void *status)",
  TFE_NewOp: "void *TFE_NewOp(void *context, const char *name, void *status)",
  TFE_DeleteOp: "void TFE_DeleteOp(void *op)",
  TFE_OpSetDevice: "void TFE_OpSetDevice(void *op, const char *device, void *status)",
  TFE_OpAddInput: "void TFE_OpAddInput(void *op, void *handle, void *status)",
  TFE_OpSetAttrString: "void TFE_OpSetAttrString(void *op, const char *name, void *value, size_t length)",
  TFE_OpSetAttrInt: "void TFE_OpSetAttrInt(void *op, const char *name, int64_t value)",
  TFE_OpSetAttrFloat: "void TFE_OpSetAttrFloat(void *op, const char *name, float value)",
  TFE_OpSetAttrBool: "void TFE_OpSetAttrBool(void *op, const char *name, unsigned char value)",
  TFE_OpSetAttrType: "void TFE_OpSetAttrType(void *op, const char *name, int value)",
  TFE_OpSetAttrShape: "void TFE_OpSetAttrShape(void *op, const char *name, void *dims, int rank, void *status)",
  TFE_OpSetAttrIntList: "void TFE_OpSetAttrIntList(void *op, const char *name, void *values, int count)",
  TFE_OpSetAttrFloatList: "void TFE_OpSetAttrFloatList(void *op, const char *name, void *values, int count)",
  TFE_OpSetAttrBoolList: "void TFE_OpSetAttrBoolList(void *op, const char *name, void *values, int count)",
  TFE_Execute: "void TFE_Execute(void *op, void *handles, void *count, void *status)",
} as const;

/** Of the experimental part of the C API: a version may lack them. */
const experimental = {
  TFE_NewExecutor: "void *TFE_NewExecutor(bool queued, bool streaming, int most)",
  TFE_ContextSetExecutorForThread: "void TFE_ContextSetExecutorForThread(void *context, void *executor)",
  TFE_ExecutorWaitForAllPendingNodes: "void TFE_ExecutorWaitForAllPendingNodes(void *executor, void *status)",
  TFE_ExecutorClearError: "void TFE_ExecutorClearError(void *executor)",
} as const;

export type TensorFlow = Record<keyof typeof prototypes, CFunction> &
  Record<keyof typeof experimental, CFunction | undefined>;

/**
 * Loads `libtensorflow_framework` and `libtensorflow_cc` (in this order: the second needs the first) for the rest of the
 * process's life and looks the functions up.
 * @throws AmsError when a file is not a library of this machine.
 */
export function loadTensorFlow({ framework, cc, repair }: Omit<LibraryFiles, "version">): TensorFlow {
  // Errors come back as exceptions; TensorFlow's own log lines about them would only repeat them on stderr.
  if (process.env["TF_CPP_MIN_LOG_LEVEL"] === undefined) setEnvironment("TF_CPP_MIN_LOG_LEVEL", "3");
  loadForGood(framework, repair);
  loadForGood(cc, repair);
  leaveSignalsToOthers();
  // The C API's functions are spread over both files; both are asked through their own handles.
  const libraries = [koffi.load(cc), koffi.load(framework)];
  const find = (prototype: string): CFunction | undefined => {
    for (const library of libraries) {
      try {
        return library.func(prototype);
      } catch {
        // the other one may have it
      }
    }
    return undefined;
  };
  const functions = Object.entries({ ...prototypes, ...experimental }).map(
    ([name, prototype]) => [name, find(prototype)] as const,
  );
  const missing = functions.find(([name, found]) => found === undefined && name in prototypes);
  if (missing !== undefined) throw new Error(`TensorFlow's library has no ${missing[0]}`);
  return Object.fromEntries(functions) as TensorFlow;
}

const memcpy = koffi.load(null).func("void *memcpy(void *to, void *from, size_t bytes)") as (
  to: Memory,
  from: Memory,
  bytes: number,
) => unknown;

/** Copies bytes between native memory and typed arrays, either way. */
export function copyMemory(to: Memory, from: Memory, bytes: number): void {
  if (bytes > 0) memcpy(to, from, bytes);
}
