import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, test } from "node:test";
import { AmsError } from "../../../src/errors.js";
import { crc32, slowCrc32 } from "../../../src/model/weights/crc32.js";
import { Namespace, plainMakers, readPickle } from "../../../src/model/weights/pickle.js";
import { openWeights } from "../../../src/model/weights/openWeights.js";
import { openCheckpoint } from "../../../src/model/weights/published.js";
import { openTorch, TorchTensor } from "../../../src/model/weights/torchFile.js";
import { FloatTensor, OrderedDict, writeTorch } from "../../../src/model/weights/torchWrite.js";

import { threeLines } from "./sample.js";

const folder = mkdtempSync(path.join(tmpdir(), "ams-pickle-"));
after(() => {
  rmSync(folder, { recursive: true });
});

function read(text: string): unknown {
  const fail = (what: string): never => {
    throw new Error(what);
  };
  const options = { makers: new Map(plainMakers), persistent: (id: unknown) => id, fail };
  return readPickle(Buffer.from(text, "latin1"), 0, options).value;
}

describe("pickles", () => {
  // Written by hand after Python's pickletools: what `pickle.dumps` of protocols 0 to 5 makes of the value on the right.
  for (const [what, bytes, value] of [
    ["small integers", "\x80\x02]q\x00(K\x07M\x2c\x01J\xff\xff\xff\xffe.", [7, 300, -1]],
    ["long integers", "\x80\x02]q\x00(\x8a\x06\x00\x00\x00\x00\x00\x01\x8a\x01\xfe\x8a\x00e.", [2 ** 40, -2, 0]],
    ["an integer beyond 2^53", "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 0x1950a86a20f9469cfc6cn],
    ["numbers of protocol 0", "(lp0\nI5\naF1.5\naL7L\naI01\na.", [5, 1.5, 7, true]],
    ["floats, None, booleans", "\x80\x02]q\x00(G\x3f\xf8\x00\x00\x00\x00\x00\x00N\x88\x89e.", [1.5, null, true, false]],
    ["text", "\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x03h\xc3\xa9\x94.", "hé"],
    ["a dictionary", "\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01K\x01X\x01\x00\x00\x00bq\x02]q\x03u.", new Map<string, unknown>([["a", 1], ["b", []]])], // prettier-ignore
    ["tuples", "\x80\x02K\x01\x85K\x01K\x02\x86K\x01K\x02K\x03\x87\x87.", [[1], [1, 2], [1, 2, 3]]],
    ["a value recalled", "\x80\x02]q\x00(X\x01\x00\x00\x00aq\x01h\x01e.", ["a", "a"]],
    ["an OrderedDict", "\x80\x02ccollections\nOrderedDict\nq\x00)Rq\x01X\x01\x00\x00\x00aK\x01s.", new Map([["a", 1]])],
    ["a set of protocol 4", "\x80\x04\x8f\x94(K\x01K\x02\x90.", new Set([1, 2])],
    ["a set of protocol 2", "\x80\x02c__builtin__\nset\nq\x00]q\x01(K\x01K\x02e\x85q\x02Rq\x03.", new Set([1, 2])],
  ] as [string, string, unknown][]) {
    test(`${what} come back`, () => {
      assert.deepEqual(read(bytes), value);
    });
  }

  test("a Namespace keeps its attributes, also one called __proto__", () => {
    const space = read("\x80\x02cargparse\nNamespace\nq\x00)\x81q\x01}q\x02(X\x09\x00\x00\x00__proto__K\x01X\x01\x00\x00\x00xK\x02ub."); // prettier-ignore
    assert.ok(space instanceof Namespace);
    assert.deepEqual([...space.attributes], [["__proto__", 1], ["x", 2]]); // prettier-ignore
    assert.equal(({} as Record<string, unknown>)["x"], undefined);
  });

  for (const [what, bytes, message] of [
    ["an end within a text", "\x80\x02X\xff\x00\x00\x00ab", /ends within 255 bytes/],
    ["no end", "\x80\x02K\x01", /ends within 1 bytes/],
    ["a missing value", "\x80\x02K\x01a.", /uses a value that it has not made/],
    ["a missing mark", "\x80\x02K\x01u.", /uses a mark/],
    ["an unknown memo", "\x80\x02h\x05.", /recalls value 5/],
    ["items of a list", "\x80\x02]K\x01K\x02s.", /sets items of no dictionary/],
    ["a call of data", "\x80\x02K\x01)R.", /calls something that has no name/],
    ["attributes of a number", "\x80\x02K\x01}b.", /sets attributes of what has none/],
    ["an operation for classes", "\x80\x02(cos\nsystem\n", /asks for os\.system/],
    ["the old instance operation", "(S'x'\nios\nsystem\n.", /operation INST/],
    ["an extension code", "\x80\x02\x82\x01.", /operation EXT1/],
    ["an integer of 2,000 bytes", `\x80\x02\x8b\xd0\x07\0\0${"x".repeat(2000)}.`, /integer of 2000 bytes/],
    ["a text for an integer", "Labc\n.", /number that is none/],
    ["a text for a number", "Fabc\n.", /number that is none/],
    ["a text for a memo", "Npx\n.", /number that is none/],
    ["a set of a number", "\x80\x02c__builtin__\nset\nK\x05\x85R.", /set is made of no list/],
    ["a dictionary of numbers", "\x80\x02ccollections\nOrderedDict\n](K\x01K\x02e\x85R.", /made of no pairs/],
    ["bytes of a list", "\x80\x02c_codecs\nencode\n]\x85R.", /bytes are made of no text/],
    ["more than ten million values", "N".repeat(10_000_001), /more than 10000000 values/],
    ["a later protocol", "\x80\x06N.", /later protocol/],
  ] as [string, string, RegExp][]) {
    test(`${what} is refused`, () => {
      assert.throws(() => read(bytes), message);
    });
  }
});

describe("a malicious torch file", () => {
  const proof = path.join(folder, "proof");
  const text = (value: string): string => `X${String.fromCharCode(value.length)}\0\0\0${value}`;
  const shell = `touch ${proof}`;
  for (const [name, pickle] of [
    ["posix.system", `\x80\x02cposix\nsystem\n(${text(shell)}tR.`],
    ["os.system", `\x80\x02cos\nsystem\n(${text(shell)}tR.`],
    ["builtins.eval", `\x80\x02c__builtin__\neval\n(${text("1")}tR.`],
    ["builtins.exec", `\x80\x04\x8c\x08builtins\x8c\x04exec\x93(${text("1")}tR.`],
    ["builtins.getattr", `\x80\x02cbuiltins\ngetattr\n(${text("a")}${text("b")}tR.`],
    ["subprocess.Popen", `\x80\x02csubprocess\nPopen\n(${text(shell)}t\x81.`],
    ["torch.load", `\x80\x02ctorch\nload\n(${text("x")}tR.`],
    ["torch.FloatStorage", "\x80\x02ctorch\nFloatStorage\n(K\x01tR."],
    ["torch.storage._load_from_bytes", "\x80\x02ctorch.storage\n_load_from_bytes\n(C\x01atR."],
    ["__main__.Thing", "\x80\x02c__main__\nThing\n)\x81."],
    ["numpy.core.multiarray.scalar", "\x80\x02cnumpy.core.multiarray\nscalar\n)R."],
  ] as const) {
    test(`${name} is refused by its name and nothing is run`, () => {
      const file = path.join(folder, "bad.pth.tar");
      writeFileSync(file, zipOf([["bad/data.pkl", Buffer.from(pickle, "latin1")]]));
      assert.throws(
        () => openTorch(file),
        (error: unknown) => {
          assert.ok(error instanceof AmsError, String(error));
          assert.ok(error.message.includes(name), error.message);
          assert.equal(error.where, file);
          assert.match(error.hint ?? "", /nothing is ever run/);
          return true;
        },
      );
      assert.ok(!existsSync(proof));
    });
  }
});

describe("a torch file that is not as torch.save writes it", () => {
  const file = path.join(folder, "odd.pth");
  const open = (pickle: string): unknown => {
    writeFileSync(file, zipOf([["odd/data.pkl", Buffer.from(pickle, "latin1")]]));
    const opened = openTorch(file);
    opened.close();
    return opened.value;
  };
  const isAms = (error: unknown): boolean => {
    assert.ok(error instanceof AmsError, String(error));
    assert.equal(error.where, file);
    return true;
  };
  // Forty lists, each holding the one before twice: as text 2^40 pieces.
  const bomb = `X\x01\0\0\0a${"2\x86".repeat(40)}`;

  for (const [what, pickle] of [
    ["for bytes", `\x80\x02c_codecs\nencode\n${bomb}\x85R.`],
    ["for a device", `\x80\x02ctorch\ndevice\n${bomb}\x85R.`],
    ["for a size", `\x80\x02ctorch\nSize\n${bomb}\x85R.`],
    ["for a storage's key", `\x80\x02(X\x07\0\0\0storagectorch\nFloatStorage\n${bomb}NK\x01tQ.`],
  ] as const) {
    test(`a list of lists ${what} is refused at once`, () => {
      assert.throws(() => open(pickle), isAms);
    });
  }

  test("a list of lists for a name is no tensor's name, and a dictionary in itself no state", () => {
    for (const pickle of [`\x80\x02}${bomb}Ns.`, "\x80\x02}q\0X\x05\0\0\0modelh\0s."]) {
      open(pickle);
      assert.throws(() => openWeights(file), isAms);
      assert.throws(() => openCheckpoint(file), /no checkpoint|no "model"/);
    }
  });

  test("200,000 tuples in one another are read", () => {
    assert.ok(Array.isArray(open(`\x80\x02N${"\x85".repeat(200_000)}.`)));
  });

  test("with any byte changed is one error or data", () => {
    const whole = path.join(folder, "whole.pth");
    const tensor = new FloatTensor([2, 3], () => new Float32Array(6));
    writeTorch(whole, new Map<string, unknown>([["epoch", 3], ["x", new OrderedDict([["w", tensor]])]])); // prettier-ignore
    const bytes = readFileSync(whole);
    const name = "archive/data.pkl";
    // Without checksums, so that the pickle itself is put to the test.
    for (let at = 0; (at = bytes.indexOf("PK", at)) >= 0; at += 4) {
      if (bytes[at + 2] === 1) bytes.fill(0, at + 16, at + 20);
    }
    assert.ok(bytes.includes(name));
    let refused = 0;
    let tried = 0;
    for (let at = 0; at < bytes.length; at++) {
      for (const change of [1, 0x80, 0xff, (at * 37) % 255 || 2]) {
        const changed = Buffer.from(bytes);
        changed[at]! ^= change;
        writeFileSync(file, changed);
        tried++;
        try {
          const opened = openTorch(file);
          try {
            const state = opened.value instanceof Map ? (opened.value.get("x") as unknown) : undefined;
            if (state instanceof Map) for (const w of state.values()) if (w instanceof TorchTensor) w.read();
          } finally {
            opened.close();
          }
        } catch (error) {
          refused++;
          isAms(error);
        }
      }
    }
    assert.ok(refused > 100 && refused < tried, `${refused} of ${tried} refused`);
  });
});

describe("a tensor that takes a part of its record", () => {
  const file = path.join(folder, "part.pth");
  // Four numbers in the record, of which the tensor has the second and third.
  const storage = "(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x04tQ";
  const pickle = `\x80\x02}X\x01\0\0\0xctorch._utils\n_rebuild_tensor_v2\n(${storage}K\x01K\x02\x85K\x01\x85\x89NtRs.`;
  const written = (change: (bytes: Buffer) => void): TorchTensor => {
    const numbers = Buffer.from(Float32Array.of(1, 2, 3, 4).buffer);
    const bytes = zipOf([["part/data.pkl", Buffer.from(pickle, "latin1")], ["part/data/0", numbers]]); // prettier-ignore
    change(bytes.subarray(bytes.indexOf(numbers)));
    writeFileSync(file, bytes);
    return (openTorch(file).value as Map<string, TorchTensor>).get("x") as TorchTensor;
  };

  test("is read", () => {
    const tensor = written(() => undefined);
    assert.deepEqual([...tensor.read()], [2, 3]);
    assert.deepEqual([...tensor.read()], [2, 3]);
  });

  test("is refused by the checksum of all of it, wherever the damage is", () => {
    for (const at of [0, 5, 15]) {
      const tensor = written((numbers) => (numbers[at]! ^= 1));
      assert.throws(
        () => tensor.read(),
        threeLines(/record part\/data\/0 does not have its checksum/, /copy or download/),
      );
    }
  });
});

describe("a pickle of more than 64 MiB", () => {
  const file = path.join(folder, "large.pth");
  const text = (length: number): Buffer => {
    const bytes = Buffer.alloc(length + 8, "a");
    bytes.write("\x80\x02X", "latin1");
    bytes.writeUInt32LE(length, 3);
    bytes.write(".", length + 7);
    return bytes;
  };

  test("is refused before it is read; one of 64 MiB is read", () => {
    writeFileSync(file, zipOf([["large/data.pkl", text(2 ** 26 - 7)]]));
    assert.throws(() => openTorch(file), threeLines(/data\.pkl has 67108865 bytes, more than 67108864/, /again/));
    writeFileSync(file, zipOf([["large/data.pkl", text(2 ** 26 - 8)]]));
    const opened = openTorch(file);
    opened.close();
    assert.equal((opened.value as string).length, 2 ** 26 - 8);
  });

  test("is refused in an old file too", () => {
    const magic = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
    const system = "\x80\x02}X\x0d\0\0\0little_endian\x88s.";
    const start = Buffer.from(`${magic}\x80\x02M\xe9\x03.${system}`, "latin1");
    writeFileSync(file, Buffer.concat([start, text(2 ** 26)]));
    assert.throws(() => openTorch(file), threeLines(/ends within 67108864 bytes/, /again/));
  });
});

describe("torch files that are written", () => {
  test("plain data comes back as it was", () => {
    const space = new Namespace();
    space.attributes = new Map<unknown, unknown>([["alpha", 2.5], ["names", ["a", "ß"]]]); // prettier-ignore
    const value = new Map<unknown, unknown>([
      ["n", null],
      ["yes", true],
      ["no", false],
      ["small", -3],
      ["large", 2 ** 40],
      ["larger", -(2n ** 70n)],
      ["float", 0.1],
      ["list", [1, [2], []]],
      ["state", new OrderedDict([["x", 1]])],
      ["opt", space],
      [5, "an integer key"],
    ]);
    const file = path.join(folder, "plain.pth.tar");
    writeTorch(file, value);
    const opened = openTorch(file);
    assert.deepEqual(opened.value, new Map([...value].map(([k, v]) => [k, v instanceof OrderedDict ? new Map(v) : v])));
    opened.close();
  });

  test("the checksum is zip's", () => {
    const check = Buffer.from("123456789");
    assert.equal(slowCrc32(check), 0xcbf43926);
    assert.equal(crc32(check), 0xcbf43926);
    for (const of of [crc32, slowCrc32]) assert.equal(of(check.subarray(4), of(check.subarray(0, 4))), 0xcbf43926);
  });
});

/** An uncompressed archive without any of our writer's code. */
function zipOf(records: [string, Buffer][]): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const [name, bytes] of records) {
    const common = Buffer.alloc(26);
    common.writeUInt32LE(crc32(bytes), 10);
    common.writeUInt32LE(bytes.length, 14);
    common.writeUInt32LE(bytes.length, 18);
    common.writeUInt16LE(name.length, 22);
    const entry = Buffer.concat([Buffer.from("PK\x01\x02\0\0"), common, Buffer.alloc(14), Buffer.from(name)]);
    entry.writeUInt32LE(at, 42);
    directory.push(entry);
    parts.push(Buffer.from("PK\x03\x04"), common, Buffer.from(name), bytes);
    at += 30 + name.length + bytes.length;
  }
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06");
  end.writeUInt16LE(records.length, 8);
  end.writeUInt16LE(records.length, 10);
  end.writeUInt32LE(Buffer.concat(directory).length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...parts, ...directory, end]);
}
