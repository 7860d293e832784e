import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { checkOptions, parseWords } from "../../src/commands/parse.js";
import { splitWords } from "../../src/commands/split.js";
import { commands } from "../../src/commands/table.js";
import { AmsError } from "../../src/errors.js";
import { fit, sample } from "./sample.js";

const parse = (line: string, table = sample): ReturnType<typeof parseWords> =>
  parseWords(
    splitWords(line).map((word) => word.text),
    table,
  );
const options = (line: string, table = sample): Record<string, unknown> => parse(line, table).options;

/** The AmsError of a line: message, where and hint. */
function refusal(line: string, table = sample): AmsError {
  try {
    parse(line, table);
  } catch (error) {
    assert.ok(error instanceof AmsError, `not an AmsError: ${String(error)}`);
    assert.ok(error.where !== undefined && error.hint !== undefined, "three lines: what, where, what to do");
    return error;
  }
  assert.fail(`accepted: ${line}`);
}

describe("reading options", () => {
  test("flags take values after a blank or an equals sign, in the option's kind", () => {
    const read = options("fit --epochs 5 --learning-rate=2e-5 --kind deep");
    assert.deepEqual([read["epochs"], read["learningRate"], read["kind"]], [5, 2e-5, "deep"]);
  });

  test("what is not given has its default", () => {
    assert.deepEqual(options("fit"), { epochs: 3, kind: "linear", shuffle: true });
  });

  test("underscores, short names and published names mean the same option", () => {
    assert.equal(options("fit --learning_rate 0.1")["learningRate"], 0.1);
    assert.equal(options("fit --lr 0.1")["learningRate"], 0.1);
    assert.equal(options("fit --batch_kind deep")["kind"], "deep");
    assert.equal(options("fit --kind lin")["kind"], "linear");
  });

  test("switches: --shuffle, --no-shuffle, --shuffle=false", () => {
    assert.equal(options("fit --shuffle")["shuffle"], true);
    assert.equal(options("fit --no-shuffle")["shuffle"], false);
    assert.equal(options("fit --shuffle=false")["shuffle"], false);
  });

  test("repeated flags make a list", () => {
    assert.deepEqual(options("fit --tags a --tags 'b c'")["tags"], ["a", "b c"]);
  });

  test("a typed call may give one value where a list is meant", () => {
    assert.deepEqual(checkOptions(fit, { tags: "a" })["tags"], ["a"]);
    const { train, eval: evaluate } = Object.fromEntries(commands.map((command) => [command.name, command]));
    assert.deepEqual(checkOptions(train!, { quirk: "padWords=corrected" })["quirk"], ["padWords=corrected"]);
    assert.equal(checkOptions(evaluate!, { checkpoint: "first" })["checkpoint"], "first");
    assert.throws(
      () => checkOptions(train!, { quirk: "padWord=corrected" }),
      (error: AmsError) => /"padWord=corrected" is none/.test(error.message) && /padWords=corrected/.test(error.hint!),
    );
    assert.throws(() => checkOptions(fit, { tags: 5 }), /--tags: 5 is not a text/);
  });

  test("--resume works alone and with a name", () => {
    assert.equal(options("fit --resume")["resume"], true);
    assert.equal(options("fit --resume --epochs 2")["resume"], true);
    assert.equal(options("fit --resume first")["resume"], "first");
  });

  test("free words are the positional option, joined where the command says so; -- ends the flags", () => {
    assert.equal(options("ask two red cars --k 3")["query"], "two red cars");
    assert.equal(options("ask -- --k")["query"], "--k");
  });

  test("negative numbers are values, not flags", () => {
    assert.match(refusal("fit --lr -1").message, /--learning-rate: -1 is not above 0/);
  });

  test("the second name of a verb works", () => {
    assert.equal(parse("learn").command.name, "fit");
  });

  test("a flag of the published code turns a line into another verb's", () => {
    const parsed = parse("fit --test what now");
    assert.equal(parsed.command.name, "ask");
    assert.deepEqual(parsed.options, { query: "what now", k: 5, deep: true });
  });

  test("what the other verb does not know is refused, unless the published code's lines have it", () => {
    const error = refusal("index --list --fresh", commands);
    assert.deepEqual(error.lines(), [
      "--fresh does nothing together with --list",
      "where: ams index --list --fresh",
      "to do: leave out one of them: `ams index --list` is `ams indexes`, which has no --fresh",
    ]);
    assert.match(
      refusal("index --index=photos --list", commands).message,
      /^--index does nothing together with --list/,
    );
    assert.match(refusal("index --features nothing --list", commands).message, /--features: "nothing" is none of/);
    assert.match(refusal("fit --test what --epochs 3").message, /^--epochs does nothing together with --test/);
    assert.equal(parse("index --list", commands).command.name, "indexes");
    assert.equal(parse("train --test --epochs 3", commands).command.name, "eval");
  });

  test("--help asks for help and checks nothing", () => {
    assert.equal(parse("fit --nonsense --help").help, true);
  });
});

