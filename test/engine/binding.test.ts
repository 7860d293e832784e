/** Where the binding puts tensors and ops on a machine with a GPU, seen from a C API that only writes down its calls. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createBinding, dataTypes } from "../../src/engine/native/binding.js";
import type { TensorFlow } from "../../src/engine/native/library.js";
import { AmsError } from "../../src/errors.js";

const cpu = { name: "/job:localhost/replica:0/task:0/device:CPU:0", type: "CPU" };
const gpu = { name: "/job:localhost/replica:0/task:0/device:GPU:0", type: "GPU" };

/** TensorFlow's C API with these devices; the function that `fail` names reports an error from then on. */
function recorder(devices: { name: string; type: string }[], threads = 2, missing: string[] = []) {
  const calls: { name: string; values: unknown[] }[] = [];
  let [made, code] = [100n, 0];
  let failing: string | undefined;
  const status = 1n;
  const results: Record<string, (...values: unknown[]) => unknown> = {
    TF_NewStatus: () => status,
    TF_Version: () => "0.0.0",
    TF_GetCode: () => code,
    TF_Message: () => "the device is lost",
    TF_DeviceListCount: () => devices.length,
    TF_DeviceListName: (_, i) => devices[i as number]!.name,
    TF_DeviceListType: (_, i) => devices[i as number]!.type,
    TF_DeviceListMemoryBytes: () => 80e9,
    TF_AllocateTensor: (_type, _dims, _rank, bytes) => new Uint8Array(bytes as number),
    TF_TensorData: (tensor) => tensor,
    TFE_TensorHandleNumDims: () => 0,
    TFE_TensorHandleDataType: () => dataTypes.TF_FLOAT,
    TFE_Execute: (_op, handles) => ((handles as BigUint64Array)[0] = made++),
  };
  const tensorflow = new Proxy(
    {},
    {
      get: (_, name: string) =>
        missing.includes(name)
          ? undefined
          : (...values: unknown[]): unknown => {
              calls.push({ name, values });
              const asks = name === "TF_GetCode" || name === "TF_Message";
              if (values.at(-1) === status && !asks) code = name === failing ? 14 : 0;
              return results[name] === undefined ? made++ : results[name](...values);
            },
    },
  ) as TensorFlow;
  const binding = createBinding(tensorflow, { threads });
  return {
    binding,
    fail: (name: string): void => {
      failing = name;
    },
    /** Names and arguments of the calls that `f` makes. */
    during: (f: () => unknown): { name: string; values: unknown[] }[] => {
      calls.length = 0;
      f();
      return [...calls];
    },
    calls,
  };
}

const named = (calls: { name: string; values: unknown[] }[], name: string): unknown[][] =>
  calls.filter((call) => call.name === name).map(({ values }) => values);

describe("with a GPU", () => {
  const float = (binding: ReturnType<typeof createBinding>): number =>
    binding.createTensor([2], dataTypes.TF_FLOAT, new Float32Array([1, 2]));

  test("a tensor of floats is copied there and its copy on the host is given up", () => {
    const { binding, during } = recorder([cpu, gpu]);
    let id = -1;
    const calls = during(() => (id = float(binding)));
    const [copy] = named(calls, "TFE_TensorHandleCopyToDevice");
    assert.equal(copy?.[2], gpu.name);
    assert.deepEqual(named(calls, "TFE_DeleteTensorHandle"), [[copy[0]]]);
    // What ops get is the copy, not what lay on the host.
    const [input] = named(
      during(() => binding.executeOp("Neg", [], [id], 1)),
      "TFE_OpAddInput",
    );
    assert.ok(typeof input?.[1] === "bigint" && input[1] !== copy[0]);
    assert.equal(binding.getNumOfTensors(), 2);
  });

  test("whole numbers and strings stay on the host, where its kernels look for shapes and indices", () => {
    const { binding, during } = recorder([cpu, gpu]);
    const calls = during(() => {
      binding.createTensor([2], dataTypes.TF_INT32, new Int32Array([1, 2]));
      binding.createTensor([1], dataTypes.TF_STRING, [new Uint8Array(3)]);
    });
    assert.deepEqual(named(calls, "TFE_TensorHandleCopyToDevice"), []);
  });

  test("ops go where TensorFlow puts them, and to the CPU once the GPU is given up", () => {
    const { binding, during } = recorder([cpu, gpu]);
    const id = float(binding);
    const placed = (): unknown[] =>
      named(
        during(() => binding.executeOp("Neg", [], [id], 1)),
        "TFE_OpSetDevice",
      ).map(([, device]) => device);
    assert.ok(binding.isUsingGpuDevice());
    assert.deepEqual(placed(), []);
    binding.useGpu(false);
    assert.ok(!binding.isUsingGpuDevice());
    assert.deepEqual(placed(), [cpu.name]);
    assert.deepEqual(
      named(
        during(() => float(binding)),
        "TFE_TensorHandleCopyToDevice",
      ),
      [],
    );
    binding.useGpu(true);
    assert.deepEqual(placed(), []);
    assert.equal(
      named(
        during(() => float(binding)),
        "TFE_TensorHandleCopyToDevice",
      ).length,
      1,
    );
  });

  for (const step of ["TFE_OpSetDevice", "TFE_OpAddInput"]) {
    test(`an error of ${step} stops the op before it runs, in TensorFlow's words`, () => {
      const { binding, fail, calls } = recorder([cpu, gpu]);
      const id = float(binding);
      binding.useGpu(false);
      fail(step);
      calls.length = 0;
      assert.throws(
        () => binding.executeOp("Neg", [], [id], 1),
        (error: unknown) =>
          error instanceof AmsError && /the device is lost/.test(error.message) && error.where === "Neg",
      );
      assert.deepEqual(named(calls, "TFE_Execute"), []);
      assert.equal(named(calls, "TFE_DeleteOp").length, 1);
    });
  }

  test("a tensor that does not fit there is an error, and leaves nothing on the host", () => {
    const { binding, fail, calls } = recorder([cpu, gpu]);
    fail("TFE_TensorHandleCopyToDevice");
    assert.throws(
      () => float(binding),
      (error: unknown) => error instanceof AmsError && error.where === "copying to the GPU",
    );
    assert.equal(named(calls, "TFE_DeleteTensorHandle").length, 1);
    assert.equal(binding.getNumOfTensors(), 0);
  });
});

