/** Comms and widgets, spoken with a real kernel process as a page would. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { plain, startKernel, type Executed, type Received, type TestKernel } from "./client.js";

let kernel: TestKernel;
before(async () => {
  kernel = await startKernel();
});
after(() => kernel.stop());

const run = async (code: string): Promise<Executed> => {
  const done = await kernel.execute(code);
  assert.equal(done.status, "ok", plain(done.error?.traceback ?? []));
  return done;
};
type Content = Record<string, unknown>;
const dataOf = (message: Received | undefined): Content => message?.content["data"] as Content;
const opened = (done: Executed): Received => {
  const found = done.messages.filter(({ type }) => type === "comm_open").at(-1);
  assert.ok(found !== undefined, "no comm was opened");
  return found;
};
/** Sends a message of the page and returns everything that the kernel said in its name, up to idle. */
const page = async (type: string, content: object, buffers: Buffer[] = []): Promise<Received[]> => {
  const id = await kernel.send("shell", type, content, { buffers });
  const mine = (message: Received): boolean => message.channel === "iopub" && message.parent.msg_id === id;
  await kernel.wait((message) => mine(message) && message.content["execution_state"] === "idle");
  return kernel.received.filter(mine);
};
const update = (id: string, state: object, more: object = {}, buffers: Buffer[] = []): Promise<Received[]> =>
  page("comm_msg", { comm_id: id, data: { method: "update", state, buffer_paths: [], ...more } }, buffers);
const states = (messages: Received[]): unknown[] => messages.map((m) => m.content["execution_state"] ?? m.type);

test("a widget's state is shown as its values", async () => {
  const done = await run(
    "const counted = widgets.any({ esm: 'export default {}', state: { n: 1 } });\nconsole.log(counted.state);\ncounted.state",
  );
  assert.deepEqual([done.stdout, done.result], ["{ n: 1 }\n", "{ n: 1 }"]);
});

describe("comms", () => {
  test("a cell opens a comm, sends JSON and bytes, hears the answer and the end", async () => {
    const done = await run(
      "const line = comms.open('probe', { hello: 1 }, { metadata: { version: '7' }, buffers: [new Float32Array([1.5])] });\n" +
        "line.onMessage(({ data, buffers }) => console.log('got', data.n, [...buffers[0]!]));\n" +
        "line.onClose(({ data }) => console.log('closed', data.why));\n" +
        "line.send({ again: [1, null] });",
    );
    const open = opened(done);
    const id = String(open.content["comm_id"]);
    assert.deepEqual(open.content, { comm_id: id, target_name: "probe", data: { hello: 1 } });
    assert.deepEqual(open.metadata, { version: "7" });
    assert.deepEqual([...(open.buffers[0] ?? [])], [0, 0, 192, 63]);
    assert.deepEqual(dataOf(done.messages.find(({ type }) => type === "comm_msg")), { again: [1, null] });
    const answer = await page("comm_msg", { comm_id: id, data: { n: 5 } }, [Buffer.from([1, 2])]);
    assert.deepEqual(states(answer), ["busy", "idle"]);
    await page("comm_close", { comm_id: id, data: { why: "tired" } });
    const said = (): string =>
      kernel.received
        .filter((m) => m.type === "stream" && m.parent.msg_id === done.reply.parent.msg_id)
        .map((m) => String(m.content["text"]))
        .join("");
    await kernel.wait(() => said().includes("closed"));
    assert.equal(said(), "got 5 [ 1, 2 ]\nclosed tired\n", "under the cell that registered the handlers");
    const late = await kernel.execute("line.send({})");
    assert.match(String(late.error?.evalue), /the comm to "probe" is closed\nwhere: comm .*\nto do: open a new one/);
  });

  test("the page opens a comm to a target that a cell has registered; comm_info lists what is open", async () => {
    await run(
      "const forget = comms.register('from-page', (comm, { data }) => { comm.send({ welcome: data.name }); comm.onMessage(({ data }) => comm.send(data)); });",
    );
    const open = await page("comm_open", { comm_id: "c1", target_name: "from-page", data: { name: "Ada" } });
    assert.deepEqual(states(open), ["busy", "idle"]);
    await page("comm_msg", { comm_id: "c1", data: { deep: { list: [1, "ä"] } } });
    await run("0");
    const sent = kernel.received.filter((m) => m.type === "comm_msg" && m.content["comm_id"] === "c1");
    assert.deepEqual(sent.map(dataOf), [{ welcome: "Ada" }, { deep: { list: [1, "ä"] } }]);
    const info = async (content: object): Promise<unknown> =>
      (await kernel.request("shell", "comm_info_request", content)).content["comms"];
    assert.deepEqual(await info({ target_name: "from-page" }), { c1: { target_name: "from-page" } });
    await run("comms.all().find(({ id }) => id === 'c1')!.close({ bye: true })");
    assert.deepEqual(await info({ target_name: "from-page" }), {});
    await run("forget()");
    const refused = await page("comm_open", { comm_id: "c2", target_name: "from-page", data: {} });
    assert.deepEqual(states(refused), ["busy", "comm_close", "idle"]);
  });

  test("an unknown target is closed, with one clear error and the nearest name", async () => {
    await run("comms.register('histogram', () => undefined); 0");
    const before = kernel.received.length;
    const messages = await page("comm_open", { comm_id: "c3", target_name: "histogramm", data: {} });
    assert.deepEqual(messages[1]?.content, { comm_id: "c3", data: {} });
    const isError = (m: Received): boolean => m.type === "stream" && m.content["name"] === "stderr";
    const error = await kernel.wait((m) => kernel.received.indexOf(m) >= before && isError(m));
    assert.match(
      plain([String(error.content["text"])]),
      /opened a comm to "histogramm", which nothing here listens to\nto do: did you mean "histogram"\?/,
    );
  });

  test("what is no JSON is refused with its place", async () => {
    for (const [data, message] of [
      ["{ a: { f: () => 1 } }", /the data of a comm is no JSON: it holds a function\nwhere: a\.f/],
      ["{ n: 1n }", /it holds a bigint\nwhere: n/],
      ["(() => { const a: any = {}; a.self = a; return a })()", /it holds itself\nwhere: self/],
      ["{ b: new Uint8Array(1) }", /the data of a comm holds bytes\nwhere: b/],
    ] as const)
      assert.match(String((await kernel.execute(`comms.open('t', ${data})`)).error?.evalue), message);
  });
});

