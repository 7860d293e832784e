import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { progressLine, terminalContext, type Output } from "../../src/commands/terminal.js";

const { signal } = new AbortController();

function record(tty: boolean): Output & { text(): string } {
  let all = "";
  return { isTTY: tty, columns: 60, write: (text: string) => (all += text), text: () => all };
}

describe("progress on a terminal", () => {
  test("is one line that is updated in place, at most ten times a second, and ends with its last state", () => {
    const output = record(true);
    let time = 0;
    const context = terminalContext(output, signal, () => time, false);
    for (let done = 1; done <= 50; done++, time += 10) context.progress({ label: "drawing", done, total: 50 });
    context.close();
    const drawn = output.text().split("\r\u001b[2K").slice(1);
    assert.ok(drawn.length <= 7, `${String(drawn.length)} lines`);
    assert.equal(drawn.at(-1), "drawing 50/50 (100%)\n");
  });

  test("shows a stage as it begins, however soon after another", () => {
    const output = record(true);
    const context = terminalContext(output, signal, () => 0, false);
    context.progress({ label: "reading", done: 9, total: 9 });
    context.progress({ label: "building a base model", done: 0, total: 0 });
    assert.match(output.text(), /\u001b\[2Kreading 9\/9 \(100%\)\r\u001b\[2Kbuilding a base model$/);
  });

  test("gives way to notes, which stay, and fits the width", () => {
    const output = record(true);
    let time = 0;
    const context = terminalContext(output, signal, () => (time += 1000), false);
    context.progress({ label: "x".repeat(200), done: 1, total: 2 });
    context.note("a remark");
    context.progress({ label: "y", done: 2, total: 2 });
    context.close();
    assert.ok(output.text().includes("\r\u001b[2Ka remark\n"));
    assert.ok(output.text().split(/[\r\n]/).every((line) => line.replace("\u001b[2K", "").length < 60)); // prettier-ignore
  });
});

describe("progress of what has names from data", () => {
  const label = "reading \u001b[2Jsplit\r\nof\u0007 captions";
  const clean = "reading \ufffd[2Jsplit\ufffd of\ufffd captions";

  for (const inCi of [false, true])
    test(`is one line without control characters ${inCi ? "in a log" : "on a terminal"}`, () => {
      const written: string[] = [];
      const stderr: Output = { isTTY: true, columns: 200, write: (text) => written.push(text) };
      const context = terminalContext(stderr, new AbortController().signal, () => 0, inCi);
      context.progress({ label, done: 1, total: 2, note: "a\u001bb" });
      context.progress({ label, done: 2, total: 2, milestone: "epoch\u001b 1" });
      context.close();
      const lines = written
        .join("")
        .trimEnd()
        .split(inCi ? "\n" : "\r\u001b[2K")
        .filter(Boolean);
      assert.deepEqual(lines, [`${clean} 1/2 (50%) · a\ufffdb`, inCi ? `${clean} epoch\ufffd 1` : `${clean} 2/2 (100%)`]); // prettier-ignore
    });
});

describe("progress in a log", () => {
  test("is a line for each stage, one every ten seconds, and the last state of each", () => {
    const output = record(false);
    let time = 0;
    const context = terminalContext(output, signal, () => time);
    for (let done = 1; done <= 25; done++, time += 1000) context.progress({ label: "first", done, total: 25 });
    context.progress({ label: "second", done: 1, total: 1 });
    context.close();
    assert.deepEqual(output.text().trimEnd().split("\n"), [
      "first 1/25 (4%)",
      "first 11/25 (44%)",
      "first 21/25 (84%)",
      "first 25/25 (100%)",
      "second 1/1 (100%)",
    ]);
    assert.doesNotMatch(output.text(), /\r/);
  });

  test("is a line for each milestone of work that has them, and a sign of life every five minutes", () => {
    for (const tty of [false, true]) {
      const output = record(tty);
      let time = 0;
      const context = terminalContext(output, signal, () => time, true); // a CI service may call itself a terminal
      for (let done = 1; done <= 100; done++, time += 10_000)
        context.progress({ label: "training", done, total: 100, milestone: done < 50 ? "" : "epoch 1/2: loss 3.000" });
      context.progress({ label: "training", done: 100, total: 100, milestone: "epoch 2/2: loss 2.000" });
      context.progress({
        label: "training",
        done: 100,
        total: 100,
        milestone: "epoch 2/2: loss 2.000",
        note: "finished",
      });
      context.close();
      assert.deepEqual(output.text().trimEnd().split("\n"), [
        "training 1/100 (1%)",
        "training 2/100 (2%)",
        "training 32/100 (32%)",
        "training epoch 1/2: loss 3.000",
        "training 80/100 (80%)",
        "training epoch 2/2: loss 2.000",
        "training 100/100 (100%) · finished",
      ]);
      assert.doesNotMatch(output.text(), /[\r\u001b]/);
    }
  });
});

describe("a training in a log", () => {
  const lines = (
    play: (report: (done: number, phase?: string, milestone?: string) => void, wait: (seconds: number) => void) => void,
  ): string[] => {
    const output = record(false);
    let time = 0;
    let reached = "";
    const context = terminalContext(output, signal, () => time, true);
    play(
      (done, phase, milestone = reached) => {
        reached = milestone;
        context.progress({
          label: "training",
          done,
          total: 100,
          milestone,
          note: phase ?? "",
          ...(phase === undefined ? {} : { phase }),
        });
      },
      (seconds) => {
        time += 1000 * seconds;
      },
    );
    return output.text().trimEnd().split("\n"); // not closed: what is there while it runs
  };

  test("tells its first step, also of a run that goes on, and when it begins to evaluate", () => {
    const told = lines((report) => {
      for (const done of [40, 40, 41, 42, 43]) report(done);
      for (let image = 0; image < 50; image++) report(43, "evaluating");
    });
    assert.deepEqual(told, ["training 40/100 (40%)", "training 41/100 (41%)", "training 43/100 (43%) · evaluating"]);
  });

  test("is not flooded by short evaluations, and tells of each long one once", () => {
    const told = lines((report, wait) => {
      report(0);
      for (let epoch = 1; epoch <= 4; epoch++) {
        report(epoch);
        for (let image = 0; image < 20; image++) {
          report(epoch, "evaluating");
          wait(epoch === 4 ? 1 : 0.1);
        }
        report(epoch, undefined, `epoch ${String(epoch)}`);
      }
    });
    const begun = told.filter((line) => line.includes("evaluating"));
    assert.deepEqual(begun, ["training 1/100 (1%) · evaluating", "training 4/100 (4%) · evaluating"]);
    assert.equal(told.length, 8, told.join("\n"));
  });
});

test("a line of progress has count, share and remark", () => {
  assert.equal(
    progressLine({ label: "training", done: 3, total: 12, note: "loss 4.2" }),
    "training 3/12 (25%) · loss 4.2",
  );
  assert.equal(progressLine({ label: "waiting", done: 0, total: 0 }), "waiting");
});