test("without a GPU nothing is copied and no device is named", () => {
  const { binding, during } = recorder([cpu]);
  binding.useGpu(false);
  const calls = during(() => {
    const id = binding.createTensor([2], dataTypes.TF_FLOAT, new Float32Array([1, 2]));
    binding.executeOp("Neg", [], [id], 1);
  });
  assert.deepEqual(named(calls, "TFE_TensorHandleCopyToDevice"), []);
  assert.deepEqual(named(calls, "TFE_OpSetDevice"), []);
});

describe("running ahead", () => {
  /** Whether an op is queued: of a result that is still to come nothing is asked, since TensorFlow would wait for it. */
  const queues = ({ during, binding }: ReturnType<typeof recorder>, within = true): boolean => {
    const negate = (): unknown => {
      const id = binding.createTensor([2], dataTypes.TF_FLOAT, new Float32Array([1, 2]));
      return binding.executeOp("Neg", [], [id], 1);
    };
    const calls = during(() => (within ? binding.queued(negate) : negate()));
    return named(calls, "TFE_TensorHandleNumDims").length === 0;
  };

  test("an op is queued once its results' shapes are known, where it is wished", () => {
    const here = recorder([cpu]);
    const [[direct], [queue]] = named(here.calls, "TFE_NewExecutor") as [unknown[], unknown[]];
    assert.deepEqual([direct, queue], [false, true]);
    assert.deepEqual([queues(here), queues(here), queues(here, false), queues(here)], [false, true, false, true]);
    assert.ok(here.binding.settle());
    assert.ok(!here.binding.settle());
  });

  test("nothing is on a GPU, with one thread, or where TensorFlow cannot", () => {
    const there = recorder([cpu, gpu]);
    assert.deepEqual([queues(there), queues(there)], [false, false]);
    there.binding.useGpu(false);
    assert.deepEqual([queues(there), queues(there)], [false, true]);
    const one = recorder([cpu], 1);
    assert.deepEqual([queues(one), queues(one)], [false, false]);
    assert.deepEqual(named(one.calls, "TFE_NewExecutor"), []);
    const older = recorder([cpu], 2, ["TFE_ExecutorClearError"]);
    assert.deepEqual([queues(older), queues(older)], [false, false]);
  });

  test("a mark waits for what is queued, and leaves nothing", () => {
    const { binding, during } = recorder([cpu]);
    binding.mark()(); // the first one learns
    const before = binding.getNumOfTensors();
    let wait = (): void => undefined;
    assert.deepEqual(named(during(() => (wait = binding.mark())), "TFE_TensorHandleNumDims"), []); // prettier-ignore
    assert.equal(named(during(() => { wait(); }), "TFE_TensorHandleNumDims").length, 1); // prettier-ignore
    assert.equal(binding.getNumOfTensors(), before);
  });

  test("what failed meanwhile is thrown by whoever waits, and the queue goes on", () => {
    for (const waits of ["TFE_ExecutorWaitForAllPendingNodes", "TFE_TensorHandleNumDims"]) {
      const here = recorder([cpu]);
      here.binding.mark()();
      const mark = here.binding.mark();
      here.fail(waits);
      here.calls.length = 0;
      const wait = waits === "TFE_TensorHandleNumDims" ? mark : here.binding.settle;
      assert.throws(wait, (error: unknown) => error instanceof AmsError && error.where === "a queued op");
      assert.equal(named(here.calls, "TFE_ExecutorClearError").length, 1);
    }
  });
});