describe("widgets", () => {
  test("an own widget opens with its state, and shows itself by its model and a text", async () => {
    const done = await run(
      "const counter = widgets.any({ esm: 'export default {}', css: 'b{}', state: { count: 1, list: [1, 2] } });\ncounter",
    );
    const { content, metadata } = opened(done);
    const id = String(content["comm_id"]);
    assert.equal(content["target_name"], "jupyter.widget");
    assert.deepEqual(metadata, { version: "2.1.0" });
    assert.deepEqual(dataOf(opened(done)), {
      state: {
        _model_module: "anywidget",
        _model_module_version: "~0.11.*",
        _model_name: "AnyModel",
        _view_module: "anywidget",
        _view_module_version: "~0.11.*",
        _view_name: "AnyView",
        _view_count: null,
        _dom_classes: [],
        _anywidget_id: "widgets.any",
        _esm: "export default {}",
        _css: "b{}",
        count: 1,
        list: [1, 2],
      },
      buffer_paths: [],
    });
    assert.deepEqual(dataOf(done.messages.find(({ type }) => type === "execute_result")), {
      "application/vnd.jupyter.widget-view+json": { version_major: 2, version_minor: 0, model_id: id },
      "text/plain": "widget { count: 1, list: [ 1, 2 ] }",
    });
  });

  test("state goes both ways: the page's update is echoed, then the handlers run", async () => {
    const first = await run(
      "const sync = widgets.any({ esm: 'x', state: { count: 1, name: 'a' } });\n" +
        "const stop = sync.on('count', (now, before) => { console.log(now, before); if (now > 5) sync.state.name = 'big'; });",
    );
    const id = String(opened(first).content["comm_id"]);
    const messages = await update(id, { count: 7, unknown: 1 });
    assert.deepEqual(states(messages), ["busy", "comm_msg", "idle"]);
    assert.deepEqual(dataOf(messages[1]), { method: "echo_update", state: { count: 7 }, buffer_paths: [] });
    const sent = await kernel.wait((m) => m.type === "comm_msg" && m.parent.msg_id === first.reply.parent.msg_id);
    assert.deepEqual(dataOf(sent), { method: "update", state: { name: "big" }, buffer_paths: [] });
    await kernel.wait((m) => m.content["text"] === "7 1\n" && m.parent.msg_id === first.reply.parent.msg_id);
    assert.equal((await run("stop(); ({ ...sync.state })")).result, "{ count: 7, name: 'big' }");
    const assigned = await run("sync.set({ count: 0, name: 'c' }); sync.state.count = 0;");
    assert.deepEqual(
      assigned.messages.filter(({ type }) => type === "comm_msg").map(dataOf),
      [{ method: "update", state: { count: 0, name: "c" }, buffer_paths: [] }],
      "one message for both, none for what is already so",
    );
  });

  test("bytes in the state travel beside it, both ways, and keep their kind", async () => {
    const done = await run(
      "const bytes = widgets.any({ esm: 'x', state: { wave: new Float32Array([1, 2]), deep: { list: [new Uint8Array([9]), 1] } } }); 0",
    );
    const open = opened(done);
    const { state, buffer_paths: paths } = dataOf(open) as { state: Content; buffer_paths: unknown };
    assert.deepEqual(paths, [["wave"], ["deep", "list", 0]]);
    assert.deepEqual([state["wave"], state["deep"]], [undefined, { list: [null, 1] }]);
    assert.deepEqual([...(open.buffers[1] ?? [])], [9]);
    const id = String(open.content["comm_id"]);
    const messages = await update(id, {}, { buffer_paths: [["wave"]] }, [
      Buffer.from(new Float32Array([3, 4, 5]).buffer),
    ]);
    assert.deepEqual(dataOf(messages[1])["buffer_paths"], [["wave"]]);
    assert.equal(messages[1]?.buffers[0]?.length, 12);
    assert.equal((await run("bytes.state.wave")).result, "Float32Array(3) [ 3, 4, 5 ]");
  });

  test("custom messages go both ways with bytes", async () => {
    const done = await run(
      "const talk = widgets.any({ esm: 'x' });\ntalk.onMessage((content, [bytes]) => talk.send({ sum: content.add + bytes![0]! }, [new Uint8Array([8])]));\n0",
    );
    const id = String(opened(done).content["comm_id"]);
    await page("comm_msg", { comm_id: id, data: { method: "custom", content: { add: 2 } } }, [Buffer.from([40])]);
    const answer = await kernel.wait((m) => m.type === "comm_msg" && m.content["comm_id"] === id);
    assert.deepEqual(dataOf(answer), { method: "custom", content: { sum: 42 } });
    assert.deepEqual([...(answer.buffers[0] ?? [])], [8]);
  });

  test("a page that was loaded again gets the state, one by one and all at once", async () => {
    const done = await run(
      "const again = widgets.any({ esm: 'x', state: { raw: new Uint8Array([1, 2]), n: 4 } }); again.state.n = 5;",
    );
    const id = String(opened(done).content["comm_id"]);
    const one = await page("comm_msg", { comm_id: id, data: { method: "request_state" } });
    const { method, state } = dataOf(one[1]) as { method: string; state: Content };
    assert.deepEqual([method, state["n"], state["_esm"]], ["update", 5, "x"]);
    await page("comm_open", { comm_id: "control", target_name: "jupyter.widget.control", data: {} });
    const all = await page("comm_msg", { comm_id: "control", data: { method: "request_states" } });
    const answer = dataOf(all[1]) as { method: string; states: Record<string, Content>; buffer_paths: unknown[][] };
    assert.equal(answer.method, "update_states");
    const { state: mine, ...model } = answer.states[id] ?? {};
    assert.deepEqual(model, { model_name: "AnyModel", model_module: "anywidget", model_module_version: "~0.11.*" });
    assert.equal((mine as Content)["n"], 5);
    const at = answer.buffer_paths.findIndex(([owner]) => owner === id);
    assert.deepEqual(answer.buffer_paths[at], [id, "state", "raw"]);
    assert.deepEqual([...(all[1]?.buffers[at] ?? [])], [1, 2]);
  });

  test("controls have typed values, are moved by cells and by the page", async () => {
    const done = await run(
      [
        "const rate = widgets.slider({ label: 'rate', min: 0, max: 1, step: 0.01, value: 0.5 });",
        "const mode = widgets.dropdown({ options: { small: 96, base: 384 }, value: 384 });",
        "const kind = widgets.radio({ options: ['a', 'b'] });",
        "const span = widgets.range({ max: 10, value: [2, 5] });",
        "const name = widgets.text({ value: 'run' }), size = widgets.number({ min: 1, max: 9, value: 3 });",
        "const on = widgets.checkbox({ value: true }), bar = widgets.progress({ max: 10 }), note = widgets.html('<b>x</b>');",
        "const values: [number, 96 | 384, 'a' | 'b', [number, number], string, number, boolean, number, string] =",
        "  [rate.value, mode.value, kind.value, span.value, name.value, size.value, on.value, bar.value, note.value];",
        "bar.value = 4; kind.value = 'b'; rate.label = 'learning rate';",
        "JSON.stringify(values)",
      ].join("\n"),
    );
    assert.equal(done.result, `'[0.5,384,"a",[2,5],"run",3,true,0,"<b>x</b>"]'`);
    const models = done.messages
      .filter(({ type }) => type === "comm_open")
      .map((m) => (dataOf(m)["state"] as Content)["_model_name"]);
    assert.deepEqual(models, [
      ...["FloatSliderModel", "DropdownModel", "RadioButtonsModel", "IntRangeSliderModel", "TextModel"],
      ...["BoundedFloatTextModel", "CheckboxModel", "FloatProgressModel", "HTMLModel"],
    ]);
    assert.deepEqual(
      done.messages.filter(({ type }) => type === "comm_msg").map((m) => dataOf(m)["state"]),
      [{ value: 4 }, { index: 1 }, { description: "learning rate" }],
    );
    const ids = done.messages.filter(({ type }) => type === "comm_open").map((m) => String(m.content["comm_id"]));
    await update(ids[0] ?? "", { value: 0.25 });
    await update(ids[1] ?? "", { index: 0 });
    assert.equal((await run("[rate.value, mode.value]")).result, "[ 0.25, 96 ]");
    assert.equal((await run("mode")).result, "dropdown 'small'");
  });

  test("a button counts clicks, a row and a column hold widgets, a layout is a model of its own", async () => {
    const done = await run(
      "let clicks = 0; const go = widgets.button({ label: 'go', look: 'primary' });\ngo.onClick(() => clicks++);\n" +
        "const inside = widgets.row(go, widgets.slider({ layout: { width: '300px' } }));\ninside",
    );
    const opens = done.messages.filter(({ type }) => type === "comm_open");
    const state = (model: string): [string, Content] => {
      const found = opens.find((m) => (dataOf(m)["state"] as Content)["_model_name"] === model);
      return [String(found?.content["comm_id"]), dataOf(found)["state"] as Content];
    };
    const [goId] = state("ButtonModel");
    const [layoutId, layout] = state("LayoutModel");
    const [sliderId, slider] = state("IntSliderModel");
    assert.deepEqual([layout["width"], slider["layout"]], ["300px", `IPY_MODEL_${layoutId}`]);
    assert.deepEqual(state("HBoxModel")[1]["children"], [`IPY_MODEL_${goId}`, `IPY_MODEL_${sliderId}`]);
    const waiting = kernel.execute("console.log('click it'); await go.click(); 'clicked'");
    await kernel.wait((m) => m.content["text"] === "click it\n");
    await page("comm_msg", { comm_id: goId, data: { method: "custom", content: { event: "click" } } });
    const clicked = await waiting;
    assert.equal(clicked.result, "'clicked'", plain(clicked.error?.traceback ?? []));
    assert.equal((await run("clicks")).result, "1");
  });

  test("is used from a running cell: it waits for a change, and reads what the page sets between its steps", async () => {
    const made = await run("const s = widgets.slider({ value: 10 }); 0");
    const id = String(opened(made).content["comm_id"]);
    const waiting = kernel.execute("console.log('waiting'); const got = await s.change(); got + s.value");
    await kernel.wait((m) => m.content["text"] === "waiting\n");
    const messages = await update(id, { value: 33 });
    assert.equal((await waiting).result, "66");
    assert.deepEqual(states(messages).slice(0, 2), ["busy", "comm_msg"]);
    const training = kernel.execute(
      "const seen: number[] = []; for (let step = 0; s.value < 90; step++) { await new Promise((r) => setTimeout(r, 5)); if (seen.at(-1) !== s.value) { seen.push(s.value); console.log('at', s.value); } }\nseen",
    );
    await kernel.wait((m) => m.content["text"] === "at 33\n");
    await update(id, { value: 50 });
    await kernel.wait((m) => m.content["text"] === "at 50\n");
    await update(id, { value: 90 });
    assert.equal((await training).result, "[ 33, 50, 90 ]");
  });

  test("after a message of the page the front end still sees a busy kernel while a cell runs", async () => {
    const id = String(opened(await run("const b = widgets.slider(); 0")).content["comm_id"]);
    const running = kernel.execute("console.log('in'); await b.change(); await b.change();");
    await kernel.wait((m) => m.content["text"] === "in\n");
    await update(id, { value: 1 });
    const idle = kernel.received.findLastIndex(({ type }) => type === "status");
    const last = await kernel.wait((m) => m.type === "status" && kernel.received.indexOf(m) > idle);
    await update(id, { value: 2 });
    const done = await running;
    assert.deepEqual([last.content["execution_state"], last.parent.msg_id], ["busy", done.reply.parent.msg_id]);
  });

  test("an interrupt ends the waiting, also of a cell that goes on in a loop", async () => {
    const id = String(opened(await run("const w = widgets.slider(); const heard: number[] = [];")).content["comm_id"]);
    const running = kernel.execute("console.log('loop'); while (true) heard.push(await w.change());");
    await kernel.wait((m) => m.content["text"] === "loop\n");
    await update(id, { value: 1 });
    await kernel.request("control", "interrupt_request", {});
    assert.equal((await running).error?.ename, "Interrupted");
    await update(id, { value: 2 });
    await update(id, { value: 3 });
    assert.equal((await run("heard")).result, "[ 1 ]");
  });

  test("a handler that fails says so under its cell, and the widget lives on", async () => {
    const done = await run(
      "const f = widgets.slider(); f.onChange(() => { throw new RangeError('in a handler'); }); 0",
    );
    const id = String(opened(done).content["comm_id"]);
    await update(id, { value: 5 });
    const said = await kernel.wait((m) => m.type === "stream" && String(m.content["text"]).includes("in a handler"));
    assert.equal(said.parent.msg_id, done.reply.parent.msg_id);
    assert.equal((await run("f.value")).result, "5");
  });

  test("a handler that never ends is stopped by an interrupt", async () => {
    const done = await run("const e = widgets.slider(); e.onChange(() => { console.log('spins'); while (true); }); 0");
    const id = String(opened(done).content["comm_id"]);
    await kernel.send("shell", "comm_msg", { comm_id: id, data: { method: "update", state: { value: 5 } } });
    await new Promise((resolve) => setTimeout(resolve, 300));
    await kernel.request("control", "interrupt_request", {});
    assert.equal((await run("'alive'")).result, "'alive'");
  });

  test("a malformed state of the page is refused by name; the page is told what holds", async () => {
    const done = await run("const m = widgets.slider({ value: 7 }); m.onChange(console.log); 0");
    const id = String(opened(done).content["comm_id"]);
    const errors = (): string =>
      plain(kernel.received.filter((m) => m.content["name"] === "stderr").map((m) => String(m.content["text"])));
    const messages = await update(id, { value: "much" });
    assert.deepEqual(
      messages.filter(({ type }) => type === "comm_msg").map((m) => [dataOf(m)["method"], dataOf(m)["state"]]),
      [
        ["echo_update", { value: "much" }],
        ["update", { value: 7 }],
      ],
    );
    await page("comm_msg", { comm_id: id, data: { method: "update", state: 5 } });
    await page("comm_msg", { comm_id: id, data: { method: "update", state: {}, buffer_paths: [["__proto__", "x"]] } }, [
      Buffer.from("1"),
    ]);
    await page("comm_msg", { comm_id: id, data: { method: "dance" } });
    await page("comm_msg", { comm_id: "nobody", data: {} });
    assert.equal((await run("m.value")).result, "7");
    for (const expected of [
      /the page sent a slider whose value must be a number, got 'much'/,
      /sent a state of a slider that is no object/,
      /has a buffer for \["__proto__","x"\], which is no place in its state/,
      /a message of the unknown method "dance"/,
    ])
      assert.match(errors(), expected);
  });

  test("bad input of cells gets one clear error", async () => {
    for (const [code, message] of [
      ["widgets.any({} as any)", /a widget needs `esm`, the JavaScript that draws it\nto do: widgets\.any/],
      ["widgets.any({ esm: 'x', state: { _x: 1 } })", /cannot have the name "_x"/],
      ["widgets.any({ esm: 'x', state: 5 as any })", /state must be an object/],
      [
        "widgets.any({ esm: 'x', state: { f() {} } })",
        /the state of a widget is no JSON: it holds a function\nwhere: f/,
      ],
      [
        "widgets.any({ esm: 'x', state: { count: 1 } }).set({ cuont: 2 } as any)",
        /has no "cuont"\nto do: did you mean "count"/,
      ],
      ["widgets.slider({ min: 5, max: 1 })", /needs min < max, got min 5 and max 1/],
      ["widgets.slider({ max: 3, value: 4 })", /value must be from 0 to 3, got 4/],
      ["const bad = widgets.slider(); bad.value = 1000", /the slider's value must be from 0 to 100, got 1000/],
      ["widgets.dropdown({ options: [] })", /a dropdown needs options/],
      [
        "widgets.dropdown({ options: ['a'], value: 'b' as any })",
        /a dropdown has no option 'b'\nto do: its options are a/,
      ],
      ["widgets.row(5 as any)", /a row holds widgets only\nwhere: its child 1/],
      ["widgets.model({ module: 'm' } as any)", /a model needs `version`/],
      ["const gone = widgets.slider(); gone.close(); gone.value = 3", /the slider is closed/],
      ["const left = widgets.slider(); const p = left.change(); left.close(); await p", /the slider is closed/],
    ] as const)
      assert.match(String((await kernel.execute(code)).error?.evalue), message, code);
  });

  test("a type error shows a wrong value before anything runs, and Tab offers what widgets can do", async () => {
    const wrong = await kernel.execute("const d = widgets.dropdown({ options: ['a', 'b'] }); d.value = 'c';");
    assert.match(String(wrong.error?.evalue), /Type '"c"' is not assignable to type '"a" \| "b"'/);
    const code = "widgets.sli";
    const reply = await kernel.request("shell", "complete_request", { code, cursor_pos: code.length });
    assert.deepEqual(reply.content["matches"], ["slider"]);
    const inspected = await kernel.request("shell", "inspect_request", { code: "widgets.any", cursor_pos: 11 });
    assert.match(JSON.stringify(inspected.content["data"]), /A widget of your own in JavaScript/);
  });

  test("ams.widget makes one too", async () => {
    const done = await run("const w2 = ams.widget({ esm: 'export default {}', state: { n: 3 } }); w2.state.n + 1");
    assert.equal(done.result, "4");
    assert.equal((dataOf(opened(done))["state"] as Content)["_model_name"], "AnyModel");
  });

  test("a widget that the page makes is kept and synchronised", async () => {
    await page("comm_open", {
      comm_id: "made",
      target_name: "jupyter.widget",
      data: { state: { _model_name: "LayoutModel", width: "1px" }, buffer_paths: [] },
    });
    const messages = await update("made", { width: "2px" });
    assert.deepEqual(dataOf(messages[1])["state"], { width: "2px" });
    const refused = await page("comm_open", { comm_id: "bare", target_name: "jupyter.widget", data: {} });
    assert.deepEqual(states(refused), ["busy", "comm_close", "idle"]);
  });

  test("a silent cell sends its comm messages too", async () => {
    const silent = await kernel.execute("const quiet = widgets.slider(); 0", { silent: true });
    assert.ok(silent.messages.some(({ type }) => type === "comm_open"));
  });
});