describe("refusals name what is wrong, where, and the nearest valid names", () => {
  test("an unknown verb", () => {
    const error = refusal("fti --epochs 5");
    assert.match(error.message, /no command "fti"/);
    assert.match(error.hint ?? "", /did you mean fit\?/);
  });

  test("an unknown option", () => {
    const error = refusal("fit --epoch 5");
    assert.match(error.message, /fit has no option --epoch/);
    assert.match(error.hint ?? "", /--epochs/);
    assert.equal(error.where, "ams fit --epoch 5");
  });

  test("an unknown value", () => {
    const error = refusal("fit --kind dep");
    assert.match(error.message, /--kind: "dep" is none of its values/);
    assert.match(error.hint ?? "", /did you mean deep\?/);
  });

  test("a value of the wrong kind, too small, too large", () => {
    assert.match(refusal("fit --epochs five").message, /--epochs: "five" is not a whole number/);
    assert.match(refusal("fit --epochs five").hint ?? "", /^give --epochs N: /);
    assert.match(refusal("fit --epochs 1.5").message, /--epochs: 1.5 is not a whole number/);
    assert.match(refusal("fit --lr fast").message, /"fast" is not a number/);
    assert.match(refusal("fit --epochs 0").message, /0 is below the least value 1/);
    assert.match(refusal("fit --epochs 100").message, /100 is above the greatest value 99/);
  });

  test("a text of another form", () => {
    for (const size of ["6,64", "36", "0x64"]) {
      const { message, hint } = refusal(`build --regions ${size}`, commands);
      assert.equal(message, `--regions: "${size}" is not of the form COUNTxWIDTH`);
      assert.match(hint ?? "", /^write COUNTxWIDTH, such as 36x2048: look at precomputed region features/);
    }
  });

  test("a missing value, a missing positional, a word too many, a flag given twice", () => {
    assert.match(refusal("fit --epochs").message, /--epochs needs a value/);
    assert.match(refusal("fit --epochs --lr 1").message, /--epochs needs a value/);
    assert.match(refusal("ask").message, /ask needs TEXT: what to ask/);
    assert.match(refusal("fit epochs").message, /"epochs" is one word too many/);
    assert.match(refusal("fit epochs").hint ?? "", /--epochs/);
    assert.match(refusal("fit lrx").hint ?? "", /^did you mean --lr\?/);
    assert.match(refusal("fit yr").hint ?? "", /^did you mean --lr\?/);
    assert.match(refusal("fit yes").hint ?? "", /^`ams fit --help` shows/, "no flag is like it, whatever its dashes");
    assert.match(refusal("fit --epochs 2 --epochs 3").message, /--epochs is given twice/);
  });

  test("options that only code can give are unknown on a line", () => {
    assert.match(refusal("fit --model x").message, /no option --model/);
  });

  test("typed calls are checked by the same rules", () => {
    assert.deepEqual(checkOptions(fit, { lr: 0.5, model: { weights: [1] } }), {
      epochs: 3,
      learningRate: 0.5,
      kind: "linear",
      shuffle: true,
      model: { weights: [1] },
    });
    assert.throws(() => checkOptions(fit, { epoch: 5 }), /fit has no option --epoch/);
    assert.throws(() => checkOptions(fit, { kind: "dep" }), /none of its values/);
  });
});

describe("the real table", () => {
  test("every example of every verb is accepted", () => {
    for (const command of commands) {
      for (const example of command.examples) assert.doesNotThrow(() => parse(example, commands), example);
    }
  });

  test("the published training line has its published meaning", () => {
    const { command, options: read } = parse(
      "train --dataset flickr --data_path /f30k --max_violation --batch_size_train 32 --learning_rate 2e-5 " +
        "--lambda_softmax 20 --alpha 2 --num_epochs 25 --grad_clip 2 --logger_name runs/f30k --resume first",
      commands,
    );
    assert.equal(command.name, "train");
    const wanted = {
      data: "flickr30k",
      root: "/f30k",
      maxViolation: true,
      batchSize: 32,
      learningRate: 2e-5,
      epochs: 25,
    };
    for (const [key, value] of Object.entries(wanted)) assert.equal(read[key], value, key);
    assert.deepEqual([read["gradClip"], read["loggerName"], read["resume"]], [2, "runs/f30k", "first"]);
  });

  test("the published --test line evaluates the checkpoint on the test split", () => {
    const { command, options: read } = parse(
      "train --test --dataset flickr --image_root /f30k --resume best",
      commands,
    );
    assert.equal(command.name, "eval");
    assert.deepEqual(
      [read["split"], read["data"], read["root"], read["resume"]],
      ["test", "flickr30k", "/f30k", "best"],
    );
  });

  test("the published --test line may repeat the training's flags, which are checked and left out", () => {
    const { command, options: read } = parse(
      "train --test --max_violation --dataset flickr --num_epochs=25 --batch_size_train 32 --lambda_softmax 20 --resume best --folds 5",
      commands,
    );
    assert.equal(command.name, "eval");
    assert.deepEqual(
      [read["data"], read["resume"], read["folds"], read["epochs"]],
      ["flickr30k", "best", 5, undefined],
    );
    assert.match(refusal("train --test --lambda_softmax 9", commands).message, /--lambda-softmax: 9 can only be 20/);
    assert.match(refusal("train --test --nothing 9", commands).message, /eval has no option --nothing/);
  });

  test("published values that the score is not defined for are refused, not ignored", () => {
    assert.match(refusal("train --lambda_softmax 9", commands).message, /--lambda-softmax: 9 can only be 20/);
    assert.match(refusal("train --no-max-violation", commands).message, /--max-violation: false can only be true/);
  });

  test("an unknown recipe, size or figure names the valid ones", () => {
    assert.match(refusal("train --recipe ams-publishd", commands).hint ?? "", /ams-published/);
    assert.match(refusal("build --size smal", commands).hint ?? "", /small/);
    assert.match(refusal("plot atention", commands).hint ?? "", /attention/);
    assert.match(refusal("plot", commands).hint ?? "", /attention, recall, history, runs, gallery/);
  });
});
