/** The debugger over the wire, as JupyterLab speaks it: breakpoints, steps, variables, exceptions, Jupyter's own requests. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { murmur2 } from "../../kernel/debug/hash.js";
import { bestOfThree } from "./bestOfThree.js";
import { plain, startKernel, type Executed, type Received, type TestKernel } from "./client.js";

type Body = Record<string, unknown>;
interface Variable {
  name: string;
  value: string;
  type: string;
  variablesReference: number;
}
interface Frame {
  id: number;
  name: string;
  line: number;
  column: number;
  source: { path: string; name: string };
}

describe("the debugger", () => {
  let kernel: TestKernel;
  let seq = 0;
  before(async () => {
    kernel = await startKernel();
    await kernel.execute("1");
  });
  after(() => kernel.stop());

  const ask = async (command: string, given: object = {}): Promise<Body> => {
    const reply = await kernel.request("control", "debug_request", {
      type: "request",
      seq: ++seq,
      command,
      arguments: given,
    });
    assert.equal(reply.type, "debug_reply");
    return reply.content;
  };
  const body = async (command: string, given: object = {}): Promise<Body> => {
    const { success, message, body: content } = await ask(command, given);
    assert.equal(success, true, `${command}: ${String(message)}`);
    return content as Body;
  };
  let seen = 0;
  /** The next debug event of a kind, after those that were waited for. */
  const event = async (name: string): Promise<Body> => {
    const message = await kernel.wait(
      (m) => kernel.received.indexOf(m) >= seen && m.type === "debug_event" && m.content["event"] === name,
      10_000,
    );
    seen = kernel.received.indexOf(message) + 1;
    return message.content["body"] as Body;
  };
  const dump = async (code: string): Promise<string> => String((await body("dumpCell", { code }))["sourcePath"]);
  const breakAt = async (code: string, ...lines: number[]): Promise<Body[]> => {
    const source = { path: await dump(code) };
    const reply = await body("setBreakpoints", { source, breakpoints: lines.map((line) => ({ line })) });
    return reply["breakpoints"] as Body[];
  };
  const frames = async (): Promise<Frame[]> => (await body("stackTrace", { threadId: 1 }))["stackFrames"] as Frame[];
  const members = async (variablesReference: number): Promise<Variable[]> =>
    (await body("variables", { variablesReference }))["variables"] as Variable[];
  /** Scope -> name -> value, of a frame. */
  const scopes = async (frame: Frame): Promise<Record<string, Record<string, string>>> => {
    const list = (await body("scopes", { frameId: frame.id }))["scopes"] as {
      name: string;
      variablesReference: number;
    }[];
    const result: Record<string, Record<string, string>> = {};
    for (const { name, variablesReference } of list)
      result[name] = Object.fromEntries((await members(variablesReference)).map((v) => [v.name, v.value]));
    return result;
  };
  /** Starts a cell that stops, and returns where. */
  const startUntilStopped = async (
    code: string,
  ): Promise<{ running: Promise<Executed>; stopped: Body; at: Frame[] }> => {
    const running = kernel.execute(code);
    const stopped = await event("stopped");
    return { running, stopped, at: await frames() };
  };
  const where = (at: Frame[]): string[] => at.map(({ name, line }) => `${name}:${line}`.replace(/\[cell .*\]/, "cell"));
  const finish = async (running: Promise<Executed>): Promise<Executed> => {
    await body("continue", { threadId: 1 });
    return running;
  };

  test("is announced, and says of itself what JupyterLab needs", async () => {
    const info = (await kernel.request("control", "kernel_info_request", {})).content;
    assert.equal(info["debugger"], true);
    assert.ok((info["supported_features"] as string[]).includes("debugger"));
    const state = await body("debugInfo");
    assert.deepEqual(
      [state["isStarted"], state["hashMethod"], state["breakpoints"], state["stoppedThreads"]],
      [false, "Murmur2", [], []],
    );
    const code = "const ä = 1;\n😀";
    const hash = murmur2(code, state["hashSeed"] as number);
    assert.equal(await dump(code), `${String(state["tmpFilePrefix"])}${hash}${String(state["tmpFileSuffix"])}`);
  });

  test("hashes as JupyterLab does", () => {
    // Values of JupyterLab's own murmur2 (packages/debugger/src/hash.ts).
    assert.deepEqual(
      ["", "a", "ab", "abc", "abcd", "print('ä')", "const x = 1;\n"].map((code) => murmur2(code, 0xc70f6907)),
      [3990065800, 2167009006, 2805137849, 3350977461, 804720481, 1472270366, 2619397439],
    );
  });

  test("refuses what needs an attached debugger", async () => {
    const reply = await ask("setBreakpoints", { source: { path: "x" }, breakpoints: [{ line: 1 }] });
    assert.deepEqual([reply["success"], reply["body"]], [false, { breakpoints: [] }]);
    assert.match(String(reply["message"]), /not attached: send initialize first/);
  });

  describe("attached", () => {
    before(async () => {
      const abilities = await body("initialize", { clientID: "test", linesStartAt1: true });
      assert.equal(abilities["supportsConfigurationDoneRequest"], true);
      assert.equal((await body("debugInfo"))["isStarted"], true, "JupyterLab asks before it attaches, and believes it");
      await body("attach");
      await event("initialized");
      assert.equal((await body("debugInfo"))["isStarted"], true);
      await body("configurationDone");
    });
    beforeEach(() => {
      seen = kernel.received.length;
    });
    afterEach(async () => {
      // A test that failed must not leave its cell standing.
      if (kernel.process.exitCode === null) await ask("continue");
    });

    test("a breakpoint stops a cell at its own line, with its variables; the kernel goes on afterwards", async () => {
      const code =
        "interface Unused {\n  a: number;\n}\nconst one: number = 1;\nlet list = [1, 2, 3];\nconst two = one + 1;\ntwo";
      assert.deepEqual(
        (await breakAt(code, 6)).map(({ verified, line }) => [verified, line]),
        [[true, 6]],
      );
      const { running, stopped, at } = await startUntilStopped(code);
      assert.deepEqual([stopped["reason"], stopped["threadId"]], ["breakpoint", 1]);
      assert.deepEqual(where(at), ["cell:6"]);
      assert.equal(at[0]?.source.path, await dump(code));
      const { Locals } = await scopes(at[0]);
      assert.deepEqual(
        [Locals?.["one"], Locals?.["list"], Locals?.["two"], Locals?.["exports"]],
        ["1", "[1, 2, 3]", undefined, undefined],
      );
      assert.deepEqual((await body("debugInfo"))["stoppedThreads"], [1]);
      assert.equal((await finish(running)).result, "2");
      assert.deepEqual((await body("debugInfo"))["stoppedThreads"], []);
      await breakAt(code);
      assert.equal((await kernel.execute(code)).result, "2", "a breakpoint that was taken away");
    });

    test("steps over, into and out of functions, over an await, and to the end of the cell", async () => {
      const code = [
        "function square(n: number): number {",
        "  const result = n * n;",
        "  return result;",
        "}",
        "const a = square(3);",
        "await new Promise((resolve) => setTimeout(resolve, 20));",
        "const b = a + 1;",
        "b",
      ].join("\n");
      await breakAt(code, 5);
      const { running, at } = await startUntilStopped(code);
      assert.deepEqual(where(at), ["cell:5"]);
      const step = async (command: string): Promise<string[]> => {
        await body(command, { threadId: 1 });
        assert.equal((await event("stopped"))["reason"], "step");
        return where(await frames());
      };
      assert.deepEqual(await step("stepIn"), ["square:2", "cell:5"]);
      assert.deepEqual(await step("next"), ["square:3", "cell:5"]);
      const [top, cell] = await frames();
      const inner = await scopes(top!);
      assert.deepEqual(inner["Locals"], { n: "3", result: "9" });
      assert.equal(inner["Closure"], undefined, "what the kernel gives a cell is not shown");
      assert.ok("Globals" in inner);
      assert.ok("Locals" in (await scopes(cell!)));
      assert.deepEqual(await step("stepOut"), ["cell:6"], "line 5 has nothing more to do");
      assert.deepEqual(await step("next"), ["cell:7"]);
      assert.deepEqual(await step("next"), ["cell:8"]);
      await body("next", { threadId: 1 });
      await event("continued");
      assert.equal((await running).result, "10");
    });

    test("variables open into their members; long lists come in pieces", async () => {
      const code = [
        "class Point { #hidden = 1; constructor(readonly x: number, readonly name: string) {} get double() { return 2 * this.x; } }",
        "const values = { p: new Point(1, 'it\\'s'), m: new Map([['k', [1]]]), big: new Float32Array(1200), none: null, f() { return 1; } };",
        "const done = true;",
      ].join("\n");
      await breakAt(code, 3);
      const { running, at } = await startUntilStopped(code);
      const [scope] = (await body("scopes", { frameId: at[0]!.id }))["scopes"] as { variablesReference: number }[];
      const values = (await members(scope!.variablesReference)).find(({ name }) => name === "values")!;
      const open = Object.fromEntries((await members(values.variablesReference)).map((v) => [v.name, v]));
      assert.deepEqual(
        [open["p"]?.type, open["none"]?.value, open["f"]?.value, open["m"]?.value],
        ["Point", "null", "ƒ f()", "Map(1) {'k' => Array(1)}"],
      );
      const point = Object.fromEntries(
        (await members(open["p"]!.variablesReference)).map(({ name, value }) => [name, value]),
      );
      assert.deepEqual([point["x"], point["name"], point["#hidden"]], ["1", `"it's"`, "1"]);
      const pieces = await members(open["big"]!.variablesReference);
      assert.deepEqual(
        pieces.map(({ name }) => name),
        ["[0 … 499]", "[500 … 999]", "[1000 … 1199]"],
      );
      const last = await members(pieces[2]!.variablesReference);
      assert.deepEqual([last.length, last[0]?.name, last.at(-1)?.name, last[0]?.value], [200, "1000", "1199", "0"]);
      await finish(running);
      const late = await ask("variables", { variablesReference: values.variablesReference });
      assert.match(String(late["message"]), /there are no variables of number \d+: the program has gone on since/);
    });

    test("evaluates TypeScript where the program stands, with the frame's names before the session's", async () => {
      await kernel.execute("const shared = 100; let n = 7;");
      const code = "function inside(n: number) {\n  const m = n + 1;\n  return m;\n}\ninside(20) + shared";
      await breakAt(code, 3);
      const { running, at } = await startUntilStopped(code);
      const value = async (expression: string, frame?: Frame): Promise<unknown> =>
        (await body("evaluate", { expression, frameId: frame?.id, context: "repl" }))["result"];
      assert.equal(await value("(n as number) + m + shared", at[0]), "141");
      assert.equal(await value("n + shared", at[1]), "107");
      assert.equal(await value("[n].map((k: number) => ({ k }))", at[0]), "[{…}]");
      const wrong = await ask("evaluate", { expression: "nothing.here", frameId: at[0]?.id });
      assert.match(String(wrong["message"]), /^ReferenceError: nothing is not defined$/);
      assert.match(
        String((await ask("evaluate", { expression: "1 +", frameId: at[0]?.id }))["message"]),
        /SyntaxError: Expression expected/,
      );
      await body("copyToGlobals", { srcVariableName: "m", dstVariableName: "copied", srcFrameId: at[0]?.id });
      const bad = await ask("copyToGlobals", { srcVariableName: "m", dstVariableName: "a b", srcFrameId: at[0]?.id });
      assert.match(String(bad["message"]), /"a b" is no name of a variable/);
      assert.equal((await finish(running)).result, "121");
      assert.equal((await kernel.execute("copied + 1")).result, "22");
    });

    test("a breakpoint in a function of an earlier cell holds in later ones, also set after it ran", async () => {
      const code = "function later(x: number) {\n  return x + 1;\n}";
      await kernel.execute(code);
      await breakAt(code, 2);
      const { running, at } = await startUntilStopped("const y = 1;\nlater(y)");
      assert.deepEqual(where(at), ["later:2", "cell:2"]);
      assert.equal((await finish(running)).result, "2");
      await breakAt(code);
    });

    test("cells with magics, imports and hoisted functions keep their lines", async () => {
      const code =
        "import { join } from 'node:path';\n%env PROBE=1\nconst where = %cd .\nfunction f() {}\nconst p = join('a', 'b');\np";
      await breakAt(code, 5);
      const { running, at } = await startUntilStopped(code);
      assert.deepEqual(where(at), ["cell:5"]);
      assert.equal((await finish(running)).result, "'a/b'");
    });

    test("a breakpoint in a loop stops in every turn; one on a line without code moves to the next", async () => {
      const code = "let sum = 0;\n\n// nothing\nfor (const k of [1, 2])\n  sum += k;\nsum";
      await breakAt(code, 5);
      const { running, at } = await startUntilStopped(code);
      assert.equal((await scopes(at[0]!))["Locals"]?.["k"], "1");
      await body("continue", { threadId: 1 });
      await event("stopped");
      assert.equal((await scopes((await frames())[0]!))["Locals"]?.["k"], "2");
      assert.equal((await finish(running)).result, "3");
      const [moved] = await breakAt(code, 3);
      assert.deepEqual([moved?.["verified"], moved?.["line"]], [true, 4]);
      await breakAt(code);
    });

    test("stops at uncaught exceptions, in synchronous code and after an await, and not at caught ones", async () => {
      await body("setExceptionBreakpoints", { filters: ["uncaught"] });
      for (const before of ["", "await new Promise((r) => setTimeout(r, 5));"]) {
        const code = `try { JSON.parse("{"); } catch {}\n${before}\nthrow new RangeError("too far");`;
        const { running, stopped, at } = await startUntilStopped(code);
        assert.deepEqual([stopped["reason"], stopped["text"]], ["exception", "RangeError: too far"]);
        assert.deepEqual(where(at), ["cell:3"]);
        const done = await finish(running);
        assert.equal(done.error?.ename, "RangeError", plain(done.error?.traceback ?? []));
      }
      await body("setExceptionBreakpoints", { filters: ["raised"] });
      const caught = await startUntilStopped("try {\n  throw new Error('caught');\n} catch {}\n5");
      assert.deepEqual(where(caught.at), ["cell:2"]);
      assert.equal((await finish(caught.running)).result, "5");
      await body("setExceptionBreakpoints", { filters: [] });
      assert.equal((await kernel.execute("throw new Error('no stop')")).error?.evalue, "no stop");
      const wrong = await ask("setExceptionBreakpoints", { filters: ["some"] });
      assert.match(String(wrong["message"]), /there is no exception filter "some": give "uncaught" or "raised"/);
    });

    test("pauses a loop that runs", async () => {
      const running = kernel.execute(
        "let go = true, turns = 0;\nconsole.log('loop');\nwhile (go) {\n  turns++;\n}\nturns > 0",
      );
      await kernel.wait((m) => m.content["text"] === "loop\n");
      await body("pause", { threadId: 1 });
      assert.equal((await event("stopped"))["reason"], "pause");
      await body("evaluate", { expression: "go = false" });
      assert.equal((await finish(running)).result, "true");
    });

    test("an interrupt ends a cell that stands still; values are kept", async () => {
      const code = "const reached = 5;\nconst never = 6;\nwhile (true);";
      await breakAt(code, 2);
      await bestOfThree(1000, async () => {
        const { running } = await startUntilStopped(code);
        const start = performance.now();
        await kernel.request("control", "interrupt_request", {});
        assert.equal((await running).error?.ename, "Interrupted");
        const took = performance.now() - start;
        await event("continued");
        return took;
      });
      assert.equal((await kernel.execute("reached")).result, "5");
      await breakAt(code);
    });

    test("an expression that spins is stopped, at a breakpoint and without one; the cell goes on", async () => {
      const code = "const before = 8;\nconst behind = before + 1;\nbehind";
      await breakAt(code, 2);
      const { running } = await startUntilStopped(code);
      const atStop = await ask("evaluate", { expression: "while (true) {}" });
      assert.match(String(atStop["message"]), /^stopped after 3 s without a pause$/);
      assert.equal((await body("evaluate", { expression: "before" }))["result"], "8");
      assert.equal((await finish(running)).result, "9");
      await breakAt(code);
      const idle = await ask("evaluate", { expression: "while (true) {}" });
      assert.match(String(idle["message"]), /^stopped after 3 s without a pause$/);
      assert.equal((await kernel.execute("behind")).result, "9");
    });

    test("an interrupt ends the waiting for a promise; a breakpoint ends it with the promise", async () => {
      assert.equal((await body("evaluate", { expression: "await Promise.resolve(4)" }))["result"], "4");
      assert.equal((await body("evaluate", { expression: "Promise.resolve('5')" }))["result"], "'5'");
      assert.match(
        String((await ask("evaluate", { expression: "await Promise.reject(new RangeError('far'))" }))["message"]),
        /^RangeError: far$/,
      );
      for (const expression of [
        "new Promise(() => {})",
        "await new Promise(() => {})",
        "(async () => { await null; while (true) {} })()",
      ])
        await bestOfThree(1000, async () => {
          const asked = ask("evaluate", { expression });
          await new Promise((resolve) => setTimeout(resolve, 100));
          const start = performance.now();
          await kernel.request("control", "interrupt_request", {});
          assert.equal((await asked)["message"], "interrupted");
          assert.equal((await body("evaluate", { expression: "6 * 7" }))["result"], "42");
          return performance.now() - start;
        });
      const code = "const stands = 1;\nstands";
      await breakAt(code, 2);
      const waiting = ask("evaluate", { expression: "new Promise(() => {})" });
      const running = kernel.execute(code);
      assert.match(String(((await waiting)["body"] as Body)["result"]), /^Promise .*pending/);
      assert.equal((await finish(running)).result, "1");
      await breakAt(code);
    });

    test("stops in a file beside the notebook", async () => {
      const file = path.join(kernel.folder, "beside.ts");
      writeFileSync(
        file,
        "// a comment\nexport function triple(n: number): number {\n  const result = 3 * n;\n  return result;\n}\n",
      );
      await kernel.execute("import { triple } from './beside';");
      const reply = await body("setBreakpoints", { source: { path: file }, breakpoints: [{ line: 4 }] });
      assert.deepEqual(
        (reply["breakpoints"] as Body[]).map(({ verified, line }) => [verified, line]),
        [[true, 4]],
      );
      const { running, at } = await startUntilStopped("triple(5)");
      assert.deepEqual(where(at), ["triple:4", "cell:1"]);
      assert.equal(at[0]?.source.path, file);
      assert.match(String((await body("source", { source: { path: file } }))["content"]), /^\/\/ a comment/);
      assert.equal((await finish(running)).result, "15");
      const { modules } = await body("modules");
      assert.ok((modules as { path: string }[]).some((module) => module.path === file));
    });

    test("shows the session's variables and rich values while nothing stands still", async () => {
      await kernel.execute(
        "const rich = { [Symbol.for('Jupyter.display')]: () => ({ 'text/html': '<b>x</b>' }) }; const small = 3;",
      );
      const { variables } = await body("inspectVariables");
      const small = (variables as Variable[]).find(({ name }) => name === "small");
      assert.deepEqual([small?.value, small?.type], ["3", "number"]);
      const shown = await body("richInspectVariables", { variableName: "rich" });
      assert.deepEqual(shown, { data: { "text/html": "<b>x</b>", "text/plain": "text/html" }, metadata: {} });
      assert.deepEqual((await body("richInspectVariables", { variableName: "small" }))["data"], { "text/plain": "3" });
    });

    test("answers bad input with one clear error", async () => {
      for (const [command, given, message] of [
        [
          "setBreakpoints",
          { source: { path: "/no/such.ts" }, breakpoints: [{ line: 1 }] },
          /there is no source \/no\/such\.ts: breakpoints can be set in cells/,
        ],
        ["setBreakpoints", { breakpoints: [] }, /"source\.path" must be a text, got undefined/],
        [
          "setBreakpoints",
          { source: { path: await dump("1") }, breakpoints: [{ line: 0 }] },
          /line must be a whole number from 1, got 0/,
        ],
        ["source", { source: { path: "/no/such.ts" } }, /there is no source \/no\/such\.ts/],
        ["scopes", { frameId: 12345 }, /there is no frame 12345/],
        ["continue", {}, /nothing stands still/],
        ["next", {}, /nothing stands still/],
        ["dumpCell", {}, /"code" must be a text/],
        ["dance", {}, /the debugger has no request "dance"/],
        ["toString", {}, /the debugger has no request "toString"/],
      ] as const) {
        const reply = await ask(command, given);
        assert.equal(reply["success"], false, command);
        assert.match(String(reply["message"]), message);
      }
      // JupyterLab goes through the lists of a failed answer too.
      for (const [command, list] of [
        ["scopes", "scopes"],
        ["variables", "variables"],
        ["setBreakpoints", "breakpoints"],
      ] as const)
        assert.deepEqual((await ask(command, { frameId: 12345, variablesReference: 12345 }))["body"], { [list]: [] });
    });

    test("the front end sees a busy kernel while the cell stands still", async () => {
      const code = "const busy = 1;\nbusy";
      await breakAt(code, 2);
      const { running } = await startUntilStopped(code);
      await body("threads");
      const isStatus = ({ type }: Received): boolean => type === "status";
      await new Promise((resolve) => setTimeout(resolve, 100));
      assert.equal(kernel.received.filter(isStatus).at(-1)?.content["execution_state"], "busy");
      await finish(running);
    });

    test("detached it stops nowhere; attached again it knows the cells that ran meanwhile", async () => {
      const code = "const again = 1;\nagain + 1";
      await breakAt(code, 2);
      const { running } = await startUntilStopped(code);
      await body("disconnect", { restart: false, terminateDebuggee: false });
      assert.equal((await running).result, "2", "a cell that stood still goes on");
      assert.equal((await kernel.execute(code)).result, "2");
      const meanwhile = "function mean(x: number) {\n  return -x;\n}";
      await kernel.execute(meanwhile);
      assert.equal((await body("debugInfo"))["isStarted"], false);
      await body("initialize", { clientID: "jupyterlab" });
      await body("attach");
      const [untyped] = (await body("inspectVariables"))["variables"] as Variable[];
      assert.equal(untyped?.type, undefined, "JupyterLab would show the type in place of the value");
      await breakAt(meanwhile, 2);
      seen = kernel.received.length;
      const stopped = await startUntilStopped("mean(4)");
      assert.deepEqual(where(stopped.at), ["mean:2", "cell:1"]);
      assert.equal((await finish(stopped.running)).result, "-4");
    });

    test("a kernel that stands still shuts down", async () => {
      const code = "const last = 1;\nlast";
      await breakAt(code, 2);
      const { running } = await startUntilStopped(code);
      void running.catch(() => undefined);
      // Code 0: after five seconds the client would have killed it.
      assert.equal(await kernel.stop(), 0);
    });
  });
});
